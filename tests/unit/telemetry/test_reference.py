"""What is published about the log is what the code says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from syncd.telemetry import events
from syncd.telemetry.events import CATALOGUE
from syncd.telemetry.reference import FILES, schema
from tests import log_lines

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", FILES)
def test_page_is_up_to_date(name: str) -> None:
    """Else: make docs."""
    assert (DOCS / name).read_text(encoding="utf-8") == FILES[name]()


@pytest.fixture(scope="module")
def validator() -> Any:
    """Judges lines of any event, by the published schema."""
    published = schema()
    jsonschema.Draft202012Validator.check_schema(published)
    return jsonschema.Draft202012Validator(published)


def test_published_schema_knows_every_event(capture: Callable[..., Any], validator: Any) -> None:
    """By its name."""
    captured = capture(level="debug")
    for event in CATALOGUE.values():
        captured.log.emit(event, {"syncd.token.id": "acme"})
    assert [line["event.action"] for line in captured.lines] == list(CATALOGUE)
    for line in captured.lines:
        validator.validate(line)


@pytest.mark.parametrize(
    "fault",
    [
        {"syncd.unknown": 1},
        {"syncd.exit_code": 1},  # of another event
        {"event.action": "syncd.unknown"},
        {"event.action": "syncd.start"},  # which has no such fields
        {"syncd.requests": "3"},
        {"log.level": "loud"},
    ],
    ids=str,
)
def test_published_schema_refuses_what_is_not_in_the_catalogue(
    capture: Callable[..., Any], validator: Any, fault: dict[str, object]
) -> None:
    """Or it would be of no use to others."""
    captured = capture()
    captured.log.emit(events.PULL_FINISH, {"syncd.requests": 3, "syncd.next_run_at": datetime(2024, 1, 2, tzinfo=UTC)})
    (line,) = captured.lines
    validator.validate(line)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(line | fault)


def test_page_has_a_row_and_a_section_for_every_event() -> None:
    """Linked to one another."""
    page = FILES["log-events.md"]()
    for name in CATALOGUE:
        assert f"\n## {name}\n" in page
        assert f"[`{name}`](#{name.replace('.', '')})" in page
    assert json.loads(FILES["log-events.schema.json"]())["oneOf"]


@pytest.mark.any_line
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_lines_of_tests_are_judged(capture: Callable[..., Any], log_format: str) -> None:
    """Those that a test writes itself, too; tests/log_lines.py fails the test afterwards."""
    captured = capture(log_format, strict=False)
    captured.log.emit(events.START, {"syncd.token_count": 1})
    assert log_lines.faults == []
    captured.log.emit(events.START, {"syncd.unknown": 1})
    captured.log.emit(events.START, {"syncd.token_count": "1"})
    unknown, wrong = log_lines.faults
    assert "syncd.unknown" in unknown
    assert "is not of type 'integer'" in wrong
