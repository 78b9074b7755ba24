"""What the tests of the embedded PostgreSQL share: opening, asking, and other processes that do the same."""

import contextlib
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from syncd.errors import DatabaseError
from syncd.postgres import server
from syncd.postgres.data_dir import DataDir
from syncd.postgres.embedded import EmbeddedPostgres
from tests.postgres_fixture import UNSAFE_BUT_FAST, is_root

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
root_only = pytest.mark.skipif(not is_root(), reason="about root")
user_only = pytest.mark.skipif(is_root(), reason="no mode keeps root out")


async def opened(data_dir: Path, *, exclusive: bool = False) -> EmbeddedPostgres:
    """The server on *data_dir*, quick rather than durable."""
    return await EmbeddedPostgres.open(data_dir, exclusive=exclusive, settings=UNSAFE_BUT_FAST)


async def ask(url: str, query: str) -> object:
    """One value out of a database."""
    connection = await asyncpg.connect(url, ssl=False, timeout=10)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def servers(data_dir: Path) -> set[int]:
    """The PostgreSQL processes that work on *data_dir*."""
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


def start_owner(processes: contextlib.ExitStack, data_dir: Path, *arguments: str) -> OwnerProcess:
    """Another process, started; its `line` comes when its server is ready."""
    owner = OwnerProcess(data_dir, *arguments)
    processes.callback(owner.kill)
    return owner


async def refusal(data_dir: Path) -> str:
    """Why *data_dir* cannot be opened: one line."""
    with pytest.raises(DatabaseError) as caught:
        await (await opened(data_dir)).close()
    assert "\n" not in str(caught.value)
    return str(caught.value)
