"""Whose turn it is, with a real token table; the pulls themselves are stand-ins that end when told."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from syncd.clock import Clock
from syncd.postgres.database import Database
from syncd.postgres.pool import open_pool
from syncd.postgres.registry import Registry
from syncd.postgres.store import Store
from syncd.service.dispatcher import LocalDispatcher
from syncd.service.runtime import Runtime
from syncd.service.workers import SLOW_S
from syncd.sync.pull import Subject
from tests.clocks import StillClock
from tests.integration.sync.conftest import register

HOUR = timedelta(hours=1)


class Pulls:
    """Stands in for a runtime: pulls begin, and end when the test says so."""

    def __init__(self, database: Database, names: list[str]) -> None:
        self.registry = Registry(database)
        self.store = Store(database)
        self.reporter = SimpleNamespace(log=SimpleNamespace(emit=lambda *_: None))
        self.puller = SimpleNamespace(rules=SimpleNamespace(pull_timeout=HOUR))
        self.subjects = {name: Subject(name, "x") for name in names}
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.gate = asyncio.Event()

    async def pull(self, name: str) -> None:
        self.begun.append(name)
        try:
            await self.gate.wait()
            begun = await self.store.begin(name, timeout=HOUR, full_every=HOUR)
            await self.store.finish_unchanged(begun, 1, None, is_whole=True)
        finally:
            self.ended.append(name)


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    pool = await open_pool(migrated_url, size=4, connect_timeout_s=10)
    yield Database(pool, "here")
    await pool.close()


async def dispatcher_of(database: Database, names: list[str], limit: int) -> tuple[LocalDispatcher, Pulls]:
    await register(database, *names, interval=HOUR)
    pulls = Pulls(database, names)
    return LocalDispatcher(cast("Runtime", pulls), limit, Clock()), pulls


async def settle() -> None:
    """Let tasks that can go on go on."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_every_due_token_is_pulled_once(database: Database) -> None:
    """And not again before its interval is over."""
    dispatcher, pulls = await dispatcher_of(database, ["a", "b"], 10)
    pulls.gate.set()
    await dispatcher.dispatch()
    await dispatcher.close()
    await dispatcher.dispatch()
    assert (sorted(pulls.begun), dispatcher.workers.in_flight) == (["a", "b"], 0)


async def test_no_more_than_the_limit_at_once(database: Database) -> None:
    """The rest waits for room, without being forgotten."""
    names = [f"t{n}" for n in range(7)]
    dispatcher, pulls = await dispatcher_of(database, names, 3)
    await dispatcher.dispatch()
    await settle()
    await dispatcher.dispatch()
    assert (len(pulls.begun), dispatcher.workers.in_flight) == (3, 3)
    pulls.gate.set()
    for _ in names:
        await dispatcher.close()
        await dispatcher.dispatch()
    await dispatcher.close()
    assert sorted(pulls.begun) == names


async def test_two_pulls_of_one_token_never_overlap(database: Database) -> None:
    """However often it comes due meanwhile."""
    dispatcher, pulls = await dispatcher_of(database, ["a"], 10)
    for _ in range(3):
        await dispatcher.dispatch()
        await settle()
    assert pulls.begun == ["a"]
    pulls.gate.set()
    await dispatcher.close()


