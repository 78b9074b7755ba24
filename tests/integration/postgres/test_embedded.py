"""The embedded PostgreSQL in one process: start, stop, secrets, and what it refuses."""

# ruff: noqa: ASYNC240  # nothing else runs in a test's loop that a file or a fork could hold up

import asyncio
import os
import socket
import sys
from pathlib import Path

import asyncpg
import pytest

from syncd.errors import DatabaseUnavailable
from syncd.postgres import embedded
from syncd.postgres.data_dir import DataDir
from syncd.postgres.embedded import EmbeddedPostgres
from tests.integration.postgres.embedded_kit import (
    ask,
    linux_only,
    opened,
    refusal,
    servers,
    user_only,
)
from tests.postgres_fixture import is_root

OLD_BINDIR = Path("/usr/lib/postgresql/15/bin")


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
        environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in servers(made_dir)]
    assert environments
    assert not any(b"canary" in each for each in environments)


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
