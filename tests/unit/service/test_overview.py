"""Ready, alive, fresh: truth tables."""

from dataclasses import replace
from typing import Any

import pytest

from syncd.service.overview import AWAY, Overview, count_states, unreadiness
from syncd.service.vitals import ailment_of

NEVER, LAST = "the token is not fresh: none was pulled yet", "the last success was 400 s ago"


def row(token: str, staleness_s: float | None, status: str = "ok") -> dict[str, Any]:
    return {"token": token, "staleness_seconds": staleness_s, "status": status}


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
    assert unreadiness(replace(overview, bounds_s={"a": 180.0, "b": 180.0})) == reason


@pytest.mark.parametrize(
    ("resting_since", "turning_since", "reason"),
    [
        (None, None, None),
        (970.0, None, None),
        (969.0, None, "no tick of the scheduler for 31 s"),
        (None, 700.0, None),
        (None, 699.0, "a turn of the dispatcher has not ended for 301 s"),
    ],
)
def test_alive(resting_since: float | None, turning_since: float | None, reason: str | None) -> None:
    """Nothing is expected before it has begun; a turn may wait for a database that keeps silent."""
    assert ailment_of(1000.0, resting_since, turning_since) == reason


def test_every_status_counts_as_one_state() -> None:
    """A disabled token counts as none."""
    words = ("ok", "running", "deletes_blocked", "rejected", "rate_limited", "failed", "late", "disabled")
    assert count_states(dict.fromkeys(words, 1)) == {"ok": 3, "rejected": 1, "parked": 1, "failed": 2}
