"""The hourly quota, kept by pulls: never exceeded, shared by the tokens of a user, remembered by the database."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random

import aiohttp
import pytest

from syncd.clock import Clock, Jitter
from syncd.emulator import mishaps, seed
from syncd.emulator.limits import Limits
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.emulator.switches import Switches
from syncd.errors import QuotaExhausted
from syncd.postgres.database import Database
from syncd.postgres.quotas import Ledger, StoredLevel
from syncd.sync import pull
from syncd.sync.budget import Budget
from syncd.sync.report import Stretch
from syncd.toggl import v9
from syncd.toggl.client import Toggl
from tests.integration.sync.conftest import Mirror, mirror_of, no_sleep, register
from tests.processes import eventually

FREE = Limits(organization_per_hour=30, user_per_hour=30)


@pytest.fixture
def world() -> World:
    """Two accounts that share two workspaces of two organizations: every pull needs 1 + 2 + 2 requests."""
    return seed.generate(seed=3, tokens=2, workspaces=2, clients=3, projects=2, now=Clock().now)


@pytest.fixture
async def mirror(database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World) -> Mirror:
    emulator.configure(FREE, Switches())
    return restarted(await mirror_of(database, session, emulator.url, dict(world.tokens), v9.DIALECT))


def restarted(mirror: Mirror) -> Mirror:
    """The same mirror by another process: what was in memory is gone."""
    old = mirror.puller.toggl
    toggl = Toggl(old.session, old.base_url, 0, Clock(), Jitter(Random(1)), no_sleep)
    budget = Budget(toggl, Ledger(mirror.database), v9.whose, timedelta(days=1))
    mirror.puller = replace(mirror.puller, toggl=toggl, budget=budget)
    return mirror


def of_one_user(world: World) -> None:
    """Both tokens are the same person's."""
    first, second = (world.users[name] for name in ("t0", "t1"))
    second.id = first.id
    second.access.clear()
    second.access.update(first.access)


def refused(emulator: Emulator) -> int:
    """Requests beyond a quota."""
    assert emulator.meter is not None
    return sum(entry.over == "quota" for entry in emulator.meter.ledger)


async def execute(mirror: Mirror, statement: str) -> None:
    async with mirror.database.connection() as connection:
        await connection.execute(statement)


async def test_no_request_is_ever_refused(mirror: Mirror, emulator: Emulator) -> None:
    """When what is left does not cover a pull none is begun: the token is due after the reset, and all is well."""
    results = [await mirror.pull() for _ in range(16)]
    postponed = [report.is_postponed for report in results]
    assert postponed == sorted(postponed)
    assert (postponed[0], postponed[-1], refused(emulator)) == (False, True, 0)
    report = results[-1]
    assert isinstance(report.error, QuotaExhausted)
    ((status, attempt, due_s),) = await mirror.rows(
        "SELECT status, last_attempt_at, extract(epoch FROM next_due_at - now())::float8 FROM toggl.sync_status "
        "WHERE token = 't0'"
    )
    assert status == "ok"
    assert attempt == max(r.began_at for r in results if r.began_at)
    assert 3500 < due_s < 3650
    assert not report.is_fresh


async def test_another_process_goes_on_where_the_last_one_stopped(mirror: Mirror, emulator: Emulator) -> None:
    """Not a request more than with one process: 27 of 30 serve 13 pulls, and one asks whose token it is."""
    for _ in range(16):
        await restarted(mirror).pull()
    assert refused(emulator) == 0
    assert emulator.meter is not None
    assert len(emulator.meter.ledger) == 13 * 5 + 1
    assert await mirror.rows("SELECT total, remaining FROM syncd.quotas ORDER BY remaining LIMIT 1") == [(30, 4)]


async def test_tokens_of_one_user_share_the_quota(mirror: Mirror, emulator: Emulator, world: World) -> None:
    """Whose they are is asked once, and remembered; neither begins a pull when the other has used up what it needs."""
    of_one_user(world)
    for _ in range(15):
        for name in ("t0", "t1"):
            await restarted(mirror).pull(name)
    assert refused(emulator) == 0
    assert emulator.requests["/api/v9/me"] == 2
    query = "SELECT count(DISTINCT user_id), count(DISTINCT owner) FROM syncd.tokens, syncd.quotas"
    assert await mirror.rows(query) == [(1, 1)]
    assert (await mirror.pull("t1")).is_postponed


async def test_a_402_parks_those_who_share_and_nobody_else(mirror: Mirror, emulator: Emulator) -> None:
    """Also across a restart; it came in spite of what was known, so somebody else used the quota."""
    headers = {"X-Toggl-Quota-Remaining": "0", "X-Toggl-Quota-Resets-In": "133"}
    await mirror.pull("t0")
    await mirror.pull("t1")
    emulator.faults.add(mishaps.status(402, headers=headers), path="/api/v9/workspaces/", token="t0", times=None)
    report = await mirror.pull("t0")
    assert isinstance(report.error, QuotaExhausted)
    assert not report.is_postponed
    assert await mirror.registry.held(["t0", "t1"]) == {"t0": pytest.approx(133, abs=3600)}
    assert (await restarted(mirror).pull("t0")).is_postponed
    assert (await mirror.pull("t1")).is_fresh


