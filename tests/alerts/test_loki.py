"""Every alert on the log fires on a log that it is for, and keeps quiet on one that looks much like it.

The logs are written by the program's own logger, so that no rule can live on a line that it would never write.
"""

import io
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from syncd.clock import Clock
from syncd.telemetry import events, logs, row_events
from syncd.telemetry.event import Event, Level
from syncd.telemetry.events import CATALOGUE
from syncd.telemetry.fields import COMMON, CORRELATION, FIELDS
from tests.alerts.query import Data
from tests.alerts.rules import MINUTE_S, fires, rules_for

RULES = rules_for("loki")
BEGIN = datetime(2024, 5, 6, tzinfo=UTC)


class Told(NamedTuple):
    """An event at a minute of the recording."""

    minute: float
    event: Event
    fields: Mapping[str, Any] = {}
    level: Level | None = None


class _MovedClock(Clock):
    minute = 0.0

    def now(self) -> datetime:
        return BEGIN + timedelta(minutes=self.minute)


def recorded(story: Sequence[Told]) -> Data:
    """The lines of a service to which this happened, as Loki has them."""
    stream, clock = io.StringIO(), _MovedClock()
    root = logging.getLogger()
    theirs, root.handlers[:] = root.handlers[:], []
    log = logs.configure(format="json", stream=stream, clock=clock, run_id="r", instance_id="one", strict=True)
    lines = []
    for told in sorted(story, key=lambda told: told.minute):
        clock.minute = told.minute
        log.emit(told.event, told.fields, level=told.level)
        lines.append((told.minute * MINUTE_S, stream.getvalue().splitlines()[-1]))
    log.close()
    root.handlers[:] = theirs
    return Data(lines, {"service_name": "syncd"})


ASKED: dict[str, Any] = {"syncd.tokens.ok": 3, "syncd.tokens.stale": 0}


def beats(minutes: range, fields: Mapping[str, Any] = ASKED) -> list[Told]:
    """A heartbeat in each of these minutes."""
    return [Told(minute, events.HEARTBEAT_EVENT, fields) for minute in minutes]


