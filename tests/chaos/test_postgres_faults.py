"""What PostgreSQL does to a pull: sessions end, locks time out, rights vanish, rows are refused, peers fall silent.

The real server does it each time. A fault is over at the end, and then one pull must set everything right.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio

from syncd.emulator.server import Emulator
from syncd.errors import DatabaseUnavailable, DatabaseUnusable
from syncd.postgres.embedded import EmbeddedPostgres
from syncd.postgres.migrate import Connection
from syncd.postgres.writer import WorkspaceWriter
from syncd.sync.pull import Puller, Subject
from syncd.sync.report import PullReport
from tests.chaos.kit import (
    DATABASE_ATTEMPTS,
    TOKEN,
    Databases,
    assert_mirrors,
    change,
    looking_at,
    migrated,
    pool_of,
    register,
    rules,
    small_world,
    sourced,
)
from tests.chaos.proxy import Proxy
from tests.chaos.stages import Stage, staged
from tests.postgres_fixture import UNSAFE_BUT_FAST, name_of
from tests.processes import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Act = Callable[[WorkspaceWriter], Awaitable[None]]
T0 = Subject("t0", TOKEN)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(databases: Databases, migrated_template: str) -> AsyncIterator[Stage]:
    async with staged("changes", databases, migrated_template) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def url(stage: Stage) -> AsyncIterator[str]:
    """A database at the beginning of the scenario, to be broken."""
    async with stage.databases.copy(stage.before) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def audit(url: str) -> AsyncIterator[Connection]:
    """A second session, of a superuser."""
    async with looking_at(url) as connection:
        yield connection


def strike(monkeypatch: pytest.MonkeyPatch, act: Act, *, before: str = "", times: int = 1) -> Callable[[], int]:
    """Do something in the middle of a workspace's transaction, so many times; tells how often it was done.

    `before`: rows of that resource are written; else it is done when the whole plan is applied.
    """
    step = "write_rows" if before else "apply"
    original = getattr(WorkspaceWriter, step)
    left = times

    async def struck(self: WorkspaceWriter, what: Any, *more: Any) -> Any:
        nonlocal left
        is_due = left > 0 and before in ("", what)
        left -= is_due
        if is_due and before:
            await act(self)
        result = await original(self, what, *more)
        if is_due and not before:
            await act(self)
        return result

    monkeypatch.setattr(WorkspaceWriter, step, struck)
    return lambda: times - max(left, 0)


@asynccontextmanager
async def puller_of(stage: Stage, url: str) -> AsyncIterator[Puller]:
    """A puller whose pool outlives its pulls."""
    async with pool_of(url) as database:
        assert database is not None
        yield stage.source.puller(database)


async def set_for_all(audit: Connection, setting: str) -> None:
    """A setting of the database, for sessions that begin from now on."""
    await audit.execute(f'ALTER DATABASE "{await audit.fetchval("SELECT current_database()")}" {setting}')


async def end_sessions(audit: Connection, puller: Puller) -> None:
    """End all other sessions in this database, and wait until they are gone and the puller's pool knows."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    await audit.fetch(f"SELECT pg_terminate_backend(pid) {others}")

    async def are_gone() -> bool:
        is_known = puller.store._database.pool.get_idle_size() == 0
        return is_known and not await audit.fetchval(f"SELECT count(*) {others}")

    await eventually(are_gone)


def assert_failed(report: PullReport, kind: type[Exception], sqlstate: str) -> None:
    assert (report.result, report.reason, type(report.error)) == ("failed", "database", kind), report.error
    assert sqlstate in str(report.error)


# -- sessions end -----------------------------------------------------------------------------------------------


