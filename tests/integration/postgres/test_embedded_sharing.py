"""The embedded PostgreSQL among several processes: who owns it, who waits, and what a kill leaves."""

# ruff: noqa: ASYNC220, ASYNC240  # nothing else runs in a test's loop that a file or a fork could hold up

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from syncd.errors import DatabaseUnavailable, DatabaseUnusable
from syncd.postgres import embedded, server
from syncd.postgres.data_dir import DataDir
from tests.integration.postgres.embedded_kit import (
    ask,
    linux_only,
    opened,
    servers,
    start_owner,
)


async def test_second_opener_is_a_guest(made_dir: Path) -> None:
    """One server per directory; a guest that leaves does not take it along."""
    async with await opened(made_dir) as owner:
        guest = await opened(made_dir)
        assert (False, owner.url) == (guest.started, guest.url)
        await guest.close()
        assert await ask(owner.url, "SELECT 1") == 1


def test_processes_that_open_at_once_share_one_server(data_dir: Path, processes: contextlib.ExitStack) -> None:
    """The directory does not even exist yet: exactly one makes and starts it, the others wait for that."""
    openers = [start_owner(processes, data_dir, "command") for _ in range(4)]
    lines = [opener.line() for opener in openers]
    assert sorted(started for _, started, _ in lines) == ["False", "False", "False", "True"]
    assert len({url for _, _, url in lines}) == 1
    for opener in openers:
        opener.dismiss()
    assert [opener.finish() for opener in openers] == [0, 0, 0, 0]
    assert set() == servers(data_dir)


async def test_command_lets_its_guests_finish(made_dir: Path) -> None:
    """A short command that happened to come first must not cut off a long one."""
    owner = await opened(made_dir)
    guest = await opened(made_dir)
    closing = asyncio.create_task(owner.close())
    await asyncio.sleep(0)
    assert await ask(guest.url, "SELECT 1") == 1
    assert not closing.done()
    await guest.close()
    await asyncio.wait_for(closing, 10)
    assert set() == servers(made_dir)


