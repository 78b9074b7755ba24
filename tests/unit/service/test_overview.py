"""Ready, alive, fresh: truth tables."""

from datetime import timedelta
from typing import Any

import pytest

from syncd.service.overview import AWAY, Overview, count_states, is_fresh, unreadiness
from syncd.service.vitals import ailment_of

NEVER, LAST = "the token is not fresh: none was pulled yet", "the last success was 400 s ago"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def row(token: str, staleness_s: float | None, status: str = "ok") -> dict[str, Any]:
    return {"token": token, "staleness_seconds": staleness_s, "status": status}


@pytest.mark.parametrize(
    ("staleness_s", "interval", "fresh"),
    [
        (None, HOUR, False),
        (0, HOUR, True),
        (3 * 3600, HOUR, True),
        (3 * 3600 + 1, HOUR, False),
        (60, timedelta(seconds=1), True),  # an interval of seconds is no promise that a loaded machine can keep
        (61, timedelta(seconds=1), False),
    ],
)
def test_fresh(staleness_s: float | None, interval: timedelta, fresh: bool) -> None:
    """Three intervals, a minute at least."""
    assert is_fresh(staleness_s, interval) is fresh


@pytest.mark.parametrize(
    ("overview", "reason"),
    [
        (Overview(None, tokens=[row("a", 10), row("b", None)]), None),
        (Overview(None, tokens=[row("a", 10), row("b", 9999)]), None),
        (Overview(None, tokens=[row("a", 500), row("b", 400)]), "none of 2 tokens is fresh: " + LAST),
        (Overview(None, tokens=[row("a", None)]), NEVER),
        (Overview(None, tokens=[row("a", 10, "disabled"), row("b", None)]), NEVER),
        (Overview(None, age_s=300, tokens=[row("a", 100)]), "the token is not fresh: " + LAST),
        (Overview(None), None),
        (Overview(AWAY, tokens=[row("a", 10)]), AWAY),
    ],
)  # fmt: skip
def test_ready(overview: Overview, reason: str | None) -> None:
    """As long as somebody is fresh, and the database is there to ask."""
    assert unreadiness(overview, {"a": MINUTE, "b": MINUTE}) == reason


@pytest.mark.parametrize(
    ("ticked", "turned", "reason"),
    [
        (None, None, None),
        (970.0, 700.0, None),
        (969.0, 1000.0, "no tick of the scheduler for 31 s"),
        (1000.0, 699.0, "no turn of the dispatcher for 301 s"),
    ],
)
def test_alive(ticked: float | None, turned: float | None, reason: str | None) -> None:
    """Nothing is expected before it has begun."""
    assert ailment_of(1000.0, ticked, turned) == reason


def test_every_status_counts_as_one_state() -> None:
    """A disabled token counts as none."""
    words = ("ok", "running", "deletes_blocked", "rejected", "rate_limited", "failed", "late", "disabled")
    assert count_states([row("a", 1, word) for word in words]) == {"ok": 3, "rejected": 1, "parked": 1, "failed": 2}