async def test_a_shutdown_rolls_back_what_does_not_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time to end well is over."""
    monkeypatch.setattr("syncd.service.workers.DRAIN_S", 0.01)
    dispatcher, pulls = await dispatcher_of(database, ["a", "b"], 10)
    await dispatcher.dispatch()
    await settle()
    assert await dispatcher.close() == 2
    assert sorted(pulls.ended) == ["a", "b"]


async def test_tokens_that_hang_leave_places_for_the_others(database: Database) -> None:
    """As many hang as there are places: for a moment nobody else gets on, and then they have a lane of their own."""
    clock = StillClock()
    await register(database, "hangs1", "hangs2", interval=HOUR)
    pulls = Pulls(database, ["hangs1", "hangs2", "well1", "well2"])
    dispatcher = LocalDispatcher(cast("Runtime", pulls), 2, clock)
    await dispatcher.dispatch()
    await settle()
    await register(database, "hangs1", "hangs2", "well1", "well2", interval=HOUR)
    await dispatcher.dispatch()
    await settle()
    assert sorted(pulls.begun) == ["hangs1", "hangs2"]
    clock.at += SLOW_S
    await dispatcher.dispatch()
    await settle()
    assert sorted(pulls.begun) == ["hangs1", "hangs2", "well1", "well2"]
    pulls.gate.set()
    await dispatcher.close()


async def test_tokens_that_failed_share_a_lane(database: Database) -> None:
    """Whoever failed last time never gets more than that, however many they are."""
    dispatcher, pulls = await dispatcher_of(database, [f"t{n}" for n in range(6)], 2)
    async with database.connection() as connection:
        await connection.execute("UPDATE syncd.tokens SET failures = 1, next_due_at = now() - interval '1 h' "
                                 "WHERE name < 't4'")  # fmt: skip
    await dispatcher.dispatch()
    await settle()
    assert sorted(pulls.begun) == ["t0", "t1", "t4", "t5"]
    pulls.gate.set()
    await dispatcher.close()


async def test_a_token_that_is_not_ours_is_left_alone(database: Database) -> None:
    """Another configuration may share the database."""
    dispatcher, pulls = await dispatcher_of(database, ["a", "b"], 10)
    del pulls.subjects["b"]
    pulls.gate.set()
    await dispatcher.dispatch()
    await dispatcher.close()
    assert pulls.begun == ["a"]


async def test_due_times_stay_on_their_grid(database: Database) -> None:
    """After a long pause a token is pulled once, not once per missed turn.

    Its phase moves by a tenth of the interval at a time, never back, until it stands where the name puts it.
    """
    await register(database, "a")
    store = Store(database)
    async with database.connection() as connection:
        await connection.execute("UPDATE syncd.tokens SET next_due_at = now() - interval '3 hours 1 minute'")
        before: Any = await connection.fetchval("SELECT next_due_at FROM syncd.tokens")
    begun = await store.begin("a", timeout=HOUR, full_every=HOUR)
    due = await store.finish_unchanged(begun, 1, None, is_whole=True)
    assert due is not None
    assert timedelta(hours=3, minutes=1) < due - before <= timedelta(hours=3, minutes=6, seconds=30)
    assert await Registry(database).due([], 10, 10) == {}
    async with database.connection() as connection:
        for _ in range(10):
            after = await connection.fetchval("SELECT syncd.next_due('a', '5 minutes', $1)", due)
            assert (after - due) % timedelta(minutes=5) <= timedelta(seconds=30)
            due = after
    place_s = int(hashlib.md5(b"a").hexdigest()[:8], 16) / 2**32 * 300
    assert due.timestamp() % 300 == pytest.approx(place_s, abs=1e-5)


async def test_a_token_whose_pull_was_given_up_goes_to_the_end_of_the_line(database: Database) -> None:
    """It stays due, ever longer; others that failed are not kept waiting by it."""
    names = ["given up", "failed"]
    await register(database, *names, interval=HOUR)
    store, registry = Store(database), Registry(database)
    await store.begin("given up", timeout=HOUR, full_every=HOUR)
    async with database.connection() as connection:
        await connection.execute("UPDATE syncd.tokens SET next_due_at = now() - interval '2 h' WHERE name = 'given up'")
        await connection.execute("UPDATE syncd.tokens SET next_due_at = now() - interval '1 h' WHERE name = 'failed'")
    assert list(await registry.due([], 0, 1, shaky=names)) == ["failed"]


async def test_a_clock_that_was_put_back_holds_nobody_up(database: Database) -> None:
    """The database's, by three hours: the last attempt and the next turn lie ahead, and it is pulled all the same."""
    await register(database, "a", interval=HOUR)
    store, registry = Store(database), Registry(database)
    begun = await store.begin("a", timeout=HOUR, full_every=HOUR)
    await store.finish_unchanged(begun, 1, None, is_whole=True)
    assert await registry.due([], 10, 10) == {}
    async with database.connection() as connection:
        await connection.execute("UPDATE syncd.tokens SET last_attempt_at = last_attempt_at + interval '3 h', "
                                 "next_due_at = next_due_at + interval '3 h'")  # fmt: skip
    assert await registry.due([], 10, 10) == {"a": False}
    begun = await store.begin("a", timeout=HOUR, full_every=HOUR)
    due = await store.finish_unchanged(begun, 1, None, is_whole=True)
    assert due is not None
    assert due - begun.began_at <= 1.1 * HOUR
    assert await registry.due([], 10, 10) == {}