async def test_a_402_alone_stretches_no_interval(mirror: Mirror, emulator: Emulator) -> None:
    """Of a source that tells nothing of quotas but this: the token waits until the reset, and goes on as configured."""
    emulator.configure(Limits(), Switches())
    await register(mirror.database, "t0", "t1", interval=timedelta(minutes=1))
    await mirror.pull()
    emulator.faults.add(mishaps.status(402, b"hourly limit", {"Retry-After": "5"}), path="/api/v9/workspaces/")
    refused = await mirror.pull()
    assert isinstance(refused.error, QuotaExhausted)
    assert await mirror.registry.held(["t0"]) == {"t0": pytest.approx(5, abs=5)}
    after = []
    for again in (mirror, restarted(mirror)):
        await execute(mirror, "UPDATE syncd.quotas SET resets_at = now()")
        after.append(await again.pull())
    assert [report.stretch for report in (refused, *after)] == [None] * 3
    assert [report.is_fresh for report in after] == [True, True]


async def test_an_hour_that_others_use_up_at_once_stretches_no_interval(mirror: Mirror, emulator: Emulator) -> None:
    """Its first answer is a 402, which does not tell what the plan allows; that is known from the hour before."""
    emulator.configure(Limits(organization_per_hour=240, user_per_hour=240), Switches())
    await mirror.pull()
    await execute(mirror, "UPDATE syncd.quotas SET resets_at = now()")
    headers = {"X-Toggl-Quota-Remaining": "-1", "X-Toggl-Quota-Resets-In": "3590"}
    emulator.faults.add(mishaps.status(402, headers=headers), path="/api/v9/workspaces/", times=None)
    report = await restarted(mirror).pull()
    assert isinstance(report.error, QuotaExhausted)
    assert report.stretch is None
    assert await mirror.rows("SELECT DISTINCT total FROM syncd.quotas WHERE organization_id > 0") == [(240,)]


async def test_who_was_only_refused_does_not_make_others_forget_the_plan(mirror: Mirror) -> None:
    """A process that knew nothing was answered 402: of the hour that counts, of what an hour holds it does not."""
    ledger = Ledger(mirror.database)
    await ledger.write("#1", [StoredLevel(7, 200, 240, 10.0)])
    await ledger.write("#1", [StoredLevel(7, 0, 0, 3000.0)])
    assert await mirror.rows("SELECT remaining, total FROM syncd.quotas") == [(0, 240)]


async def test_the_interval_is_stretched_to_what_the_plan_allows(mirror: Mirror, emulator: Emulator) -> None:
    """Said once, in the report, in the status, and kept by the grid of due times."""
    emulator.configure(Limits(organization_per_hour=15, user_per_hour=30), Switches())
    reports = [await restarted(mirror).pull() for _ in range(4)]
    assert [report.stretch for report in reports] == [None, Stretch(520.0, 300.0), None, None]
    kept = (
        "SELECT extract(epoch FROM quota_interval)::int, next_due_at <= now() + 1.1 * quota_interval FROM syncd.tokens"
    )
    assert await mirror.rows(f"{kept} WHERE name = 't0'") == [(520, True)]
    action = await mirror.value("SELECT action_required FROM toggl.sync_status WHERE token = 't0'")
    assert action.startswith("the plan allows a pull every 0:08:40, not every 0:05:00")
    emulator.configure(Limits(organization_per_hour=240, user_per_hour=30), Switches())
    await execute(mirror, "DELETE FROM syncd.quotas")
    assert (await restarted(mirror).pull()).stretch == Stretch(300.0, 300.0)
    assert await mirror.value("SELECT action_required FROM toggl.sync_status WHERE token = 't0'") is None


async def test_another_account_behind_a_name_starts_anew(mirror: Mirror, database: Database) -> None:
    """Its user, costs and interval are not the old one's."""
    await mirror.pull()
    columns = "user_id, full_cost, usual_cost, quota_interval, quota_action"
    query = f"SELECT num_nonnulls({columns}) FROM syncd.tokens WHERE name = 't0'"
    assert await mirror.value(query) >= 2
    await execute(mirror, "UPDATE syncd.tokens SET fingerprint = 'another'")
    await register(database, "t0")
    assert await mirror.value(query) == 0


async def test_a_pull_that_was_cancelled_leaves_its_account(mirror: Mirror, emulator: Emulator) -> None:
    """What it spent is written down like after any other, what is in flight included."""
    await mirror.pull()
    query = "SELECT sum(remaining) FROM syncd.quotas"
    before = await mirror.value(query)
    hang = emulator.faults.add(mishaps.hang(), path="/api/v9/workspaces/")
    pulling = asyncio.create_task(mirror.pull())
    async with asyncio.timeout(10):
        while not hang.fired:  # noqa: ASYNC110 - the fault has no event
            await asyncio.sleep(0.01)
    pulling.cancel()
    await asyncio.wait([pulling])
    assert await mirror.value(query) == before - 3


async def test_a_pull_that_was_given_up_takes_nothing_from_the_next_one(
    mirror: Mirror, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are at work in one process for a while; each has an account of its own."""
    monkeypatch.setattr(pull, "ABANDON_S", 0.1)
    await mirror.pull()
    hang = emulator.faults.add(mishaps.hang(), path="/api/v9/workspaces/")
    given_up = asyncio.create_task(mirror.pull())

    async def hangs() -> bool:
        return hang.fired > 0

    async def waits_for_its_row() -> bool:
        return bool(await mirror.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))

    await eventually(hangs)
    async with mirror.database.connection() as connection, connection.transaction():
        await connection.execute("SELECT FROM syncd.tokens WHERE name = 't0' FOR UPDATE")
        following = asyncio.create_task(mirror.pull())
        await eventually(waits_for_its_row)
        given_up.cancel()
        await asyncio.wait([given_up])
    report = await following
    assert (report.result, report.error) == ("unchanged", None)
