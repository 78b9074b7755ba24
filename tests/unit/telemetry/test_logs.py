"""One event, one line, whatever is in it and whoever wrote it."""

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from syncd.errors import TogglUnavailable
from syncd.telemetry import events
from syncd.telemetry.logs import Log


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_every_line_has_the_common_fields(capture: Callable[..., Any]) -> None:
    """Written out once, for these names are the interface."""
    captured = capture()
    captured.log.emit(events.START, {"syncd.token_count": 2, "syncd.config.source": "/etc/syncd/config.toml"})
    (line,) = captured.lines
    version = line.pop("service.version")
    assert version[0].isdigit()
    assert line == {
        "@timestamp": "2024-05-06T07:08:09.000Z",
        "log.level": "info",
        "message": "syncd starts with 2 token(s), settings from /etc/syncd/config.toml",
        "event.action": "syncd.start",
        "event.sequence": 1,
        "syncd.token_count": 2,
        "syncd.config.source": "/etc/syncd/config.toml",
        "service.name": "syncd",
        "service.instance.id": "host-1",
        "ecs.version": "8.17.0",
        "syncd.run.id": "0b8a1c9e-1111-2222-3333-444455556666",
    }


def test_lines_are_counted_in_the_order_they_are_written(capture: Callable[..., Any]) -> None:
    """Ours and those of libraries; a gap is a lost line."""
    captured = capture()
    captured.log.emit(events.START)
    logging.getLogger("asyncpg").error("x")
    captured.log.emit(events.READY)
    assert [line["event.sequence"] for line in captured.lines] == [1, 2, 3]


def test_a_value_of_none_is_left_out(capture: Callable[..., Any]) -> None:
    """A key without a value is no key."""
    captured = capture()
    captured.log.emit(events.PULL_FINISH, {"syncd.requests": None, "syncd.retries": 0})
    (line,) = captured.lines
    assert "syncd.requests" not in line
    assert line["syncd.retries"] == 0


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", "DIWEF"), ("info", "IWEF"), ("warning", "WEF"), ("error", "EF")],
)
def test_lines_below_the_level_are_not_written(capture: Callable[..., Any], level: str, written: str) -> None:
    """By the event's own level, or the one given."""
    captured = capture(level=level)
    for given in ("debug", "info", "warning", "error", "fatal"):
        captured.log.emit(events.HTTP_RETRY, level=given)
    assert "".join(line["log.level"][0].upper() for line in captured.lines) == written
    captured.log.emit(events.HTTP_RETRY)
    assert ("debug" in captured.text) == (level == "debug")


def test_an_error_is_told_by_type_text_and_trace(capture: Callable[..., Any]) -> None:
    """Where it came from, through all causes."""
    captured = capture()
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise json.JSONDecodeError("outer", "", 0) from inner
    except ValueError as error:
        captured.log.emit(events.PULL_FINISH, level="error", error=error)
    (line,) = captured.lines
    assert (line["log.level"], line["error.type"]) == ("error", "json.decoder.JSONDecodeError")
    assert line["error.message"] == "outer: line 1 column 1 (char 0)"
    trace = line["error.stack_trace"]
    assert "KeyError: 'inner'" in trace
    assert "direct cause" in trace
    assert trace.endswith("outer: line 1 column 1 (char 0)")


def test_an_error_that_we_raise_on_purpose_has_no_trace(capture: Callable[..., Any]) -> None:
    """Its text says it all, unless nobody caught it."""
    captured = capture()
    error = TogglUnavailable("no answer from api.track.toggl.com")
    captured.log.emit(events.PULL_FINISH, error=error)
    captured.log.emit(events.UNHANDLED_EXCEPTION, error=error)
    expected, unexpected = captured.lines
    assert expected["error.type"] == "TogglUnavailable"
    assert "error.stack_trace" not in expected
    assert "error.stack_trace" in unexpected


def test_a_trace_shows_no_local_variables(capture: Callable[..., Any]) -> None:
    """Not even those that nobody registered as secret: a token is in some variable of every frame."""
    captured = capture()
    try:
        local = "deretsigernu-yranac"[::-1]  # not to stand in any source line
        raise RuntimeError(len(local))
    except RuntimeError as error:
        captured.log.emit(events.PULL_FINISH, error=error)
        logging.getLogger("asyncpg").exception("x")
    assert "canary-unregistered" not in captured.text
    assert captured.text.count("RuntimeError: 19") == 2


