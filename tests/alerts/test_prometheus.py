"""Every alert on /metrics fires on metrics that it is for, and keeps quiet on others.

The metrics are those of the program's own registry, so that no rule can live on a series that there is not.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest

from syncd.telemetry import events, row_events
from syncd.telemetry.event import Event
from syncd.telemetry.metrics import Metrics
from tests.alerts.query import Data, Labels
from tests.alerts.rules import MINUTE_S, fires, rules_for

RULES = rules_for("prometheus")
HOUR = 60

Story = Callable[[Metrics, int], bool | None]
"""What happens in a minute; False: the process cannot be reached in it."""

ROW = dict.fromkeys(["staleness_seconds", "quota_remaining", "rows", "deletes_held", "quarantined"], 0)


def scrape(metrics: Metrics) -> dict[tuple[str, Labels], float]:
    """All series, as Prometheus has them."""
    return {
        (sample.name, frozenset({**sample.labels, "job": "syncd"}.items())): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def recorded(story: Story) -> Data:
    """An hour of a service to which this happened, scraped once a minute."""
    metrics, data = Metrics(), Data()
    for minute in range(HOUR + 1):
        metrics.service.set_state(database_up=True, leads=True, in_flight=0)
        metrics.set_of_tokens({"acme": ROW})
        is_up = story(metrics, minute) is not False
        up = {("up", frozenset({("job", "syncd")})): float(is_up)}
        data.scrapes.append((minute * MINUTE_S, up | (scrape(metrics) if is_up else {})))
    return data


def once(event: Event) -> Story:
    """An event in the tenth minute."""
    return lambda metrics, minute: metrics.event_emitted(event.name) if minute == 10 else None


def beating(metrics: Metrics, minute: int) -> None:
    """All is well."""
    metrics.event_emitted(events.HEARTBEAT_EVENT.name)
    metrics.pull_finished("unchanged", 0.1)


def away(first: int, last: int) -> Story:
    """The database does not answer in these minutes."""
    return lambda metrics, minute: (
        metrics.service.set_state(database_up=False, leads=False, in_flight=0) if first <= minute < last else None
    )


def stale(first: int, last: int) -> Story:
    """A token is beyond its bound in these minutes."""
    return lambda metrics, minute: metrics.set_stale(int(first <= minute < last))


def failing(percent: int) -> Story:
    """So many pulls of a hundred in a minute fail."""

    def story(metrics: Metrics, minute: int) -> None:
        for pull in range(100):
            metrics.pull_finished("failed" if pull < percent else "partial", 0.1)

    return story


STORIES: dict[str, tuple[Story, Story]] = {
    # alert: (an hour that fires it, one that does not)
    "SyncdDown": (lambda _, minute: minute < 30, lambda _, minute: not 30 <= minute < 34),
    "SyncdSilent": (lambda metrics, minute: beating(metrics, minute) if minute < 20 else None, beating),
    "SyncdStale": (stale(10, 20), stale(10, 13)),
    "SyncdDatabaseAway": (away(10, 30), away(10, 19)),
    "SyncdInvariantViolated": (once(events.INVARIANT_VIOLATED), once(events.UNHANDLED_EXCEPTION)),
    "SyncdUnhandledException": (once(events.UNHANDLED_EXCEPTION), once(events.INVARIANT_VIOLATED)),
    "SyncdWedged": (once(events.WEDGED), once(events.PULL_STUCK)),
    "SyncdPullStuck": (once(events.PULL_STUCK), once(events.PULL_SKIPPED)),
    "SyncdConfigInvalid": (once(events.CONFIG_INVALID), once(events.CONFIG_RELOADED)),
    "SyncdFailureRatio": (failing(21), failing(20)),
    "SyncdSourceAway": (once(events.BREAKER_OPENED), once(events.BREAKER_CLOSED)),
    "SyncdTokenRejected": (
        lambda metrics, _: metrics.set_tokens("rejected", 1),
        lambda metrics, _: metrics.set_tokens("parked", 1),
    ),
    "SyncdDeletesBlocked": (
        lambda metrics, _: metrics.set_of_tokens({"acme": {**ROW, "deletes_held": 7}}),
        lambda metrics, _: metrics.set_of_tokens({"acme": {**ROW, "rows": 7}}),
    ),
    "SyncdContractChanged": (once(events.CONTRACT_CHANGED), once(events.HTTP_RETRY)),
    "SyncdQuarantine": (lambda metrics, _: metrics.set_quarantined(1), once(row_events.RECORD_RELEASED)),
    "SyncdClockSkew": (once(events.CLOCK_SKEW), once(row_events.RECORD_AT_FUTURE)),
}


def test_every_rule_has_its_stories() -> None:
    """A rule without one is a rule that nobody has seen work."""
    assert sorted(STORIES) == sorted(RULES)


@pytest.mark.parametrize("name", STORIES)
def test_rule_fires(name: str) -> None:
    """In the hour that it is for."""
    assert fires(RULES[name], recorded(STORIES[name][0]), HOUR)


@pytest.mark.parametrize("name", STORIES)
def test_rule_keeps_quiet(name: str) -> None:
    """In an hour that looks much like it."""
    assert not fires(RULES[name], recorded(STORIES[name][1]), HOUR)


def test_healthy_hour_is_quiet() -> None:
    """Nothing fires on a service that does well."""
    assert [rule.name for rule in RULES.values() if fires(rule, recorded(beating), HOUR)] == []


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_rule_speaks_of_what_there_is(rule: Any) -> None:
    """Series of the registry, with labels that they have; `up` is Prometheus's own."""
    metrics = Metrics()
    metrics.set_of_tokens({"acme": ROW})
    known = {**scrape(metrics), ("up", frozenset({("job", "syncd")})): 1.0}
    named = re.findall(r"\b(up|syncd_\w+)(?:\{(\w+)=\"([^\"]*)\"\})?", rule.expr)
    assert named
    for name, label, value in named:
        assert any(metric == name and (not label or (label, value) in labels) for metric, labels in known), name
    for label in re.findall(r"by \((\w+)\)", rule.expr):
        assert any(label in dict(labels) for metric, labels in known if metric == named[0][0])
