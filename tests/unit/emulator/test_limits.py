"""Quotas by the hour, the leaky bucket, and how both look through the API."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.emulator.api import Api, Request, basic
from syncd.emulator.dialect import Answer
from syncd.emulator.limits import Bucket, Entry, Limits, Meter, Standing, plan
from syncd.emulator.model import World
from syncd.emulator.switches import Switches

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
BUCKET = Bucket(1, 5)
REMAINING, RESETS_IN = "X-Toggl-Quota-Remaining", "X-Toggl-Quota-Resets-In"


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_hour_begins_with_the_first_request_and_ends_60_minutes_later() -> None:
    """Not a sliding hour: all is back at once, whenever it was used."""
    meter = Meter(Limits(organization_per_hour=3))
    assert meter.standing(NOON, BUCKET) == Standing(3, 3, 3600)
    assert [meter.take(after(s), "t", BUCKET) for s in (0, 3000, 3598.5, 3599)] == ["", "", "", "quota"]
    assert meter.standing(after(3599.5), BUCKET) == Standing(3, -1, 1)
    assert meter.standing(after(3600), BUCKET) == Standing(3, 3, 3600)
    assert meter.take(after(4000), "t", BUCKET) == ""
    assert meter.standing(after(4000), BUCKET) == Standing(3, 2, 3600)


def test_a_clock_put_back_begins_anew() -> None:
    meter = Meter(Limits(organization_per_hour=1, per_second=1.0, burst=1))
    assert [meter.take(after(s), "t", BUCKET) for s in (0, 10, -86_400)] == ["", "quota", ""]


def test_refused_requests_may_leave_the_count_alone() -> None:
    meter = Meter(Limits(organization_per_hour=1), refused_count=False)
    assert [meter.take(NOON, "t", BUCKET) for _ in range(3)] == ["", "quota", "quota"]
    assert meter.standing(NOON, BUCKET) == Standing(1, 0, 3600)


def test_buckets_are_counted_apart() -> None:
    """Another user, another organization, none; and an organization may have a plan of its own."""
    meter = Meter(Limits(1, 1, by_organization={6: 2}))
    buckets = [Bucket(1, 5), Bucket(2, 5), Bucket(1, 6), Bucket(1, None)]
    assert [meter.take(NOON, "t", bucket) for bucket in buckets] == ["", "", "", ""]
    assert [meter.take(NOON, "t", bucket) for bucket in buckets] == ["quota", "quota", "", "quota"]


@pytest.mark.parametrize(
    ("seconds", "over"),
    [
        ([0, 0, 0, 0], [False, False, False, True]),  # a burst of three
        ([0, 0, 0, 0.5, 1, 2, 2.5], [False, False, False, True, False, False, True]),
        ([0.1 * n for n in range(5)], [False, False, False, True, True]),
        ([float(n) for n in range(100)], [False] * 100),  # one a second is always safe
        (
            [0, 0, 0, 10, 10, 10, 10],
            [False, False, False, False, False, False, True],
        ),  # no more than the burst is saved
    ],
)
def test_leaky_bucket(seconds: list[float], over: list[bool]) -> None:
    meter = Meter(Limits(per_second=1.0, burst=3))
    assert [meter.take(after(s), "t", None) == "rate" for s in seconds] == over


def test_one_request_a_second_is_safe_without_a_burst() -> None:
    """Instants are rounded; nobody is turned away for that."""
    meter = Meter(Limits(per_second=3.0, burst=1))
    assert {meter.take(after(n / 3), "t", None) for n in range(1000)} == {""}
    assert meter.take(after(1000 / 3), "other", None) == ""


def test_what_the_rate_limit_turns_away_uses_no_quota() -> None:
    meter = Meter(Limits(organization_per_hour=9, per_second=1.0, burst=1))
    assert [meter.take(NOON, "t", BUCKET) for _ in range(2)] == ["", "rate"]
    assert meter.wait_s(after(0.25), "t") == 0.75
    assert list(meter.ledger) == [Entry(NOON, "t", BUCKET, "", 8), Entry(NOON, "t", BUCKET, "rate", 8)]


# Through the API -------------------------------------------------------------------------------------------------


class Caller:
    def __init__(self, world: World, limits: Limits, **switches: Any) -> None:
        chosen = Switches(**switches)
        self.meter = Meter(limits, refused_count=chosen.refused_calls_counted)
        self.world = world
        self.api = Api(world, meter=self.meter, switches=chosen)

    def __call__(self, who: str, path: str) -> Answer:
        return self.api.answer(Request("GET", f"/api/{path}", basic(self.world.user(who).token)))

    def left(self, who: str, path: str) -> int:
        answer = self(who, path)
        assert (answer.status, answer.headers is not None) == (200, True)
        return int((answer.headers or {})[REMAINING])


def test_quota_used_up_is_402_until_the_hour_is_over(world: World, clock: Any) -> None:
    call = Caller(world, plan("free"))
    assert [call.left("ann", "v9/workspaces/1/clients") for _ in range(30)] == list(range(29, -1, -1))
    clock.forward(3000.5)
    answer = call("ann", "v9/workspaces/1/projects")
    assert (answer.status, answer.headers) == (402, {REMAINING: "-1", RESETS_IN: "600"})
    assert json.loads(answer.body) == (
        "You have hit your hourly limit for API calls. The quota will reset in 600 seconds."
    )
    assert call.left("ann", "v9/workspaces/2/clients") == 29  # an organization of its own
    assert call.left("ann", "v9/me/clients") == 29
    clock.forward(599.5)
    assert call.left("ann", "v9/workspaces/1/clients") == 29
    assert [entry.over for entry in call.meter.ledger].count("quota") == 1


def test_tokens_of_one_user_share_what_the_user_has(world: World) -> None:
    """Quota and sight are the user's; others have their own."""
    world.add_user("ann2", "2" * 32, user_id=world.user("ann").id)
    call = Caller(world, plan("starter"))
    assert call.left("ann", "v9/workspaces/1/clients") == 239
    assert call.left("ann2", "v9/workspaces/1/clients") == 238
    assert call.left("bob", "v9/workspaces/1/clients") == 239
    world.unshare("ann", 1)
    assert call("ann2", "v9/workspaces/1/clients").status == 403
    assert world.user("ann2").id != world.user("bob").id