def test_a_very_deep_trace_is_cut_at_its_old_end(capture: Callable[..., Any]) -> None:
    """The last frames tell where it broke."""

    def dive(depth: int) -> None:
        climb(depth)

    def climb(depth: int) -> None:
        if depth:
            dive(depth - 1)
        else:
            bottom()

    def bottom() -> None:
        raise ValueError("too deep")

    captured = capture()
    with pytest.raises(ValueError, match="deep") as caught:
        dive(100)
    captured.log.emit(events.PULL_FINISH, error=caught.value)
    trace = captured.lines[0]["error.stack_trace"]
    assert trace.count("File ") == 30
    assert "in bottom" in trace
    assert trace.endswith("ValueError: too deep")


def test_lines_of_libraries_go_the_same_way(capture: Callable[..., Any]) -> None:
    """With the library's words, level, and error."""
    captured = capture()
    try:
        raise RuntimeError("inside")
    except RuntimeError:
        logging.getLogger("asyncpg.pool").exception("lost %s of %d", "one", 2)
    (line,) = captured.lines
    assert line["event.action"] == "syncd.log.foreign"
    assert (line["log.logger"], line["log.level"]) == ("asyncpg.pool", "error")
    assert line["message"] == "lost one of 2"
    assert (line["error.type"], line["error.message"]) == ("RuntimeError", "inside")
    assert line["error.stack_trace"].endswith("RuntimeError: inside")


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", "info warning error"), ("info", "warning error"), ("error", "error")],
)
def test_libraries_are_heard_from_warning_on(capture: Callable[..., Any], level: str, written: str) -> None:
    """Their infos are many and for their developers; at level debug they are wanted."""
    captured = capture(level=level)
    library = logging.getLogger("apscheduler.executors")
    library.debug("x")
    library.info("x")
    library.warning("x")
    library.error("x")
    assert " ".join(line["log.level"] for line in captured.lines) == written


@pytest.mark.parametrize(("number", "level"), [(31, "warning"), (45, "error"), (50, "fatal"), (70, "fatal")])
def test_levels_that_libraries_invent_become_the_one_below(
    capture: Callable[..., Any], number: int, level: str
) -> None:
    """Lines have five levels."""
    captured = capture()
    logging.getLogger("asyncpg").log(number, "x")
    assert [line["log.level"] for line in captured.lines] == [level]


def test_a_password_that_is_one_of_our_words_leaves_the_names_alone(capture: Callable[..., Any]) -> None:
    """Or a weak password would blind everyone who watches."""
    captured = capture()
    captured.log.redactor.add_secret("finish")
    captured.log.redactor.add_secret("client")
    captured.log.emit(events.PULL_FINISH, {"syncd.client.fetched": 1, "syncd.resource": "client"})
    (line,) = captured.lines
    assert (line["event.action"], line["syncd.resource"]) == ("syncd.pull.finish", "client")
    assert line["syncd.client.fetched"] == 1


def test_a_line_that_cannot_be_made_is_replaced(capture: Callable[..., Any]) -> None:
    """By one that says so, and without its arguments."""
    captured = capture()
    logging.getLogger("asyncpg").warning("%d", "canary")
    (line,) = captured.lines
    assert line["message"] == "a line of asyncpg could not be written (TypeError)"
    assert (line["log.level"], line["log.logger"]) == ("warning", "asyncpg")


@pytest.mark.any_line
def test_a_value_that_cannot_be_text_does_not_stop_anything(capture: Callable[..., Any]) -> None:
    """Nor does one that has no end."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("canary")

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("canary")

    endless: list[object] = []
    endless.append(endless)
    captured = capture(strict=False)
    captured.log.emit(
        events.PULL_FINISH,
        {"a": Broken(), "b": endless, "c": float("nan"), "d": 10**5000, "e": b"\xff", "f": {1: {2, 3}}},
        error=BrokenError(),
    )
    (line,) = captured.lines
    assert line["a"] == "<Broken without text: RuntimeError>"
    assert line["c"] == "nan"
    assert line["d"].startswith("0x")
    assert line["error.message"] == "<BrokenError without text: RuntimeError>"
    assert "canary" not in captured.text


def test_a_stream_that_is_gone_loses_lines_and_nothing_else(
    capture: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """Python's own way would print the line, secrets and all, to stderr."""
    captured = capture()
    captured.stream.close()
    captured.log.emit(events.START)
    logging.getLogger("asyncpg").error("x")
    assert captured.log.lost == 2
    assert capfd.readouterr() == ("", "")


