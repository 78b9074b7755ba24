"""The change feed: positions in the order in which commits become visible, every change once."""

import asyncio
import os
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from syncd.emulator.model import World
from syncd.plan import Diff
from syncd.postgres import binaries
from syncd.postgres.database import Database
from syncd.postgres.migrate import create_roles
from syncd.postgres.pool import open_pool
from syncd.postgres.store import Store
from syncd.records import Resource
from tests.feed.campaign import run
from tests.integration.sync.conftest import Mirror, register
from tests.model import a_client, a_project
from tests.planned import write

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAUSE = 4711
HELD_UP = """
CREATE FUNCTION syncd.hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(4711);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER place_commit_then_hold_up AFTER INSERT ON syncd.changes DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.workspace_id = 1) EXECUTE FUNCTION syncd.hold_up();
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
FEED = "SELECT relation, id, change_kind FROM toggl.changes ORDER BY position, ordinal"
POSITION = "SELECT position FROM toggl.changes_horizon"


def one_client(workspace_id: int) -> dict[Resource, Diff[Any]]:
    """One new client of a workspace, with the id of the workspace."""
    return {"client": Diff([a_client(workspace_id, workspace_id=workspace_id)], [], 0, [])}


async def commit(store: Store, token: str, workspace_id: int) -> None:
    begun = await store.begin(token, timeout=HOUR, full_every=DAY)
    async with store.workspace(begun, workspace_id) as writer:
        await write(writer, one_client(workspace_id))


async def test_a_later_position_is_not_seen_before_an_earlier_one(mirror: Mirror) -> None:
    """The first to commit has its position and is held up; the second has to wait until the first can be seen."""
    await register(mirror.database, "t0", "t1")
    seen: list[int] = []
    async with mirror.database.connection() as other, mirror.database.connection() as reader:
        await other.execute(HELD_UP)
        await other.execute("SELECT pg_advisory_lock($1)", PAUSE)
        first = asyncio.create_task(commit(mirror.store, "t0", 1))
        while await reader.fetchval(WAITING) < 1:  # noqa: ASYNC110 - only the server knows who waits
            await asyncio.sleep(0)
        second = asyncio.create_task(commit(mirror.store, "t1", 2))
        while await reader.fetchval(WAITING) < 2 and not second.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        position = 0
        for is_over in (False, True):
            if is_over:
                await other.execute("SELECT pg_advisory_unlock($1)", PAUSE)
                await asyncio.gather(first, second)
            rows = await reader.fetch("SELECT * FROM toggl.changes WHERE position > $1 ORDER BY position", position)
            seen += [row["id"] for row in rows]
            position = max([position, *(row["position"] for row in rows)])
    assert seen == [1, 2]


async def test_a_writer_that_sleeps_holds_nobody_up(mirror: Mirror) -> None:
    """However long it stays in its transaction: its place is where it commits."""
    await register(mirror.database, "t0", "t1")
    begun = await mirror.store.begin("t0", timeout=HOUR, full_every=DAY)
    async with mirror.store.workspace(begun, 1) as writer:
        await write(writer, one_client(1))
        async with asyncio.timeout(20):
            await commit(mirror.store, "t1", 2)
        assert await mirror.rows(FEED) == [("clients", 2, "insert")]
    assert await mirror.rows(FEED) == [("clients", 2, "insert"), ("clients", 1, "insert")]


async def test_three_readers_follow_random_commits(migrated_url: str) -> None:
    """Nothing is missed, nothing comes twice, every commit is told of once; `make feed` does it at length."""
    outcome = await run(migrated_url, commits=200, seed=1)
    assert outcome.wrongs == []
    assert outcome.commits + outcome.rolled_back == 200


async def test_what_a_pull_changes_is_told_parents_first(mirror: Mirror, world: World) -> None:
    """Inserts, then an update; a pull that changes nothing leaves the feed where it is."""
    await mirror.pull()
    first = await mirror.rows(FEED)
    assert first == await mirror.rows("""
        (SELECT 'clients', id, change_kind FROM toggl.clients_history ORDER BY id) UNION ALL
        (SELECT 'projects', id, change_kind FROM toggl.projects_history ORDER BY id)""")
    assert await mirror.value("SELECT count(DISTINCT position) FROM toggl.changes") == 1
    unmoved = await mirror.value("SELECT xmin::text FROM syncd.feed")
    await mirror.pull()
    assert unmoved == await mirror.value("SELECT xmin::text FROM syncd.feed")
    world.update_client(1239456, name="Big Startup")
    await mirror.pull()
    assert (await mirror.rows(FEED))[len(first) :] == [("clients", 1239456, "update")]
    assert await mirror.rows(
        "SELECT at, _pull_id FROM toggl.changes WHERE change_kind = 'update'"
    ) == await mirror.rows("SELECT _valid_from, _pull_id FROM toggl.clients WHERE id = 1239456")


async def test_volatile_fields_and_stubs_are_no_changes(database: Database) -> None:
    """They make no version, so they take no position and wake nobody."""
    await register(database, "t0")
    store = Store(database)
    begun = await store.begin("t0", timeout=HOUR, full_every=DAY)
    project = a_project(5, client_id=7)
    moved = a_project(5, client_id=7, actual_seconds=1)
    for diff in (Diff([project], [], 0, []), Diff([], [(moved, "volatile")], 0, [])):
        async with store.workspace(begun, 1) as writer:
            await write(writer, {"project": diff}, stubs=[7])
    async with database.connection() as connection:
        assert [tuple(row) for row in await connection.fetch(FEED)] == [("projects", 5, "insert")]


async def test_positions_go_on_from_a_restored_backup(database: Database) -> None:
    """Above all that were ever given: by the clock, or one by one where the clock is behind."""
    await register(database, "t0")
    store = Store(database)
    async with database.connection() as connection:
        await connection.execute("UPDATE syncd.feed SET position = 5")
        await commit(store, "t0", 1)
        by_clock = await connection.fetchval(POSITION)
        assert await connection.fetchval("SELECT now() - to_timestamp($1::bigint / 1e6) < interval '1 hour'", by_clock)
        ahead = by_clock + 10**15
        await connection.execute("UPDATE syncd.feed SET position = $1", ahead)
        await commit(store, "t0", 2)
        assert await connection.fetchval(POSITION) == ahead + 1
        assert [by_clock, ahead + 1] == [
            row["position"] for row in await connection.fetch("SELECT position FROM toggl.changes ORDER BY 1")
        ]


async def test_a_dump_takes_the_feed_along(mirror: Mirror, migrated_url: str, database_url: str) -> None:
    """Whoever followed the old database goes on in the restored one."""
    await register(mirror.database, "t0")
    await commit(mirror.store, "t0", 1)
    before = await mirror.rows("SELECT * FROM toggl.changes")
    programs = binaries.find(os.environ).bindir
    copying = '"$0/pg_dump" "$1" | "$0/psql" --quiet --set ON_ERROR_STOP=1 "$2"'
    process = await asyncio.create_subprocess_exec("sh", "-c", copying, programs, migrated_url, database_url)
    assert await process.wait() == 0
    pool = await open_pool(database_url, size=1, connect_timeout_s=10)
    async with pool:
        await commit(Store(Database(pool, "restored")), "t0", 2)
        first, second = await pool.fetch("SELECT * FROM toggl.changes ORDER BY position")
    assert [tuple(first)] == before
    assert (second["id"], second["ordinal"]) == (2, 1)


async def test_a_reader_that_comes_too_late_can_tell(mirror: Mirror) -> None:
    """What retention removed leaves its mark; what is younger stays."""
    await register(mirror.database, "t0")
    for workspace_id in (1, 2):
        await commit(mirror.store, "t0", workspace_id)
    assert await mirror.value("SELECT bool_and(position > complete_after) FROM toggl.changes_horizon")
    async with mirror.database.connection() as connection:
        await connection.execute("UPDATE syncd.feed SET complete_after = 0")
        await connection.execute("UPDATE syncd.changes SET position = 5 WHERE workspace_id = 1")
    await mirror.registry.expire_versions(timedelta(hours=1))
    assert await mirror.rows(FEED) == [("clients", 2, "insert")]
    assert await mirror.value("SELECT complete_after FROM toggl.changes_horizon") == 5


async def test_the_reader_role_reads_and_listens(mirror: Mirror, migrated_url: str) -> None:
    """Under the role that may do least; the notification says where, and how much."""
    await register(mirror.database, "t0")
    heard: asyncio.Queue[Any] = asyncio.Queue()
    connection: asyncpg.Connection[Any] = await asyncpg.connect(migrated_url)
    try:
        assert await create_roles(connection)
        await connection.execute("SET ROLE syncd_reader; SET default_transaction_read_only = on")
        await connection.add_listener("toggl_changes", lambda *told: heard.put_nowait(msgspec.json.decode(told[3])))
        await commit(mirror.store, "t0", 1)
        position = await connection.fetchval(POSITION)
        assert await heard.get() == {"position": position, "workspace_id": 1, "changes": {"clients": 1}}
        assert [tuple(row) for row in await connection.fetch(FEED)] == [("clients", 1, "insert")]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM syncd.changes")
    finally:
        await connection.close()
