"""Log lines for people: time, level, message, then the fields that are not the same on every line."""

from collections.abc import Mapping
from typing import Any

from syncd.escaping import escaped

_HIDDEN = frozenset(
    {"@timestamp", "log.level", "message", "event.sequence", "error.stack_trace", "syncd.run.id", "ecs.version"}
)
_HIDDEN_PREFIX = "service."
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "fatal": "1;31"}


class ConsoleRenderer:
    """The last step of the pipeline on a terminal. A stack trace, if there is one, follows on lines of its own."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, line: Mapping[str, Any]) -> str:
        """One line of text (and a stack trace); values cannot break it or send codes to the terminal."""
        level = line["log.level"]
        fields = " ".join(
            f"{escaped(name)}={_value(value)}"
            for name, value in line.items()
            if name not in _HIDDEN and not name.startswith(_HIDDEN_PREFIX)
        )
        head = f"{line['@timestamp'][11:19]} {self._paint(_COLOURS[level], f'{level:7}')}"
        text = f"{head} {escaped(str(line['message']))}  {self._paint('2', fields)}"
        trace = str(line.get("error.stack_trace", ""))
        return "\n".join([text.rstrip(), *(f"    {escaped(row)}" for row in trace.splitlines())])

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours and text else text


def _value(value: object) -> str:
    text = escaped(str(value))
    return f'"{text}"' if not text or " " in text or "=" in text else text
