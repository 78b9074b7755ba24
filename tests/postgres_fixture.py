"""A PostgreSQL for the tests: one throw-away cluster per worker, one new database per test.

The cluster is syncd's own embedded server, so SYNCD_PG_BINDIR chooses the version to test against:
`SYNCD_PG_BINDIR=/usr/lib/postgresql/15/bin make test`. It gives up durability for speed.
"""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from syncd.postgres.data_dir import DataDir
from syncd.postgres.embedded import EmbeddedPostgres
from syncd.postgres.migrate import migrate
from syncd.postgres.server import stop_leftover

UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}

MEMORY = Path("/dev/shm")


def make_reachable_directory() -> Path:
    """A temporary directory that the user a root's server runs as can pass through; `tmp_path` is for root alone."""
    path = Path(tempfile.mkdtemp(prefix="syncd-test-", dir=MEMORY if _is_memory_plenty() else None))
    path.chmod(0o711)
    return path


def _is_memory_plenty() -> bool:
    """True if clusters of 50 to 200 MB may live in memory, where a database is copied in a third of the time."""
    if not os.access(MEMORY, os.W_OK):
        return False
    state = os.statvfs(MEMORY)
    return state.f_bavail * state.f_frsize > 4_000_000_000 and not state.f_flag & os.ST_NOEXEC


class Cluster:
    """A running server whose databases come and go. Synchronous, so that any test and any fixture can use it."""

    def __init__(self, runner: asyncio.Runner, url: str, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._runner = runner
        self._url = url
        self._admin = admin
        self._numbers = itertools.count(1)

    def create(self, template: str = "template1") -> str:
        """The URL of a new database, a copy of *template*, which nobody may be connected to.

        Without durability, copying files is faster than writing them into the log (50 ms, not 70).
        """
        name = f"test_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._run(f'DROP DATABASE "{name_of(url)}" WITH (FORCE)')

    def migrate(self, url: str) -> None:
        """Bring the schema of a database up to date with syncd's own migrations."""
        self._runner.run(_within(url, migrate))

    def fill(self, url: str, script: str) -> None:
        """Run statements in a database, in a session of their own."""
        self._runner.run(_within(url, lambda connection: connection.execute(script)))

    def _run(self, statement: str) -> None:
        self._runner.run(self._execute(statement))

    async def _execute(self, statement: str) -> None:
        await self._admin.execute(statement)


def name_of(url: str) -> str:
    """The database that *url* names."""
    return urlsplit(url).path.removeprefix("/")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The worker's cluster; stopped and removed at the end, however the tests went."""
    home = make_reachable_directory()
    # With a loop factory the runner leaves the thread's current loop, which belongs to the tests, alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        try:
            server = runner.run(EmbeddedPostgres.open(home / "data", settings=UNSAFE_BUT_FAST))
            try:
                admin = runner.run(_connect(server.url))
                try:
                    yield Cluster(runner, server.url, admin)
                finally:
                    runner.run(admin.close())
            finally:
                runner.run(server.close())
        finally:
            shutil.rmtree(home)


@pytest.fixture
def database_url(cluster: Cluster) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    url = cluster.create()
    yield url
    cluster.drop(url)


@pytest.fixture(scope="session")
def migrated_template(cluster: Cluster) -> str:
    """The name of a database with syncd's schema, made once per worker, to be copied and not to be connected to."""
    url = cluster.create()
    cluster.migrate(url)
    return name_of(url)


@pytest.fixture
def migrated_url(cluster: Cluster, migrated_template: str) -> Iterator[str]:
    """The URL of a database of the test's own with syncd's schema and no rows."""
    url = cluster.create(migrated_template)
    yield url
    cluster.drop(url)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory that does not exist yet, in a place where root's server can reach it.

    A server that is still there at the end, because the test failed or killed its owner, is ended.
    """
    home = make_reachable_directory()
    yield home / "data"
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(stop_leftover(DataDir(home / "data").data))
    shutil.rmtree(home)


async def _within(url: str, act: Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[object]]) -> None:
    connection = await _connect(url)
    try:
        await act(connection)
    finally:
        await connection.close()


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(url, ssl=False)


def is_root() -> bool:
    """Root has more to prove: it drops privileges, and no mode keeps it out."""
    return os.geteuid() == 0
