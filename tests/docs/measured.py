"""Tables of the documents that a campaign measures."""

from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
END = "<!-- end of table -->\n"


def write_table(page: str, target: str, lines: Sequence[str]) -> None:
    """Put the table of `make target` in place of the one that the page has of it."""
    path = ROOT / page
    path.write_text(with_table(path.read_text("utf-8"), target, lines), "utf-8")


def with_table(text: str, target: str, lines: Sequence[str]) -> str:
    """*text* with another table of `make target`. Raises ValueError if it has none."""
    before, begin, rest = _cut(text, f"<!-- table: make {target} -->\n")
    _, end, after = _cut(rest, END)
    return before + begin + "".join(f"{line}\n" for line in lines) + end + after


def _cut(text: str, mark: str) -> tuple[str, str, str]:
    before, found, after = text.partition(mark)
    if not found:
        raise ValueError(f"there is no {mark.strip()}")
    return before, found, after
