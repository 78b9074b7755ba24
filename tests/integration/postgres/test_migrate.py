"""Migrations on a real server: once each, in order, by one process, and never a changed one."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from syncd.errors import DatabaseUnavailable, DatabaseUnusable
from syncd.postgres.migrate import migrate, pending
from syncd.postgres.sql import Migration, migrations
from tests.sessions import left_behind

FIRST = Migration(1, "0001_first", "CREATE SCHEMA IF NOT EXISTS toggl; CREATE TABLE toggl.one (id integer);")
SECOND = Migration(2, "0002_second", "ALTER TABLE toggl.one ADD COLUMN name text;")
BROKEN = Migration(2, "0002_broken", "CREATE TABLE toggl.two (id integer); SELECT no_such_function();")


class Told:
    """What a migration tells as it goes."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []
        self.blockers: list[str] = []

    def __call__(self, step: str, file: Migration, blockers: Sequence[str]) -> None:
        self.steps.append((step, file.name))
        self.blockers += blockers


async def versions(connection: Any) -> list[int]:
    return [row["version"] for row in await connection.fetch("SELECT version FROM syncd.migrations ORDER BY version")]


@pytest.fixture
async def connection(database_url: str) -> Any:
    """However it is used, its session is as it was."""
    connection = await asyncpg.connect(database_url)
    yield connection
    left = await left_behind(connection)
    await connection.close()
    assert left == []


async def test_all_are_applied_once(connection: Any) -> None:
    """And told of, in order."""
    told = Told()
    assert await migrate(connection, on_step=told, known=[FIRST, SECOND]) == 2
    assert await migrate(connection, on_step=told, known=[FIRST, SECOND]) == 0
    assert told.steps == [
        ("start", "0001_first"), ("applied", "0001_first"), ("start", "0002_second"), ("applied", "0002_second"),
    ]  # fmt: skip
    assert await versions(connection) == [1, 2]


async def test_what_is_new_is_applied_later(connection: Any) -> None:
    """An upgrade of the program brings its files."""
    await migrate(connection, known=[FIRST])
    assert await pending(connection, [FIRST, SECOND]) == [SECOND]
    assert await migrate(connection, known=[FIRST, SECOND]) == 1


async def test_asking_what_is_pending_changes_nothing(connection: Any) -> None:
    """`--dry-run` is dry."""
    assert await pending(connection, [FIRST, SECOND]) == [FIRST, SECOND]
    assert await connection.fetchval("SELECT to_regnamespace('syncd')") is None


async def test_a_failed_file_leaves_nothing_behind(connection: Any) -> None:
    """Neither its first half nor its number."""
    with pytest.raises(asyncpg.UndefinedFunctionError):
        await migrate(connection, known=[FIRST, BROKEN])
    assert await versions(connection) == [1]
    assert await connection.fetchval("SELECT to_regclass('toggl.two')") is None


async def test_an_edited_file_is_refused(connection: Any) -> None:
    """What was applied is history; line ends are not an edit."""
    await migrate(connection, known=[FIRST])
    assert await pending(connection, [FIRST._replace(text=FIRST.text.replace(" ", " ") + "\r\n")]) == []
    with pytest.raises(DatabaseUnusable, match="0001_first was edited"):
        await migrate(connection, known=[FIRST._replace(text="SELECT 1;")])


async def test_a_newer_database_is_refused(connection: Any) -> None:
    """This program does not know what it would break."""
    await migrate(connection, known=[FIRST, SECOND])
    with pytest.raises(DatabaseUnusable, match="schema version 2, this syncd knows 1"):
        await migrate(connection, known=[FIRST])


async def test_eight_starters_apply_each_file_once(database_url: str, connection: Any) -> None:
    """Replicas start together; nobody fails, nothing is applied twice."""
    others = [await asyncpg.connect(database_url) for _ in range(8)]
    try:
        counts = await asyncio.gather(*(migrate(other, known=[FIRST, SECOND]) for other in others))
    finally:
        await asyncio.gather(*(other.close() for other in others))
    assert (sum(counts), await versions(connection)) == (2, [1, 2])


