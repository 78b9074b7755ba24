"""What the documents name is there: tests, events, reasons."""

import re

import pytest

from syncd.telemetry.events import CATALOGUE
from syncd.telemetry.fields import FIELDS
from tests.docs.pages import PAGES, ROOT, read

TESTS = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))
MIGRATIONS = "".join(path.read_text("utf-8") for path in sorted((ROOT / "sql" / "migrations").glob("*.sql")))
STORED = set(re.findall(r"CREATE (?:TABLE|FUNCTION) (syncd\.\w+)", MIGRATIONS))


def named_tests(page: str) -> tuple[list[str], list[str]]:
    """Functions, and files or folders."""
    return re.findall(r"`(test_\w+)`", read(page)), re.findall(r"`(tests/[\w/.]+)`", read(page))


def named_events(page: str) -> list[str]:
    return re.findall(r"`(syncd\.[a-z_.]+)`", read(page))


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_is_named_exists(page: str) -> None:
    """By function or by folder."""
    functions, places = named_tests(page)
    assert [name for name in functions if f"def {name}(" not in TESTS] == []
    assert [place for place in places if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_event_that_is_named_is_in_the_catalogue(page: str) -> None:
    """Logs are an interface. Tables of schema syncd are named alike."""
    assert [name for name in named_events(page) if name not in {*CATALOGUE, *FIELDS, *STORED}] == []


def test_there_are_names_to_look_up() -> None:
    """Else the patterns that find them have rotted."""
    assert all(named_tests("docs/guarantees.md"))
    assert {"syncd.pull.finish", "syncd.heartbeat"} <= set(named_events("docs/watching.md"))


def test_every_reason_of_incompleteness_is_explained() -> None:
    """A reason that nobody explains is a riddle at 3 a.m."""
    text = read("docs/guarantees.md")
    code = "".join(path.read_text("utf-8") for path in (ROOT / "syncd").rglob("*.py"))
    reasons = set(re.findall(r'doubt(?:ed|_all)?\([^"\n]*"(\w+)"', code))
    assert {"rejects", "duplicates", "unframed", "workspaces_changed"} <= reasons
    for reason in reasons:
        assert f"`{reason}`" in text, reason