def pulls(failed: int, of: int) -> list[Told]:
    """One pull a minute, of which so many fail, evenly spread, the first ones well."""
    is_failure = [(i + 1) * failed // of > i * failed // of for i in range(of)]
    outcomes = {True: "failure", False: "success"}
    return [Told(i, events.PULL_FINISH, {"event.outcome": outcomes[failure]}) for i, failure in enumerate(is_failure)]


def once(event: Event, fields: Mapping[str, Any] = {}, level: Level | None = None) -> list[Told]:
    """One event, of the token acme."""
    return [Told(1, event, {"syncd.token.id": "acme", **fields}, level)]


STORIES: dict[str, tuple[list[Told], list[Told]]] = {
    # alert: (a log that fires it, one that does not)
    "SyncdSilent": (beats(range(10)), beats(range(61))),
    "SyncdStale": (
        beats(range(61), {**ASKED, "syncd.tokens.stale": 1}),
        [*beats(range(2), {**ASKED, "syncd.tokens.stale": 1}), *beats(range(2, 61))],
    ),
    "SyncdDatabaseAway": (
        beats(range(61), {}),
        [*beats(range(10)), *beats(range(10, 17), {}), *beats(range(17, 61))],
    ),
    "SyncdInvariantViolated": (
        once(events.INVARIANT_VIOLATED, {"syncd.invariant": "rows_written"}),
        once(events.UNHANDLED_EXCEPTION),
    ),
    "SyncdUnhandledException": (once(events.UNHANDLED_EXCEPTION), once(events.INVARIANT_VIOLATED)),
    "SyncdWedged": (once(events.WEDGED), once(events.WEDGED, level="warning")),
    "SyncdPullStuck": (once(events.PULL_STUCK), once(events.PULL_SKIPPED)),
    "SyncdMigrationFailed": (once(events.MIGRATION_FAILED), once(events.MIGRATION_LOCK_TIMEOUT)),
    "SyncdMigrationWaits": (once(events.MIGRATION_LOCK_TIMEOUT), once(events.MIGRATION_START)),
    "SyncdConfigInvalid": (once(events.CONFIG_INVALID, level="fatal"), once(events.CONFIG_RELOADED)),
    "SyncdRestarting": (
        [Told(2 * minute, events.START) for minute in range(5)],
        [Told(5 * minute, events.START) for minute in range(12)],
    ),
    "SyncdFailureRatio": (pulls(15, of=60), pulls(10, of=60)),
    "SyncdSourceAway": (once(events.BREAKER_OPENED), once(events.BREAKER_CLOSED)),
    "SyncdTokenRejected": (once(events.TOKEN_REJECTED), once(events.TOKEN_RECOVERED)),
    "SyncdDeletesBlocked": (once(row_events.DELETE_BLOCKED), once(row_events.DELETE_PENDING)),
    "SyncdContractChanged": (once(events.CONTRACT_CHANGED), once(events.HTTP_RETRY, level="warning")),
    "SyncdQuarantine": (once(row_events.RECORD_QUARANTINED), once(row_events.RECORD_RELEASED)),
    "SyncdClockSkew": (once(events.CLOCK_SKEW), once(row_events.RECORD_AT_FUTURE)),
    "SyncdCredentialLeak": (
        [],  # the log does not write such a line: see the test of its own below
        [
            *once(events.CONTRACT_CHANGED, {"error.message": "https://u:hunter2@h and Basic dG9rZW46YXBpX3Rva2Vu"}),
            *once(events.DB_UNAVAILABLE, {"error.message": "postgresql://syncd:hunter2@db/bi: no answer"}),
            *once(events.HTTP_RETRY, {"error.message": "Basic authentication of http://h:80/ failed"}),
        ],
    ),
}


def test_every_rule_has_its_stories() -> None:
    """A rule without one is a rule that nobody has seen work."""
    assert sorted(STORIES) == sorted(RULES)


@pytest.mark.parametrize("name", [name for name in STORIES if name != "SyncdCredentialLeak"])
def test_rule_fires(name: str) -> None:
    """On the log that it is for."""
    assert fires(RULES[name], recorded(STORIES[name][0]), 60)


@pytest.mark.parametrize("name", STORIES)
def test_rule_keeps_quiet(name: str) -> None:
    """On a log that looks much like it."""
    assert not fires(RULES[name], recorded(STORIES[name][1]), 60)


@pytest.mark.parametrize(
    "leak",
    ["https://u:hunter2@h/x", "postgresql://syncd:hunter2@db/bi", "Authorization: Basic dG9rZW46YXBpX3Rva2Vu"],
)
def test_leak_is_noticed(leak: str) -> None:
    """Were redaction ever to fail: a line that it did not see."""
    data = Data([(60.0, f'{{"message":"{leak}"}}')], {"service_name": "syncd"})
    assert fires(RULES["SyncdCredentialLeak"], data, 60)


def test_healthy_day_is_quiet() -> None:
    """Nothing fires on a service that does well."""
    story = [Told(0, events.START), Told(0, events.READY), *beats(range(61)), *pulls(0, of=60)]
    assert [rule.name for rule in RULES.values() if fires(rule, recorded(story), 60)] == []


def _names_in(expr: str) -> Iterator[str]:
    """Labels that an expression reads from lines."""
    for pattern in (r"\| (\w+)(?:=|!=|=~)\"", r"unwrap (\w+)"):
        yield from re.findall(pattern, expr)
    for names in re.findall(r"by \(([\w, ]+)\)", expr):
        yield from names.split(", ")


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_rule_speaks_of_what_there_is(rule: Any) -> None:
    """Events of the catalogue, and fields that these events have."""
    named = set(re.findall(r'event_action="([^"]+)"', rule.expr))
    assert named <= set(CATALOGUE)
    assert named or rule.name == "SyncdCredentialLeak"
    assert "event_action=~" not in rule.expr
    known = {field.name for field in (*COMMON, *CORRELATION)} | {f for name in named for f in CATALOGUE[name].fields}
    assert known <= set(FIELDS)
    assert set(_names_in(rule.expr)) <= {name.replace(".", "_") for name in known}
