"""Text that others wrote, for one line of a terminal or a log."""


def escaped(text: str) -> str:
    """*text* with everything that is not a visible character or a blank written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
