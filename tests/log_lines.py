"""Judges log lines by the catalogue: those of processes that tests start, and those that tests write themselves.

A test's own lines are caught between redaction and rendering, so that those for the console count, too. A test that
writes what the catalogue does not know, in order to see what happens, says so: `@pytest.mark.any_line`.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema
import pytest

from syncd.telemetry.events import CATALOGUE
from syncd.telemetry.redaction import Redactor
from syncd.telemetry.reference import schema


@cache
def validator_of(event: str) -> Any:
    """Judges lines of *event*, by the part of the published schema that is about it."""
    whole: Any = schema()
    (own,) = [branch for branch in whole["oneOf"] if branch["title"] == event]
    flat = {
        "type": "object",
        "required": whole["required"],
        "properties": {**whole["properties"], **own["properties"]},
        "additionalProperties": False,
    }
    return jsonschema.Draft202012Validator(flat)


def fault_in(line: Mapping[str, Any]) -> str | None:
    """What is wrong with a line; None if nothing is."""
    event = line.get("event.action")
    if event not in CATALOGUE:
        return f"{event} is not in the catalogue"
    error = next(validator_of(event).iter_errors(dict(line)), None)
    return error and f"{event}: {error.message}"


_redact = Redactor.line
faults: list[str] = []


def _redact_and_judge(redactor: Redactor, line: Mapping[str, Any]) -> dict[str, Any]:
    shown = _redact(redactor, line)
    fault = fault_in(shown)
    if fault is not None:
        faults.append(fault)
    return shown


def pytest_configure(config: pytest.Config) -> None:
    """Begin to judge."""
    setattr(Redactor, "line", _redact_and_judge)  # noqa: B010 - mypy takes an assignment for a bound method
    config.addinivalue_line("markers", "any_line: writes log lines that are not in the catalogue, on purpose")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test one of whose lines is not in the catalogue, wherever it was written."""
    faults.clear()
    yield
    if item.get_closest_marker("any_line") is None:
        assert not faults, "\n".join(faults)