async def test_a_session_that_is_terminated_in_a_transaction(
    stage: Stage, url: str, audit: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workspace is done again, on a new connection."""

    async def terminate(writer: WorkspaceWriter) -> None:
        await audit.execute("SELECT pg_terminate_backend($1)", writer._connection.get_server_pid())

    struck = strike(monkeypatch, terminate, times=2)
    async with puller_of(stage, url) as puller:
        report = await puller.pull(T0)
    assert (report.result, report.db_retries, struck()) == ("changed", 2, 2)
    await stage.assert_done(url)


async def test_sessions_that_are_terminated_every_time(
    stage: Stage, url: str, audit: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pull ends, says why, and leaves no half of anything; the next one does it all."""

    async def terminate(writer: WorkspaceWriter) -> None:
        await audit.execute("SELECT pg_terminate_backend($1)", writer._connection.get_server_pid())

    struck = strike(monkeypatch, terminate, times=5)
    async with puller_of(stage, url) as puller:
        report = await puller.pull(T0)
        assert (report.result, report.reason, struck()) == ("failed", "database", 5)
        assert await stage.done(url, "terminated") == (0, False)
        assert await audit.fetchval("SELECT status FROM toggl.sync_status") == "failed"
        assert (await puller.pull(T0)).result == "changed"
    await stage.assert_done(url)


async def test_a_session_that_idles_too_long_in_a_transaction(
    stage: Stage, url: str, audit: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """25P03: the server ended it; the workspace is done again."""

    async def idle(writer: WorkspaceWriter) -> None:
        pid = writer._connection.get_server_pid()

        async def is_gone() -> bool:
            return not await audit.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid)

        await eventually(is_gone)

    await set_for_all(audit, "SET idle_in_transaction_session_timeout = '400ms'")
    struck = strike(monkeypatch, idle)
    async with puller_of(stage, url) as puller:
        report = await puller.pull(T0)
    assert (report.result, report.db_retries, struck()) == ("changed", 1, 1)
    await stage.assert_done(url)


async def test_a_server_that_restarts_between_pulls_and_during_one(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool heals; a pull that was under way loses nothing."""
    world = small_world()
    server = await EmbeddedPostgres.open(data_dir, settings=UNSAFE_BUT_FAST)
    try:
        await migrated(server.url)
        await register(server.url)

        async def restart(_: WorkspaceWriter | None = None) -> None:
            nonlocal server
            await server.close()
            server = await EmbeddedPostgres.open(data_dir, settings=UNSAFE_BUT_FAST)

        async with Emulator(world) as emulator, sourced(emulator.url, rules()) as source, pool_of(server.url) as pool:
            assert pool is not None
            url, puller = server.url, source.puller(pool)
            assert (await puller.pull(T0)).result == "changed"
            await restart()
            assert server.url == url
            change(world)
            struck = strike(monkeypatch, restart)
            report = await puller.pull(T0)
            assert (report.result, report.db_retries, struck()) == ("changed", 1, 1), report.error
            async with looking_at(url) as connection:
                await assert_mirrors(connection, world)
    finally:
        await server.close()


async def test_a_peer_that_vanishes_without_a_word(stage: Stage, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No byte, no end: the pull fails when its patience is over, and the next one is not held up by what hangs."""
    monkeypatch.setattr("syncd.postgres.pool.COMMAND_TIMEOUT_S", 0.2)
    async with Proxy(url) as proxy:

        async def vanish(_: WorkspaceWriter) -> None:
            proxy.is_mute = True

        struck = strike(monkeypatch, vanish)
        async with pool_of(proxy.url, connect_timeout_s=0.3) as database:
            assert database is not None
            puller = stage.source.puller(database)
            async with asyncio.timeout(15):
                report = await puller.pull(T0)
            assert (report.result, report.reason, struck()) == ("failed", "database", 1), report.error
            proxy.is_mute = False
            async with asyncio.timeout(5):
                report = await puller.pull(T0)
            assert report.result == "changed", report.error
    await stage.assert_done(url)


# -- others are in the way --------------------------------------------------------------------------------------


async def test_a_deadlock(stage: Stage, url: str, audit: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """40P01 strikes the pull, which yields, and does the workspace again."""
    await set_for_all(audit, "SET deadlock_timeout = '10ms'")
    async with looking_at(url) as rival:
        await rival.execute("SET deadlock_timeout = '1min'")
        transaction = rival.transaction()
        await transaction.start()
        await rival.execute("UPDATE toggl.projects SET color = color WHERE id = 102")

        async def cross() -> None:
            await rival.fetch("SELECT FROM toggl.clients WHERE id = 12 FOR UPDATE")
            await transaction.commit()

        async def is_waiting() -> bool:
            waits = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            return bool(await audit.fetchval(f"SELECT count(*) {waits}"))

        crossing: list[asyncio.Task[None]] = []

        async def meet(_: WorkspaceWriter) -> None:
            crossing.append(asyncio.create_task(cross()))
            await eventually(is_waiting)

        struck = strike(monkeypatch, meet, before="project")  # clients are written, projects are not
        async with puller_of(stage, url) as puller:
            report = await puller.pull(T0)
        await asyncio.gather(*crossing)
    assert (report.result, report.db_retries, struck()) == ("changed", 1, 1), report.error
    await stage.assert_done(url)


@pytest.mark.parametrize(("setting", "sqlstate"), [("lock_timeout", "55P03"), ("statement_timeout", "57014")])
async def test_a_lock_that_is_not_released_in_time(
    stage: Stage, url: str, audit: Connection, monkeypatch: pytest.MonkeyPatch, setting: str, sqlstate: str
) -> None:
    """The pull fails and says so, after it tried a few times; once the lock is gone, all is well."""
    monkeypatch.setattr(DATABASE_ATTEMPTS, 2)
    await set_for_all(audit, f"SET {setting} = '300ms'")
    async with puller_of(stage, url) as puller:
        async with audit.transaction():
            await audit.execute("LOCK TABLE toggl.projects IN SHARE MODE")
            report = await puller.pull(T0)
        assert_failed(report, DatabaseUnavailable, sqlstate)
        assert report.db_retries == 1
        assert await stage.done(url, setting) == (0, False)
        await set_for_all(audit, f"RESET {setting}")
        await end_sessions(audit, puller)
        assert (await puller.pull(T0)).result == "changed"
    await stage.assert_done(url)


async def test_a_transaction_that_cannot_be_serialised(
    stage: Stage, url: str, audit: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40001, where somebody made `repeatable read` the default: the workspace is done again."""
    await set_for_all(audit, "SET default_transaction_isolation = 'repeatable read'")

    async def interfere(_: WorkspaceWriter) -> None:
        await audit.execute("UPDATE toggl.projects SET color = color WHERE id = 102")

    struck = strike(monkeypatch, interfere, before="project")
    async with puller_of(stage, url) as puller:
        report = await puller.pull(T0)
    assert (report.result, report.db_retries, struck()) == ("changed", 1, 1), report.error
    await stage.assert_done(url)


# -- the server refuses -----------------------------------------------------------------------------------------


async def test_a_server_that_turns_read_only(stage: Stage, url: str, audit: Connection) -> None:
    """25006, as after a failover: the pool gives up its connections, so that the next pull finds the new primary."""
    async with puller_of(stage, url) as puller:
        await set_for_all(audit, "SET default_transaction_read_only = on")
        await end_sessions(audit, puller)
        assert_failed(await puller.pull(T0), DatabaseUnavailable, "25006")
        await audit.execute("SET default_transaction_read_only = off")
        await set_for_all(audit, "RESET default_transaction_read_only")
        assert (await puller.pull(T0)).result == "changed"
    await stage.assert_done(url)


@pytest_asyncio.fixture(loop_scope="module")
async def writer_url(stage: Stage, url: str, audit: Connection) -> AsyncIterator[str]:
    """The database as a role sees it that may do just what a pull needs."""
    role = f"writer_of_{name_of(url)}"
    await audit.execute(f"""
        CREATE ROLE {role} LOGIN PASSWORD 'secret';
        GRANT USAGE ON SCHEMA toggl, syncd TO {role};
        GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA toggl, syncd TO {role};
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA syncd TO {role};""")
    parts = urlsplit(url)
    yield urlunsplit(parts._replace(netloc=f"{role}:secret@{parts.hostname}:{parts.port}"))
    await audit.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_server_without_room(stage: Stage, writer_url: str, audit: Connection) -> None:
    """53300: too many connections."""
    role = urlsplit(writer_url).username
    async with puller_of(stage, writer_url) as puller:
        await audit.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
        await end_sessions(audit, puller)
        assert_failed(await puller.pull(T0), DatabaseUnavailable, "53300")
        await audit.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")
        assert (await puller.pull(T0)).result == "changed"
    await stage.assert_done(writer_url)


UNUSABLE = {
    "42501": ("REVOKE UPDATE ON toggl.projects FROM {role}", "GRANT UPDATE ON toggl.projects TO {role}"),
    "42P01": ("ALTER TABLE toggl.projects RENAME TO mislaid", "ALTER TABLE toggl.mislaid RENAME TO projects"),
    "42703": (
        "ALTER TABLE toggl.projects RENAME COLUMN color TO hue", "ALTER TABLE toggl.projects RENAME COLUMN hue TO color"
    ),
    "3F000": ("ALTER SCHEMA toggl RENAME TO mislaid", "ALTER SCHEMA mislaid RENAME TO toggl"),
}  # fmt: skip


@pytest.mark.parametrize("sqlstate", UNUSABLE)
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
async def test_a_schema_that_cannot_be_used(
    stage: Stage, writer_url: str, audit: Connection, sqlstate: str, is_warm: bool
) -> None:
    """Rights, a table, a column, the schema is missing: a person is told what to do, and no half of a workspace is
    written; also if the session knew the table before (`warm`)."""
    role = urlsplit(writer_url).username
    spoil, mend = (statement.format(role=role) for statement in UNUSABLE[sqlstate])
    async with puller_of(stage, writer_url) as puller:
        if is_warm:
            assert (await puller.pull(T0)).result == "changed"
            await audit.execute("UPDATE toggl.clients SET name = 'tampered' WHERE id IN (11, 21)")
            await audit.execute("UPDATE toggl.projects SET name = 'tampered' WHERE id IN (101, 201)")
        await audit.execute(spoil)
        assert_failed(await puller.pull(T0, full=True), DatabaseUnusable, "")
        await audit.execute(mend)
        ((status, error),) = await audit.fetch("SELECT status, last_error FROM toggl.sync_status")
        assert status == "failed"
        assert f"SQLSTATE {sqlstate}" in error or "SQLSTATE 42P01" in error  # of a schema its tables are missed first
        if is_warm:
            assert await audit.fetchval("SELECT count(*) FROM toggl.clients WHERE name = 'tampered'") == 2
        else:
            assert await stage.done(writer_url, sqlstate) == (0, False)
        assert (await puller.pull(T0, full=True)).result == "changed"
    await assert_mirrors(audit, stage.world)


REFUSALS = {
    "new projects": ("projects", "name <> 'New'", [("project", "104"), ("project", "204")]),
    "edited projects": ("projects", "name <> 'Edited once'", [("project", "102"), ("project", "202")]),
    "new clients, of whom projects are": ("clients", "name <> 'New'", [("client", "14"), ("client", "24")]),
    "edited clients": ("clients", "name <> 'Edited once'", [("client", "12"), ("client", "22")]),
    "both": ("projects", "name <> 'New' AND name <> 'Edited once'",
             [("project", "102"), ("project", "104"), ("project", "202"), ("project", "204")]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
async def test_i14_records_that_only_the_database_refuses(stage: Stage, url: str, audit: Connection, case: str) -> None:
    """They are put aside, with the rule they break; the rest is stored; without the rule they are released."""
    table, rule, refused = REFUSALS[case]
    await audit.execute(f"ALTER TABLE toggl.{table} ADD CONSTRAINT odd CHECK ({rule})")
    async with puller_of(stage, url) as puller:
        report = await puller.pull(T0)
        assert report.result == "partial", report.error
        assert [name[:2] for name in report.quarantined] == refused
        rows = await audit.fetch("SELECT DISTINCT reason, detail FROM syncd.quarantine WHERE released_at IS NULL")
        assert [tuple(row) for row in rows] == [("constraint", "23514 odd")]
        edited = await audit.fetchval(
            "SELECT (SELECT count(*) FROM toggl.clients WHERE name IN ('Edited once', 'New'))"
            " + (SELECT count(*) FROM toggl.projects WHERE name IN ('Edited once', 'New'))"
        )
        assert edited == 8 - len(refused)
        frozen = await audit.fetchval(f"SELECT count(*) FROM toggl.{table} WHERE deleted_at IS NOT NULL")
        assert frozen == 0, "a snapshot with rejects proves no absence"
        await audit.execute(f"ALTER TABLE toggl.{table} DROP CONSTRAINT odd")
        report = await puller.pull(T0)
        assert sorted(report.released) == refused
        await puller.pull(T0)
    await assert_mirrors(audit, stage.world)


async def test_a_unique_index_of_somebody_else_s(stage: Stage, url: str, audit: Connection) -> None:
    """23505 is not always an id that is taken: the detail names the index."""
    await audit.execute("CREATE UNIQUE INDEX odd ON toggl.projects (workspace_id) WHERE name IN ('New', 'Edited once')")
    async with puller_of(stage, url) as puller:
        report = await puller.pull(T0)
        assert report.quarantined == [("project", "102", "constraint"), ("project", "202", "constraint")]
        assert await audit.fetchval("SELECT DISTINCT detail FROM syncd.quarantine") == "23505 odd"
        await audit.execute("DROP INDEX toggl.odd")
        await puller.pull(T0)
        await puller.pull(T0)
    await assert_mirrors(audit, stage.world)
