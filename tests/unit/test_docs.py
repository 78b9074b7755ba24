"""What the documents say about the code is true."""

import re
from pathlib import Path

import pytest

from syncd.telemetry.events import CATALOGUE
from syncd.telemetry.fields import FIELDS

ROOT = Path(__file__).parents[2]
TESTS = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))
DOCUMENTS = ["README.md", "CONTRIBUTING.md"] + [
    str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))
]

MIGRATIONS = "".join(path.read_text("utf-8") for path in sorted((ROOT / "sql" / "migrations").glob("*.sql")))
STORED = set(re.findall(r"CREATE (?:TABLE|FUNCTION) (syncd\.\w+)", MIGRATIONS))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_is_named_exists(document: str) -> None:
    """By function or by folder."""
    text = (ROOT / document).read_text("utf-8")
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in TESTS, name
    for place in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (ROOT / place).exists(), place


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_event_that_is_named_is_in_the_catalogue(document: str) -> None:
    """Logs are an interface. Tables of schema syncd are named alike."""
    for name in re.findall(r"`(syncd\.[a-z_.]+)`", (ROOT / document).read_text("utf-8")):
        assert name in CATALOGUE or name in FIELDS or name in STORED, name


def test_every_reason_of_incompleteness_is_explained() -> None:
    """A reason that nobody explains is a riddle at 3 a.m."""
    text = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
    code = "".join(path.read_text("utf-8") for path in (ROOT / "syncd").rglob("*.py"))
    reasons = set(re.findall(r'doubt(?:ed|_all)?\([^"\n]*"(\w+)"', code))
    assert {"rejects", "duplicates", "unframed", "workspaces_changed"} <= reasons
    for reason in reasons:
        assert f"`{reason}`" in text, reason
