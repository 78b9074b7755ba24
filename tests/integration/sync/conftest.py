"""A source, a mirror and a puller between them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import aiohttp
import pytest

from syncd.clock import Clock, Jitter
from syncd.emulator import seed
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.postgres.pool import open_pool
from syncd.postgres.registry import Entry, Registry
from syncd.postgres.store import Store
from syncd.records import ALWAYS, Resource
from syncd.sync.pull import Puller, Rules, Subject
from syncd.sync.report import PullReport
from syncd.toggl import v8
from syncd.toggl.client import Toggl
from syncd.toggl.dialect import Dialect
from syncd.toggl.session import open_session
from syncd.toggl.traffic import Retry
from tests.sessions import left_behind

SHORT = aiohttp.ClientTimeout(total=5, sock_connect=2, sock_read=2)


async def no_sleep(_seconds: float) -> None:
    """Backoff and pacing take no time here."""


@dataclass(slots=True)
class Mirror:
    """Pulls from `base_url` into a database of the test's own; `retries` of all pulls."""

    database: Database
    puller: Puller
    tokens: dict[str, str]
    retries: list[Retry] = field(default_factory=list)

    async def pull(self, token: str = "t0", *, full: bool = False, only: frozenset[int] = frozenset()) -> PullReport:
        return await self.puller.pull(Subject(token, self.tokens[token], only), full=full)

    @property
    def store(self) -> Store:
        return self.puller.store

    @property
    def registry(self) -> Registry:
        return Registry(self.database)

    async def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]

    async def value(self, query: str, *arguments: Any) -> Any:
        ((value,),) = await self.rows(query, *arguments)
        return value

    async def stamps(self) -> list[tuple[Any, ...]]:
        """xmin of every mirrored row: equal stamps mean that nothing was written, not even the same again."""
        return await self.rows("""
            SELECT 'w', id, xmin::text FROM toggl.workspaces UNION ALL SELECT 'c', id, xmin::text FROM toggl.clients
            UNION ALL SELECT 'p', id, xmin::text FROM toggl.projects
            UNION ALL SELECT 't', id, xmin::text FROM toggl.tags ORDER BY 1, 2""")


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """However it is used, its connections come back as they were."""
    pool = await open_pool(migrated_url, size=4, connect_timeout_s=10)
    yield Database(pool, "the test's database")
    async with AsyncExitStack() as stack:
        used = [await stack.enter_async_context(pool.acquire()) for _ in range(pool.get_size())]
        left = [found for connection in used for found in await left_behind(connection)]
    await pool.close()
    assert left == []


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session(SHORT) as session:
        yield session


async def register(
    database: Database,
    *names: str,
    interval: timedelta = timedelta(minutes=5),
    resources: Sequence[Resource] = ALWAYS,
) -> None:
    """These tokens and no others, in this order of rank."""
    entries = [Entry(name, rank, interval, f"fp {name}") for rank, name in enumerate(names)]
    await Registry(database).register(entries, resources)


async def mirror_of(
    database: Database,
    session: aiohttp.ClientSession,
    base_url: str,
    tokens: dict[str, str],
    dialect: Dialect = v8.DIALECT,
    **rules: Any,
) -> Mirror:
    """A mirror of any server; `rules` other than the usual ones."""
    await register(database, *tokens, resources=rules.get("resources", ALWAYS))
    toggl = Toggl(session, base_url, 0, Clock(), Jitter(Random(1)), no_sleep)
    usual: dict[str, Any] = {"projects": "auto", "pull_timeout": timedelta(minutes=1), "full_every": timedelta(days=1)}
    retries: list[Retry] = []
    rules_ = Rules(**{**usual, **rules})
    puller = Puller(toggl, dialect, Store(database), rules_, Clock(), lambda _, r: retries.append(r))
    return Mirror(database, puller, tokens, retries)


@pytest.fixture
def world() -> World:
    """The examples of the API documentation."""
    return seed.documented()


@pytest.fixture
async def emulator(world: World) -> AsyncIterator[Emulator]:
    async with Emulator(world) as emulator:
        yield emulator


@pytest.fixture
async def mirror(database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World) -> Mirror:
    return await mirror_of(database, session, emulator.url, dict(world.tokens))