async def test_a_reader_s_lock_is_not_waited_for_in_the_queue(
    database_url: str, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A waiting ALTER would make every later reader wait too: it gives up, and tries again when the table is free."""
    monkeypatch.setattr("syncd.postgres.migrate.TABLE_PAUSE_S", 0)
    await migrate(connection, known=[FIRST])
    reader = await asyncpg.connect(database_url, server_settings={"application_name": "report"})
    transaction = reader.transaction()
    await transaction.start()
    await reader.fetch("SELECT * FROM toggl.one")
    user = await reader.fetchval("SELECT current_user")
    told = Told()
    migration = asyncio.create_task(migrate(connection, on_step=told, known=[FIRST, SECOND]))
    while len(told.steps) < 2:
        await reader.fetch("SELECT * FROM toggl.one")
    assert not migration.done()
    await transaction.rollback()
    assert await migration == 1
    assert [step for step, _ in told.steps] == ["start", "lock_timeout", "applied"]
    (blocker,) = told.blockers
    assert re.fullmatch(rf"process {reader.get_server_pid()} of role {user}, for \d+ s, report", blocker)
    await reader.close()


async def test_who_held_the_table_all_the_time_is_named_at_the_end(
    database_url: str, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or nobody would know whom to ask."""
    monkeypatch.setattr("syncd.postgres.migrate.TABLE_PAUSE_S", 0)
    monkeypatch.setattr("syncd.postgres.migrate.TABLE_TRIES", 1)
    await migrate(connection, known=[FIRST])
    reader = await asyncpg.connect(database_url)
    async with reader.transaction():
        await reader.fetch("SELECT * FROM toggl.one")
        with pytest.raises(DatabaseUnavailable, match=f"^0002_second: .* held by process {reader.get_server_pid()} of"):
            await migrate(connection, known=[FIRST, SECOND])
    assert await versions(connection) == [1]
    await reader.close()


HELD_AND_ASKED_FOR = """
LOCK TABLE toggl.one;
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'toggl.one'::regclass) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
LOCK TABLE toggl.two;"""


async def test_a_report_is_not_cancelled_for_a_migration_that_it_waits_for(
    database_url: str, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has what the other one asks for: a deadlock, if the migration did not give up before anybody looks."""
    monkeypatch.setattr("syncd.postgres.migrate.TABLE_PAUSE_S", 0)
    known = [FIRST, SECOND._replace(text="CREATE TABLE toggl.two (id integer);")]
    await migrate(connection, known=known)
    report, watch = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    async with report.transaction():
        await report.fetch("SELECT * FROM toggl.two")
        migration = asyncio.create_task(
            migrate(connection, known=[*known, Migration(3, "0003_both", HELD_AND_ASKED_FOR)])
        )
        while not await watch.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'toggl.one'::regclass)"):
            assert not migration.done()
        assert await report.fetch("SELECT * FROM toggl.one") == []
        migration.cancel()
    with pytest.raises(asyncio.CancelledError):
        await migration
    await asyncio.gather(report.close(), watch.close())


async def test_the_statements_of_a_file_wait_for_half_a_second_in_all(connection: Any) -> None:
    """What the first of them has locked, nobody else can read until the last one ends."""
    waits = "SELECT current_setting('lock_timeout')"
    slow = f"CREATE TABLE toggl.wait AS {waits} AS bound; SELECT pg_sleep(0.5); INSERT INTO toggl.wait {waits};"
    await migrate(connection, known=[FIRST, SECOND._replace(text=slow)])
    first, last = [row["bound"] for row in await connection.fetch("SELECT bound FROM toggl.wait")]
    assert (first in {f"{ms}ms" for ms in range(2, 501)}, last) == (True, "1ms")


def test_our_own_files_are_numbered_without_gaps() -> None:
    """Two branches that add a file each collide here, not in somebody's database."""
    assert [file.version for file in migrations()] == list(range(1, len(migrations()) + 1))