async def test_guest_that_does_not_leave_is_not_waited_for_long(
    made_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience ends."""
    monkeypatch.setattr(embedded, "LINGER_S", 0.1)
    owner = await opened(made_dir)
    guest = await opened(made_dir)
    await asyncio.wait_for(owner.close(), 10)
    assert set() == servers(made_dir)
    await guest.close()


async def test_daemon_does_not_wait_for_guests(made_dir: Path) -> None:
    """It has been told to stop, and has ten seconds."""
    daemon = await opened(made_dir, exclusive=True)
    guest = await opened(made_dir)
    await asyncio.wait_for(daemon.close(), 10)
    assert set() == servers(made_dir)
    await guest.close()


async def test_second_daemon_is_refused_at_once_and_told_by_whom(
    made_dir: Path, processes: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two daemons on one directory is a mistake in a configuration, not something to wait for."""
    monkeypatch.setattr(embedded, "PATIENCE_S", 3600.0)
    pid = start_owner(processes, made_dir, "daemon").line()[0]
    expected = (
        f"data directory {made_dir} is already in use by process {pid}: "
        "stop it, or give this one another [database] data_dir"
    )
    with pytest.raises(DatabaseUnusable) as caught:
        await asyncio.wait_for(opened(made_dir, exclusive=True), 10)
    assert expected == str(caught.value)


async def test_daemon_waits_for_a_command_and_then_owns_the_server(made_dir: Path) -> None:
    """`syncd once` in cron must not keep the daemon from starting."""
    command = await opened(made_dir)
    waiting = asyncio.create_task(opened(made_dir, exclusive=True))
    await asyncio.sleep(0)
    assert not waiting.done()
    await command.close()
    async with await asyncio.wait_for(waiting, 30) as daemon:
        assert daemon.started


async def test_daemon_gives_up_on_a_command_that_stays(made_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names whom it waited for."""
    monkeypatch.setattr(embedded, "PATIENCE_S", 0.2)
    async with await opened(made_dir):
        with pytest.raises(DatabaseUnusable, match=f"already in use by process {os.getpid()}: stop it"):
            await opened(made_dir, exclusive=True)


async def test_guest_gives_up_on_a_server_that_does_not_get_ready(
    made_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash recovery of minutes is worth a message and another try."""
    monkeypatch.setattr(embedded, "PATIENCE_S", 0.2)
    async with await opened(made_dir):
        monkeypatch.setattr(DataDir, "ready_port", lambda _: None)
        with pytest.raises(DatabaseUnavailable, match=f"process {os.getpid()} runs on .* is not ready"):
            await opened(made_dir)


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(made_dir: Path, processes: contextlib.ExitStack) -> None:
    """The terminal signals the whole group; the daemon still has a transaction to finish."""
    owner = start_owner(processes, made_dir, "daemon")
    _, _, url = owner.line()
    os.killpg(owner.process.pid, signal.SIGINT)
    assert asyncio.run(ask(url, "SELECT 1")) == 1
    assert owner.finish() == 0


@linux_only
async def test_killed_owner_takes_its_server_along_cleanly(made_dir: Path, processes: contextlib.ExitStack) -> None:
    """Nobody is left to stop it, and the next start needs no crash recovery."""
    owner = start_owner(processes, made_dir, "daemon")
    _, _, url = owner.line()
    await ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    owner.kill()

    assert await server.until(lambda: not servers(made_dir), 30)
    assert not (DataDir(made_dir).data / "postmaster.pid").exists()
    async with await opened(made_dir, exclusive=True) as postgres:
        assert url == postgres.url
        assert await ask(postgres.url, "SELECT answer FROM kept") == 42
    assert "not properly shut down" not in DataDir(made_dir).log.read_text()


async def test_owner_can_follow_a_killed_one_at_once(made_dir: Path, processes: contextlib.ExitStack) -> None:
    """Whatever restarts the daemon does not wait for the old server to be gone."""
    for _ in range(3):
        owner = start_owner(processes, made_dir, "daemon")
        pid, started, url = owner.line()
        assert (str(owner.process.pid), "True") == (pid, started)
        await ask(url, "CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS answer")
        owner.kill()
    async with await opened(made_dir, exclusive=True) as postgres:
        assert await ask(postgres.url, "SELECT answer FROM kept") == 42


async def test_server_without_its_owner_is_ended_by_the_next(made_dir: Path, processes: contextlib.ExitStack) -> None:
    """As on systems that do not tell a child of its parent's death."""
    owner = start_owner(processes, made_dir, "daemon", "untied")
    _, _, url = owner.line()
    await ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    owner.kill()
    orphans = servers(made_dir)
    assert orphans
    async with await opened(made_dir) as postgres:
        assert postgres.started
        assert not orphans & servers(made_dir)
        assert await ask(postgres.url, "SELECT answer FROM kept") == 42


@linux_only
async def test_pid_file_that_names_a_stranger_does_not_stop_the_start(made_dir: Path) -> None:
    """Process numbers are used again, soonest in containers; the stranger is left alone."""
    await (await opened(made_dir)).close()
    home = DataDir(made_dir)
    account = server.account_for(home.data, home.path)
    with subprocess.Popen(["sleep", "600"], cwd=home.data, user=account.uid if account else None) as stranger:
        try:
            pid_file = home.data / "postmaster.pid"
            pid_file.write_text(f"{stranger.pid}\n{home.data}\n0\n5432\n\n127.0.0.1\n  0 0\nready   \n")
            if account:
                os.chown(pid_file, account.uid, account.gid)
            async with await opened(made_dir) as postgres:
                assert await ask(postgres.url, "SELECT 1") == 1
            assert stranger.poll() is None
        finally:
            stranger.kill()


async def test_death_during_initdb_leaves_a_directory_that_starts(
    data_dir: Path, processes: contextlib.ExitStack
) -> None:
    """Half a cluster never has the name of a whole one, and does not stay."""
    owner = start_owner(processes, data_dir, "command", "initdb")
    assert owner.line() == []
    assert owner.process.wait() == -signal.SIGKILL
    assert list(data_dir.glob("cluster-new-*"))
    async with await opened(data_dir) as postgres:
        assert await ask(postgres.url, "SELECT 1") == 1
    assert list(data_dir.glob("cluster-new-*")) == []


async def test_text_of_a_killed_owner_accuses_nobody(made_dir: Path, processes: contextlib.ExitStack) -> None:
    """The lock's text stays behind; the number in it may be anybody's by now."""
    owner = start_owner(processes, made_dir, "daemon")
    owner.line()
    owner.kill()
    left_behind = (made_dir / "lock").read_text()
    assert left_behind.endswith(" daemon\n")
    (made_dir / "lock").write_text("999" + left_behind)  # longer than what comes next
    async with await opened(made_dir) as command:
        assert command.started
        assert f"{os.getpid()} command\n" == (made_dir / "lock").read_text()