def test_quota_call_names_every_bucket(world: World) -> None:
    """Organizations first; the bucket of the user's own calls, which this call uses, has none."""
    call = Caller(world, plan("premium"))
    call("ann", "v9/workspaces/2/clients")
    one, two = (world.workspace(n).organization_id for n in (1, 2))
    assert json.loads(call("ann", "v9/me/quota").body) == [
        {"organization_id": one, "remaining": 600, "total": 600, "resets_in_secs": 3600},
        {"organization_id": two, "remaining": 599, "total": 600, "resets_in_secs": 3600},
        {"organization_id": None, "remaining": 29, "total": 30, "resets_in_secs": 3600},
    ]
    assert json.loads(Api(world).answer(Request("GET", "/api/v9/me/quota", basic("a" * 32))).body) == []


def test_quota_call_can_be_free(world: World) -> None:
    call = Caller(world, plan("free"), quota_call_counted=False)
    assert [call.left("ann", "v9/me/quota") for _ in range(2)] == [30, 30]


def test_headers_can_be_missing_when_the_quota_is_used_up(world: World) -> None:
    call = Caller(world, Limits(organization_per_hour=0), quota_headers_on_402=False)
    answer = call("ann", "v9/workspaces/1/clients")
    assert (answer.status, answer.headers) == (402, None)


def test_rate_limit_is_the_web_servers_and_for_both_versions(world: World, clock: Any) -> None:
    call = Caller(world, Limits(per_second=0.5, burst=1))
    assert call("ann", "v8/clients").status == 200
    answer = call("ann", "v9/me/clients")
    assert (answer.status, answer.content_type, answer.headers) == (429, "text/html", {})
    assert b"<h1>429 Too Many Requests</h1>" in answer.body
    assert call("bob", "v9/me/clients").status == 200
    clock.forward(2)
    assert call("ann", "v9/me/clients").status == 200
    call = Caller(world, Limits(per_second=0.5, burst=1), retry_after_on_429=True)
    assert [call("ann", "v8/clients").headers for _ in range(2)] == [None, {"Retry-After": "2"}]


def test_errors_carry_the_headers_too(world: World) -> None:
    """A call that is answered with an error was a call; one of a stranger belongs to nobody."""
    call = Caller(world, plan("free"))
    answer = call("ann", "v9/workspaces/1/clients/9")
    assert (answer.status, answer.headers) == (404, {REMAINING: "29", RESETS_IN: "3600"})
    assert call.api.answer(Request("GET", "/api/v9/me")).headers == {"X-Authorization-Missing": "true"}
    assert len(call.meter.ledger) == 1


def test_workspaces_out_of_sight_use_the_users_own_quota(world: World) -> None:
    """Neither the organization's, nor does it matter whether there is such a workspace."""
    call = Caller(world, plan("free"))
    for left, path in enumerate(("v9/workspaces/2/clients", "v9/workspaces/99", "v9/workspaces/x/projects")):
        answer = call("bob", path)
        assert answer.status in {403, 404}
        assert (answer.headers or {})[REMAINING] == str(29 - left)
    assert call.left("bob", "v9/me") == 26


def test_a_kept_page_is_stamped_anew_and_packed_once(world: World) -> None:
    call = Caller(world, plan("free"))
    first, second = (call("ann", "v9/workspaces/1/clients") for _ in range(2))
    assert [(a.headers or {})[REMAINING] for a in (first, second)] == ["29", "28"]
    assert first.body is second.body
    assert first.packed() is second.packed()


@pytest.mark.parametrize(("every_s", "beyond"), [(120, 0), (60, 24 * 30)])
def test_a_day_in_virtual_time_can_be_audited(world: World, clock: Any, every_s: int, beyond: int) -> None:
    """On the free plan one request in two minutes is never too much; one a minute is, for the latter half of each
    hour. Each bucket's requests within the plan are counted again out of the ledger."""
    call = Caller(world, plan("free", per_second=1.0))
    for _ in range(86_400 // every_s):
        for who in ("ann", "bob"):
            call(who, "v9/workspaces/1/projects")
        clock.forward(every_s)
    ledger = list(call.meter.ledger)
    for who in ("ann", "bob"):
        mine = [entry for entry in ledger if entry.token == who]
        assert (len(mine), sum(entry.over == "quota" for entry in mine)) == (86_400 // every_s, beyond)
        hours = Counter((entry.at - mine[0].at) // timedelta(hours=1) for entry in mine if not entry.over)
        assert set(hours.values()) == {30}
