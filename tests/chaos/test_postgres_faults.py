"""What PostgreSQL does to a pull: sessions end, locks time out, rights vanish, rows are refused, peers fall silent.

The real server does it each time. A fault is over at the end, and then one pull must set everything right.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from syncd.emulator.server import Emulator
from syncd.errors import DatabaseUnavailable
from syncd.postgres.embedded import EmbeddedPostgres
from syncd.postgres.migrate import Connection
from syncd.postgres.writer import WorkspaceWriter
from tests.chaos.kit import (
    DATABASE_ATTEMPTS,
    T0,
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
from tests.chaos.sessions import assert_failed, end_sessions, puller_of
from tests.chaos.stages import Stage
from tests.postgres_fixture import UNSAFE_BUT_FAST
from tests.processes import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Act = Callable[[WorkspaceWriter], Awaitable[None]]


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


async def set_for_all(audit: Connection, setting: str) -> None:
    """A setting of the database, for sessions that begin from now on."""
    await audit.execute(f'ALTER DATABASE "{await audit.fetchval("SELECT current_database()")}" {setting}')


# -- sessions end -----------------------------------------------------------------------------------------------


def terminating(audit: Connection) -> Act:
    """End the session that writes."""

    async def terminate(writer: WorkspaceWriter) -> None:
        await audit.execute("SELECT pg_terminate_backend($1)", writer._connection.get_server_pid())

    return terminate


async def test_a_session_that_is_terminated_in_a_transaction(
    stage: Stage, url: str, audit: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workspace is done again, on a new connection."""
    struck = strike(monkeypatch, terminating(audit), times=2)
    async with puller_of(stage, url) as puller:
        report = await puller.pull(T0)
    assert (report.result, report.db_retries, struck()) == ("changed", 2, 2)
    await stage.assert_done(url)


async def test_sessions_that_are_terminated_every_time(
    stage: Stage, url: str, audit: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pull ends, says why, and leaves no half of anything; the next one does it all."""
    struck = strike(monkeypatch, terminating(audit), times=5)
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
