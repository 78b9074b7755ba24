"""Log lines: one event, one line, on one stream, whatever is in it.

    emit / a library's record ─▶ compose (all fields, errors as text) ─▶ redact ─▶ render ─▶ stream

Lines of libraries (asyncpg, aiohttp, apscheduler, warnings) take the same way and come out as syncd.log.foreign.
Nothing that is logged can stop the program: a line that cannot be made is replaced by a short one that says so,
and one that cannot be written is counted in `Log.lost`.
"""

import json
import logging
import traceback
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from typing import Any, Literal, TextIO

from syncd.clock import Clock
from syncd.errors import SyncdError
from syncd.telemetry import events
from syncd.telemetry.console import ConsoleRenderer
from syncd.telemetry.event import Event, Level
from syncd.telemetry.redaction import Redactor, text_of

Line = dict[str, Any]
Format = Literal["json", "console", "auto"]

ECS_VERSION = "8.17.0"
_NUMBERS: Mapping[Level, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "fatal": 50}
_LEVELS: Mapping[int, Level] = {number: level for level, number in _NUMBERS.items()}
_MAX_FRAMES = 30
_NO_FIELDS: Mapping[str, object] = {}
_LOGGER = logging.getLogger("syncd.events")


class Log:
    """Where the program says what happens. Made by `configure`; `close` gives the stream back."""

    def __init__(
        self, handler: "_Handler", redactor: Redactor, *, level: Level, strict: bool, on_event: Callable[[str], None]
    ) -> None:
        self.redactor = redactor
        self._handler = handler
        self._strict = strict
        self._on_event = on_event
        self.level = level

    @property
    def level(self) -> Level:
        """The least important level that is written. Libraries write warnings and errors only, unless it is debug."""
        return _LEVELS[self._least]

    @level.setter
    def level(self, level: Level) -> None:
        self._least = _NUMBERS[level]
        logging.getLogger().setLevel(logging.INFO if level == "debug" else max(self._least, logging.WARNING))

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return self._handler.lost

    def emit(
        self,
        event: Event,
        fields: Mapping[str, object] = _NO_FIELDS,
        *,
        level: Level | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Write one line.

        Args:
            event: what happened, out of `events`.
            fields: name -> value, names out of the event's definition; a value of None is left out.
            level: other than the event's own; a line below the configured level is not written.
            error: becomes error.type, error.message and, if nobody expected it, error.stack_trace.

        Raises:
            NotInCatalogue: only if configured as strict. Otherwise nothing, ever: a field that the catalogue
                does not know is written all the same.
        """
        try:
            if self._strict:
                events.check(event, {**fields, **_error_fields(event, error)})
            self._on_event(event.name)
            number = _NUMBERS[level or event.level]
            if number >= self._least:
                _LOGGER.log(number, event.text, extra={"syncd_line": (event, fields, error)})
        except Exception:
            if self._strict:
                raise
            self._handler.lost += 1

    def close(self) -> None:
        """Stop writing, and let libraries log as if `configure` had never been. The stream stays open."""
        root = logging.getLogger()
        if self._handler in root.handlers:
            root.removeHandler(self._handler)
            root.setLevel(logging.WARNING)


def configure(  # noqa: PLR0913 - a composition root: each argument is a different thing
    *,
    format: Format = "auto",  # noqa: A002 - the name of the setting
    level: Level = "info",
    stream: TextIO,
    clock: Clock,
    run_id: str,
    instance_id: str,
    redactor: Redactor | None = None,
    strict: bool = False,
    on_event: Callable[[str], None] = lambda _: None,
) -> Log:
    """Send all log lines of this process to *stream*, and take the place of an earlier `configure`.

    Args:
        format: "auto" is "console" on a terminal and "json" elsewhere.
        level: see `Log.level`.
        run_id, instance_id: must not be 32 bare hex digits, for these count as a token and are blanked.
        strict: a line that the catalogue does not know raises; for tests.
        on_event: given the name of every event of ours, also of those whose level is not written.
    """
    on_terminal = stream.isatty()
    console = format == "console" or (format == "auto" and on_terminal)
    redactor = redactor or Redactor()
    redactor.trust(events.CONSTANTS)
    render = ConsoleRenderer(colours=on_terminal) if console else _json
    formatter = _Formatter(_Composer(clock, run_id, instance_id), redactor, render)
    handler = _Handler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    _LOGGER.setLevel(logging.DEBUG)  # `emit` has its own threshold
    return Log(handler, redactor, level=level, strict=strict, on_event=on_event)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes each line at once. Unlike its parent it never prints a record, arguments and all, to stderr."""

    lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            try:
                text = self.format(record)
            except Exception as error:  # noqa: BLE001 - a library's record may hold anything
                text = self.format(_unformattable(record, error))
            encoding = getattr(self.stream, "encoding", None) or "utf-8"
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self.stream.flush()
        except Exception:  # noqa: BLE001 - a closed pipe or full disk must not stop a pull
            self.lost += 1


class _Formatter(logging.Formatter):
    """Makes the text of a record: compose ─▶ redact ─▶ render."""

    def __init__(
        self, compose: Callable[[logging.LogRecord], Line], redactor: Redactor, render: Callable[[Line], str]
    ) -> None:
        super().__init__()
        self._compose = compose
        self._redactor = redactor
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        return self._render(self._redactor.line(self._compose(record)))


class _Composer:
    """Makes the flat line out of an event of ours or a record of a library."""

    def __init__(self, clock: Clock, run_id: str, instance_id: str) -> None:
        self._clock = clock
        self._sequence = count(1)
        self._process = {
            "service.name": "syncd",
            "service.version": program_version(),
            "service.instance.id": instance_id,
            "ecs.version": ECS_VERSION,
            "syncd.run.id": run_id,
        }

    def __call__(self, record: logging.LogRecord) -> Line:
        event, fields, error = getattr(record, "syncd_line", (events.LOG_FOREIGN, {"log.logger": record.name}, None))
        if event is events.LOG_FOREIGN and record.exc_info:
            error = record.exc_info[1]
        values = {**fields, **_error_fields(event, error)}
        line = {
            "@timestamp": self._clock.now(),
            "log.level": _level_of(record.levelno),
            "message": record.getMessage() if event is events.LOG_FOREIGN else event.message(values),
            "event.action": event.name,
        }
        for name, value in values.items():
            if value is not None:
                line.setdefault(name, value)
        return line | {"event.sequence": next(self._sequence)} | self._process


def _error_fields(event: Event, error: BaseException | None) -> dict[str, object]:
    """error.* of *error*. What we raise on purpose says enough by its text; the rest shows where it came from."""
    if error is None:
        return {}
    kind = type(error)
    is_expected = isinstance(error, SyncdError) and event is not events.UNHANDLED_EXCEPTION
    is_plain = kind.__module__ == "builtins" or isinstance(error, SyncdError)
    fields: dict[str, object] = {
        "error.type": kind.__qualname__ if is_plain else f"{kind.__module__}.{kind.__qualname__}",
        "error.message": text_of(error),
    }
    return fields if is_expected else fields | {"error.stack_trace": _stack_trace(error)}


def _stack_trace(error: BaseException) -> str:
    # Local variables are never captured: they hold tokens.
    shown = traceback.TracebackException.from_exception(error, limit=-_MAX_FRAMES, capture_locals=False)
    return "".join(shown.format()).rstrip()


def _level_of(number: int) -> Level:
    return _LEVELS[max(10, min(number // 10 * 10, 50))]


def _unformattable(record: logging.LogRecord, error: Exception) -> logging.LogRecord:
    text = f"a line of {record.name} could not be written ({type(error).__name__})"
    return logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, text, None, None)


def program_version() -> str:
    try:
        return version("syncd")
    except PackageNotFoundError:
        return "unknown"


# ASCII only: no reader can then take a character of a value for a line break or a broken encoding.
_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode
