"""The catalogue is consistent, complete, and lines keep to it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from syncd.telemetry import events, row_events
from syncd.telemetry.event import Event, NotInCatalogue
from syncd.telemetry.events import CATALOGUE
from syncd.telemetry.fields import COMMON, CORRELATION, FIELDS, Field
from syncd.telemetry.redaction import Redactor
from tests.log_lines import validator_of

COUNTS = {
    "fetched",
    "inserted",
    "updated",
    "unchanged",
    "deleted",
    "reappeared",
    "quarantined",
    "delete_candidates",
    "stubs",
    "stale",
    "yielded",
    "complete",
}
PULL_FIELDS = {
    "event.outcome",
    "event.duration",
    "syncd.pull.result",
    "syncd.pull.reason",
    "syncd.pull.full",
    "syncd.requests",
    "syncd.retries",
    "syncd.received_bytes",
    "syncd.wait_rate_limit_ms",
    "syncd.db_ms",
    "syncd.staleness_seconds",
    "syncd.next_run_at",
    "syncd.workspaces",
    "syncd.rows",
    "syncd.standing_by",
    "syncd.written",
    "error.type",
    "error.message",
    "error.stack_trace",
    "http.response.status_code",
    *(f"syncd.{resource}.{count}" for resource in ("client", "project", "tag") for count in COUNTS),
}
SAMPLES: dict[str, object] = {
    "text": "x",
    "integer": 3,
    "number": 1.5,
    "boolean": True,
    "instant": datetime(2024, 1, 2, tzinfo=UTC),
    "texts": ["x"],
    "integers": [3],
}


def sample(field: Field) -> object:
    """A value of the field's kind."""
    return field.values[0] if field.values else SAMPLES[field.kind]


@pytest.mark.parametrize("event", CATALOGUE.values(), ids=lambda event: event.name)
def test_a_line_with_every_field_is_valid(capture: Callable[..., Any], event: Event) -> None:
    """What `emit` lets through, the schema lets through."""
    captured = capture(level="debug")
    fields = {name: sample(FIELDS[name]) for name in event.fields | {field.name for field in CORRELATION}}
    captured.log.emit(event, fields)
    (line,) = captured.lines
    assert set(line) == set(fields) | {field.name for field in COMMON}
    assert (line["event.action"], line["log.level"]) == (event.name, event.level)
    validator_of(event.name).validate(line)


@pytest.mark.parametrize("event", CATALOGUE.values(), ids=lambda event: event.name)
def test_a_line_without_any_field_is_valid_and_reads_well(capture: Callable[..., Any], event: Event) -> None:
    """Values may be missing; the message then has no hole, except for what the event is about."""
    captured = capture(level="debug", strict=False)
    captured.log.emit(event, {"syncd.token.id": "acme", "syncd.resource": "client"})
    (line,) = captured.lines
    validator_of(event.name).validate(line)
    needed = {
        "syncd.migration.version",
        "syncd.pull.result",
        "syncd.invariant",
        "syncd.where",
        "syncd.count",
        "syncd.attempts",
    }
    if not any(f"{{{name}}}" in event.text for name in needed):
        assert not {"?", "{", "}", "[", "]"} & set(line["message"]), line["message"]


@pytest.mark.parametrize(
    "fault",
    [
        {"syncd.unknown": 1},
        {"event.duration": "1"},
        {"event.outcome": "perhaps"},
        {"@timestamp": "2024-01-02"},
        {"event.action": "syncd.start"},
        {"syncd.requests": None},
    ],
    ids=str,
)
def test_the_schema_refuses_what_is_not_in_the_catalogue(capture: Callable[..., Any], fault: dict[str, object]) -> None:
    """Or validating lines would prove nothing."""
    captured = capture()
    captured.log.emit(events.PULL_FINISH, {})
    (line,) = captured.lines
    validator = validator_of(events.PULL_FINISH.name)
    validator.validate(line)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(line | fault)
    del line["message"]
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(line)


@pytest.mark.parametrize(
    "fields",
    [
        {"syncd.unknown": 1},
        {"syncd.exit_code": 1},  # known, but of another event
        {"@timestamp": datetime(2024, 1, 2, tzinfo=UTC)},
        {"syncd.requests": "3"},
        {"syncd.requests": True},
        {"syncd.requests": 1.0},
        {"syncd.staleness_seconds": True},
        {"syncd.pull.full": 1},
        {"syncd.pull.reason": 5},
        {"syncd.pull.result": "fine"},
        {"syncd.next_run_at": datetime(2024, 1, 2)},  # noqa: DTZ001 - that is the point
        {"syncd.next_run_at": "soon"},
    ],
    ids=str,
)
def test_a_strict_log_refuses_what_is_not_in_the_catalogue(
    capture: Callable[..., Any], fields: dict[str, object]
) -> None:
    """In tests a mistake is found, whatever the level."""
    captured = capture(level="error")
    with pytest.raises(NotInCatalogue):
        captured.log.emit(events.PULL_FINISH, fields)
    assert not captured.text


def test_a_strict_log_refuses_lists_of_the_wrong_kind(capture: Callable[..., Any]) -> None:
    """Also inside."""
    captured = capture()
    captured.log.emit(events.TOKEN_SCOPE_CHANGED, {"syncd.workspaces_added": [1], "syncd.workspaces_removed": ()})
    for wrong in ([True], ["1"], 1, "1"):
        with pytest.raises(NotInCatalogue):
            captured.log.emit(events.TOKEN_SCOPE_CHANGED, {"syncd.workspaces_added": wrong})


def test_a_strict_log_refuses_events_and_errors_that_are_not_in_the_catalogue(capture: Callable[..., Any]) -> None:
    """An event is defined once, and says whether it may carry an error."""
    captured = capture()
    stranger = Event("syncd.stranger", "info", "", "", "", frozenset())
    twin = Event("syncd.start", "info", "", "", "", frozenset())
    for event in (stranger, twin):
        with pytest.raises(NotInCatalogue):
            captured.log.emit(event)
    with pytest.raises(NotInCatalogue):
        captured.log.emit(events.START, error=ValueError())


@pytest.mark.any_line
def test_in_production_what_is_not_in_the_catalogue_is_written_all_the_same(capture: Callable[..., Any]) -> None:
    """A mistake in a log call must not stop a pull, nor cost the line."""
    captured = capture(strict=False)
    captured.log.emit(events.START, {"syncd.unknown": {"a": [1]}, "syncd.token_count": "many"}, error=ValueError("x"))
    captured.log.emit(Event("syncd.stranger", "info", "hello", "", "", frozenset()))
    first, second = captured.lines
    assert (first["syncd.unknown"], first["syncd.token_count"]) == ({"a": [1]}, "many")
    assert first["error.message"] == "x"
    assert (second["event.action"], second["message"]) == ("syncd.stranger", "hello")


def test_no_field_overwrites_what_every_line_has(capture: Callable[..., Any]) -> None:
    """Not even in production."""
    captured = capture(strict=False)
    captured.log.emit(events.START, {"event.action": "x", "log.level": "x", "service.name": "x", "@timestamp": "x"})
    (line,) = captured.lines
    assert (line["event.action"], line["log.level"], line["service.name"]) == ("syncd.start", "info", "syncd")


def test_no_name_is_a_value_and_a_prefix() -> None:
    """Lines can also be read as nested objects, and flattened with "_" no two names are one."""
    prefixes = {name.rsplit(".", count)[0] for name in FIELDS for count in range(1, name.count(".") + 1)}
    assert not prefixes & set(FIELDS)
    assert len({name.replace(".", "_") for name in FIELDS}) == len(FIELDS)


def test_no_name_of_a_field_makes_its_value_a_secret() -> None:
    """Or the redactor would blank our own values."""
    line = {name: sample(field) for name, field in FIELDS.items()}
    assert "***" not in Redactor().clean(line).values()


def test_every_field_is_defined_once_used_and_explained() -> None:
    """The catalogue is also the documentation."""
    groups = (COMMON, CORRELATION)
    used = {name for event in CATALOGUE.values() for name in event.fields}
    used |= {field.name for group in groups for field in group}
    assert set(FIELDS) == used
    assert all(field.meaning for field in FIELDS.values())
    for name, event in CATALOGUE.items():
        assert name == event.name
        assert event.meaning, name
        assert event.on_call, name


def test_the_line_of_a_pull_has_the_fields_that_outsiders_query() -> None:
    """A published interface: a name that goes missing here breaks dashboards."""
    assert events.PULL_FINISH.fields == PULL_FIELDS


def test_every_event_is_emitted_by_something() -> None:
    """One that nobody emits would be a promise to whoever writes alerts on it, and a lie."""
    package = Path(events.__file__).parents[1]
    code = "".join(path.read_text("utf-8") for path in package.rglob("*.py") if not path.name.endswith("events.py"))
    names = {name for module in (events, row_events) for name, value in vars(module).items() if type(value) is Event}
    assert len(names) == len(CATALOGUE)
    assert {name for name in names if not re.search(rf"\b{name}\b", code)} == set()


BUILT = re.compile(r"syncd\.(client|project|tag|tokens)\.\w+")
"""Names that the code puts together."""


def test_every_field_is_filled_by_something() -> None:
    """Or people would wait for a value that never comes."""
    package = Path(events.__file__).parents[1]
    definitions = ("events.py", "row_events.py", "fields.py")
    code = "".join(path.read_text("utf-8") for path in package.rglob("*.py") if path.name not in definitions)
    assert {name for name in FIELDS if f'"{name}"' not in code and not BUILT.fullmatch(name)} == set()
