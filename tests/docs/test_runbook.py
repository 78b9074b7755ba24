"""The runbook is complete, and what it tells people to type works."""

import re

import pytest

from syncd.telemetry.events import CATALOGUE
from syncd.telemetry.fields import FIELDS
from tests.alerts.query import Data, parse
from tests.alerts.rules import rules_for
from tests.docs.pages import blocks, read

PAGE = "docs/runbook.md"
ALERTS, EVENTS = read(PAGE).split("\n# Alerts\n")[1].split("\n# Events\n")
RULES = [*rules_for("loki").values(), *rules_for("prometheus").values()]
SOMETIMES_WORSE = {"syncd.pull.finish", "syncd.stop.finish"}
"""Events that are errors by what they report."""


def sections(text: str) -> list[str]:
    """The headings of the second level."""
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


def test_every_alert_has_its_section_and_no_section_is_left_over() -> None:
    """Of the rules for Loki and those for Prometheus."""
    found = sections(ALERTS)
    assert sorted(found) == sorted({rule.name for rule in RULES})
    assert [rule.name for rule in RULES if rule.runbook != f"docs/runbook.md#{rule.name.lower()}"] == []


def test_every_error_has_its_section_and_no_section_is_left_over() -> None:
    """Of all events, those that ask for a person."""
    errors = {name for name, event in CATALOGUE.items() if event.level in ("error", "fatal")}
    assert sorted(sections(EVENTS)) == sorted(errors | SOMETIMES_WORSE)


def test_every_name_is_in_the_catalogue() -> None:
    """Events and fields."""
    names = set(re.findall(r"`((?:syncd|error|db|event)\.[a-z_.]+)`", read(PAGE)))
    assert {name for name in names if name not in CATALOGUE and name not in FIELDS} == set()


@pytest.mark.parametrize("query", blocks(PAGE, "logql"))
def test_every_log_query_can_be_asked(query: str) -> None:
    """And names events and fields that there are."""
    assert parse(f"count_over_time({query.strip()} [1m])")(Data(), 0.0) == {}
    assert set(re.findall(r'event_action="([^"]+)"', query)) <= set(CATALOGUE)
    assert set(re.findall(r"\| (\w+)=", query)) <= {name.replace(".", "_") for name in FIELDS}