def test_a_stream_that_cannot_show_a_character_gets_an_escape(capture: Callable[..., Any]) -> None:
    """A console in an old locale."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    captured = capture("console", stream=stream)
    captured.log.emit(events.TOKEN_RECOVERED, {"syncd.token.id": "zürich"})
    assert captured.log.lost == 0
    assert b"z\\xfcrich" in raw.getvalue()


def test_each_line_is_written_at_once(capture: Callable[..., Any]) -> None:
    """Into a pipe as well: a crash must not take the last lines with it."""
    raw = io.BytesIO()
    captured = capture(stream=io.TextIOWrapper(raw, encoding="utf-8"))
    captured.log.emit(events.START)
    assert raw.getvalue().endswith(b"}\n")


def test_a_second_log_takes_the_place_of_the_first(capture: Callable[..., Any]) -> None:
    """Each line is written once."""
    first, second = capture(), capture()
    second.log.emit(events.START)
    logging.getLogger("asyncpg").error("x")
    assert (len(first.lines), len(second.lines)) == (0, 2)
    first.log.close()
    logging.getLogger("asyncpg").error("x")
    assert len(second.lines) == 3


def test_a_closed_log_leaves_nothing_behind(capture: Callable[..., Any]) -> None:
    """Libraries then log as Python has it."""
    captured = capture(level="debug")
    captured.log.close()
    captured.log.emit(events.START)
    assert not captured.text
    assert logging.getLogger().handlers == []
    assert logging.getLogger().level == logging.WARNING


def test_auto_is_console_on_a_terminal_and_json_elsewhere(capture: Callable[..., Any]) -> None:
    """What a person sees and what a collector reads."""
    captured = capture("auto", stream=Terminal())
    captured.log.emit(events.START)
    assert "\x1b[32minfo" in captured.text
    captured = capture("auto")
    captured.log.emit(events.START)
    assert captured.lines[0]["event.action"] == "syncd.start"


def test_a_console_line_has_time_level_message_and_fields(capture: Callable[..., Any]) -> None:
    """Without what is the same on every line; colours are for terminals."""
    captured = capture("console")
    captured.log.emit(
        events.PULL_FINISH, {"syncd.token.id": "acme", "syncd.pull.result": "changed", "syncd.pull.reason": "a b"}
    )
    assert captured.text == (
        "07:08:09 info    pull of acme: changed (a b)  "
        'event.action=syncd.pull.finish syncd.token.id=acme syncd.pull.result=changed syncd.pull.reason="a b"\n'
    )


@pytest.mark.any_line
def test_nothing_breaks_out_of_a_console_line(capture: Callable[..., Any]) -> None:
    """No line breaks, no codes for the terminal; a trace follows, set in."""
    captured = capture("console", strict=False)
    nasty = "a\nb\r\x1b[2J\x00\u2028\u202ec\x85"
    captured.log.emit(events.PULL_FINISH, {"syncd.token.id": nasty, nasty: nasty}, error=ValueError(nasty))
    first, *rest = captured.text.splitlines()
    assert all(line.startswith("    ") for line in rest)
    assert all(character.isprintable() or character == "\n" for character in captured.text)
    assert "a\\nb\\r\\x1b[2J\\x00\\u2028\\u202ec\\x85" in first


def test_what_is_filtered_costs_nothing_to_make(capture: Callable[..., Any]) -> None:
    """Values below the level are not even looked at."""

    class Watched:
        def __str__(self) -> str:
            raise AssertionError("looked at")

    log: Log = capture(level="error", strict=False).log
    log.emit(events.START, {"x": Watched()})
    assert log.lost == 0
