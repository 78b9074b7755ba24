"""Hours of pulls in virtual time under a plan's quotas; `make quotas` simulates whole days of many tokens."""

import pytest

from tests.sim.day import Setting, simulate


def test_a_small_account_on_the_free_plan_stays_fresh_within_15_minutes() -> None:
    """Two workspaces with 500 projects, 30 requests an hour, a whole day with restarts: no 402, no 429."""
    outcome = simulate(Setting("free", 1))
    assert (outcome.over_quota, outcome.over_rate, outcome.failed) == (0, 0, 0)
    assert max(outcome.stale_s) < 15 * 60
    assert outcome.pulls > 100


@pytest.mark.parametrize("setting", [Setting("free", 3, shared=True, hours=12), Setting("starter", 5, hours=6)])
def test_no_request_is_above_rate_or_quota(setting: Setting) -> None:
    """Whoever shares with whom, and however often the process is killed."""
    outcome = simulate(setting)
    assert (outcome.over_quota, outcome.over_rate, outcome.failed) == (0, 0, 0)
    assert outcome.requests > 100
