"""How often a token can be pulled within the hourly quota."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.service.checking import describe_quota
from syncd.sync.planner import OWN, SLACK_S, Appetite, Schedule, learn, schedule
from syncd.toggl.dialect import Cost

ORG = 7
DAY_S = 86_400.0
FREE = {OWN: 30, ORG: 30}
SMALL = Appetite(300.0, {OWN: 1, ORG: 8}, {OWN: 1, ORG: 4})
"""Two workspaces of one organization with 500 projects."""


def alone(appetite: Appetite, totals: dict[int, int], full_every_s: float = DAY_S) -> Schedule:
    return schedule(appetite, [appetite], totals, full_every_s)


def test_a_small_account_on_the_free_plan_stays_fresh_within_15_minutes() -> None:
    """Five pulls an hour, one of them full: 8 + 4 * 4 of the 27 that are not kept for changes."""
    assert alone(SMALL, FREE) == Schedule(730.0)
    assert alone(Appetite(300.0, {OWN: 1, ORG: 8}), FREE) == Schedule(730.0)


def test_a_larger_plan_keeps_the_configured_interval() -> None:
    """And a source without quotas does, too."""
    assert alone(SMALL, {OWN: 30, ORG: 240}) == Schedule(300.0)
    assert alone(SMALL, {}) == Schedule(300.0)


def test_the_configured_interval_is_never_shortened() -> None:
    """Whatever the quota would allow."""
    assert alone(Appetite(7200.0, SMALL.full, SMALL.usual), FREE) == Schedule(7200.0)


def test_the_users_own_bucket_limits_too() -> None:
    """It stays small on every plan."""
    assert alone(Appetite(60.0, {OWN: 1, ORG: 1}, {OWN: 1, ORG: 1}), {OWN: 30, ORG: 600}).interval_s == 140.0


def test_before_the_first_pull_nothing_is_known() -> None:
    """It goes by the configuration."""
    assert alone(Appetite(300.0), FREE) == Schedule(300.0)


def test_tokens_of_one_user_share() -> None:
    """Two take turns; one that asks rarely leaves the rest to the other."""
    assert schedule(SMALL, [SMALL, SMALL], FREE, DAY_S).interval_s == 1810.0
    rare = Appetite(86400.0, {OWN: 1, ORG: 4}, {OWN: 1, ORG: 4})
    assert schedule(SMALL, [SMALL, rare], FREE, DAY_S).interval_s == 910.0
    assert schedule(rare, [SMALL, rare], FREE, DAY_S).interval_s == 86400.0


def test_less_than_one_round_an_hour() -> None:
    """Then a round takes hours; and what exceeds the hour's quota by itself can never be had."""
    many = Appetite(300.0, {ORG: 20}, {ORG: 10})
    assert schedule(many, [many] * 3, FREE, DAY_S) == Schedule(3 * 3600.0 + SLACK_S)
    assert alone(Appetite(300.0, {ORG: 28}, {ORG: 10}), FREE).is_hopeless


def test_expectations_rise_at_once_and_fall_slowly() -> None:
    """So that one cheap pull does not lead to one that is refused."""
    assert learn(None, {OWN: 1}) == {OWN: 1}
    assert learn({OWN: 1, ORG: 4}, {OWN: 1, ORG: 9}) == {OWN: 1, ORG: 9}
    assert learn({OWN: 1, ORG: 9}, {OWN: 1, ORG: 4}) == {OWN: 1, ORG: 8}
    assert learn({OWN: 1, ORG: 1}, {OWN: 1}) == {OWN: 1}


@given(
    sharers=st.lists(
        st.builds(
            lambda interval_s, full, share: Appetite(interval_s, {ORG: full}, {ORG: math.ceil(full * share)}),
            st.floats(30, 90_000),
            st.integers(1, 40),
            st.floats(0.1, 1),
        ),
        min_size=1,
        max_size=6,
    ),
    total=st.sampled_from([30, 240, 600]),
    phase=st.floats(0, 3600),
)
def test_no_hour_exceeds_the_quota(sharers: list[Appetite], total: int, phase: float) -> None:
    """With equal spacing, wherever the hour begins, every token beginning with a full pull."""
    capacity = total - total // 10
    found = [schedule(each, sharers, {ORG: total}, DAY_S) for each in sharers]
    assert all(schedule_.interval_s >= each.interval_s for schedule_, each in zip(found, sharers, strict=True))
    spent = 0
    for each, schedule_ in zip(sharers, found, strict=True):
        pulls = math.floor((3600.0 - 1e-6 - phase % schedule_.interval_s) / schedule_.interval_s) + 1
        spent += each.need(ORG, max(0, pulls), 86400.0)
    rounds_fit = sum(each.need(ORG, 1, 86400.0) for each in sharers) <= capacity
    assert spent <= capacity or not rounds_fit


@pytest.mark.parametrize("total", [30, 240, 600])
@pytest.mark.parametrize("tokens", [1, 5, 50])
def test_more_tokens_never_shorten_the_interval(total: int, tokens: int) -> None:
    """Whoever joins takes a share."""
    fewer, more = (schedule(SMALL, [SMALL] * n, {ORG: total}, DAY_S) for n in (tokens, tokens + 1))
    assert fewer.interval_s <= more.interval_s


@pytest.mark.parametrize(
    ("requests", "totals", "expected"),
    [
        (3, {}, "on the free plan (30 an hour) every 300 s, configured 300 s"),
        (21, {}, "on the free plan (30 an hour) every 3610 s, configured 300 s"),
        (29, {}, "more than the free plan (30 an hour) allows"),
        (29, {7: 240, 0: 30}, "on the starter plan (240 an hour) every 300 s, configured 300 s"),
        (29, {7: 60}, "on the custom plan (60 an hour) every 1810 s, configured 300 s"),
    ],
)
def test_check_says_how_often_a_token_can_be_pulled(requests: int, totals: dict[int, int], expected: str) -> None:
    """From the price of a pull, before the first one."""
    cost = Cost(1, requests, is_lower_bound=True, by_organization={7: requests - 1})
    assert describe_quota(cost, totals, 300.0, DAY_S) == expected


def test_full_pulls_within_the_hour_lengthen_what_is_told_as_well() -> None:
    """`syncd check` goes by the configured distance of full pulls, as the pulls themselves do."""
    cost = Cost(2, 9, is_lower_bound=True, by_organization={ORG: 8})
    assert describe_quota(cost, FREE, 300.0, DAY_S) == "on the free plan (30 an hour) every 730 s, configured 300 s"
    assert describe_quota(cost, FREE, 300.0, 900.0) == "on the free plan (30 an hour) every 1210 s, configured 300 s"
