"""What the chaos tests share: a source that changes, copies of databases, a puller, and the audit of a mirror.

The audit is written against the emulator's world and the relations that BI reads, and uses no code of syncd.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg

from syncd.clock import Clock, Jitter
from syncd.emulator.model import World
from syncd.errors import DatabaseUnavailable
from syncd.fingerprint import fingerprint_of
from syncd.postgres.database import Database
from syncd.postgres.migrate import Connection, migrate
from syncd.postgres.pool import open_pool
from syncd.postgres.registry import Entry, Registry
from syncd.postgres.store import Store
from syncd.records import ALWAYS, Resource
from syncd.sync.deletes import DeleteRules
from syncd.sync.pull import Puller, Rules, Subject
from syncd.sync.report import PullReport
from syncd.toggl import v8
from syncd.toggl.breaker import Breaker
from syncd.toggl.client import Toggl
from syncd.toggl.quota import Quotas
from syncd.toggl.session import open_session
from tests.processes import Syncd

IS_DEEP = os.environ.get("SYNCD_TEST_DEEP") == "1"
"""Whether to try everything (minutes), not a sample (seconds)."""

TOKEN = "chaos-token-0123456789"
T0 = Subject("t0", TOKEN)
EAGER = DeleteRules(confirmations=1, min_age=timedelta(0), max_share=1.0)
"""The weakest protection against deletes that can be configured: the rest must come from the snapshots' verdicts."""

DATABASE_ATTEMPTS = "syncd.sync.apply.DATABASE_ATTEMPTS"
"""Where it is said how often a workspace is tried while the database stumbles."""

PROOFS_MOST = "syncd.sync.apply.PROOFS_MOST"
"""For how many objects the source is asked, one by one, before they are buried."""

QUICK = aiohttp.ClientTimeout(total=2, sock_connect=1, sock_read=1)


# -- the source -------------------------------------------------------------------------------------------------


class Calendar:
    """The present at the source, a second later at each look."""

    def __init__(self) -> None:
        self._seconds = count()

    def now(self) -> datetime:
        return datetime(2024, 5, 6, tzinfo=UTC) + timedelta(seconds=next(self._seconds))


WORKSPACES = (1, 2)


def small_world() -> World:
    """Two workspaces alike, each with three clients and three projects, one of each for every fate."""
    world = World(Calendar().now)
    world.add_user("t0", TOKEN)
    for w in WORKSPACES:
        world.create_workspace(f"Workspace {w}", workspace_id=w, premium=True)
        world.share("t0", w, admin=True)
        for n, name in enumerate(("Kept", "Edited", "Doomed"), 1):
            world.create_client(w, name, "a note", 12.5, "EUR", client_id=10 * w + n)
            world.create_project(w, name, 10 * w + 1, project_id=100 * w + n, rate=99.99)
    return world


def doom(world: World) -> None:
    """Delete what is to be deleted."""
    for w in WORKSPACES:
        world.delete_project(100 * w + 3)
        world.delete_client(10 * w + 3)


def change(world: World) -> None:
    """Edit a client and a project of each workspace, and add one of each."""
    for w in WORKSPACES:
        world.update_client(10 * w + 2, name="Edited once", notes="")
        world.update_project(100 * w + 2, name="Edited once", client_id=10 * w + 2)
        world.create_client(w, "New", client_id=10 * w + 4)
        world.create_project(w, "New", 10 * w + 4, project_id=100 * w + 4)


def source_rows(world: World, user: str = "t0") -> dict[tuple[str, int], tuple[Any, ...]]:
    """(resource, id) -> what the mirror must show of it, for an admin."""
    rows: dict[tuple[str, int], tuple[Any, ...]] = {}
    for w in world.user(user).access:
        premium = world.workspace(w).premium
        for c in world.clients_of(w):
            money = (_amount(c.hrate), c.cur) if premium else (None, None)
            rows["client", c.id] = (w, c.name, c.notes, *money, c.at)
        for p in world.projects_of(w):
            rate = _amount(p.rate) if premium else None
            rows["project", p.id] = (w, p.client_id, p.name, p.active, p.is_private, p.billable, rate, p.at)
        for t in world.tags_of(w):
            rows["tag", t.id] = (w, t.name, t.at)
    return rows


def _amount(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


# -- the mirror -------------------------------------------------------------------------------------------------

COLUMNS = {
    "client": "workspace_id, name, notes, hourly_rate, currency, at",
    "project": "workspace_id, client_id, name, active, is_private, billable, rate, at",
    "tag": "workspace_id, name, at",
}
"""Of each resource, what is compared with the source."""


def of_each(query: str) -> str:
    """The rows of a query for each resource, whose name it has in braces."""
    return " UNION ALL ".join(query.format(resource) for resource in COLUMNS)


VERSIONS = of_each("""
    SELECT '{0}' AS resource, id, valid_from, valid_to, is_current, change_kind, end_kind,
           to_jsonb(h) - ARRAY['valid_from', 'valid_to', 'is_current', 'change_kind', 'end_kind'] AS content
    FROM toggl.{0}s_history h""")
LIVE = of_each("SELECT '{0}' AS resource, id FROM toggl.{0}s_current")
HISTORY_FLAWS = f"""
    WITH versions AS ({VERSIONS}
    ), chain AS (
        SELECT *, lag(end_kind) OVER w AS ended, lead(valid_from) OVER w AS next, lead(content) OVER w AS next_content
        FROM versions WINDOW w AS (PARTITION BY resource, id ORDER BY valid_from)
    )
    SELECT resource, id, 'kind' AS flaw FROM chain
    WHERE change_kind <> CASE ended WHEN 'update' THEN 'update' WHEN 'delete' THEN 'reappear' ELSE 'insert' END
    UNION ALL SELECT resource, id, 'gap' FROM chain WHERE end_kind = 'update' AND valid_to IS DISTINCT FROM next
    UNION ALL SELECT resource, id, 'overlap' FROM chain WHERE end_kind = 'delete' AND valid_to > next
    UNION ALL SELECT resource, id, 'open' FROM chain
    WHERE (valid_to IS NULL) <> is_current OR (is_current AND next IS NOT NULL)
    UNION ALL SELECT resource, id, 'doubled' FROM chain WHERE end_kind = 'update' AND content = next_content
    UNION ALL SELECT resource, id, 'live without open version' FROM (
        {LIVE} EXCEPT SELECT resource, id FROM versions WHERE is_current) AS bare"""

ROWS_AND_VERSIONS = of_each("""
    SELECT workspace_id, '{0}' AS kind, id, (deleted_at IS NULL)::text, to_jsonb(r) - $1::text[] FROM toggl.{0}s r
    UNION ALL SELECT workspace_id, '{0} version', id, end_kind, to_jsonb(v) - $1::text[] FROM syncd.{0}_versions v""")
STATE = f"""
    {ROWS_AND_VERSIONS}
    UNION ALL SELECT workspace_id, resource || ' scope', 0, token,
        to_jsonb(ids) || jsonb_path_query_array(absent, '$[*].ids') || jsonb_path_query_array(absent, '$[*].count')
    FROM syncd.scopes
    ORDER BY 1, 2, 3, 5"""
MOMENTARY = [
    "_first_seen_at",
    "_valid_from",
    "_synced_at",
    "_pull_id",
    "deleted_at",
    "valid_from",
    "valid_to",
    "pull_id",
]
"""Columns that differ from run to run."""


class Success(NamedTuple):
    """What the token's row says of its last success."""

    last_success_at: datetime | None
    digest: bytes | None
    row_count: int


async def rows_of(connection: Connection) -> dict[tuple[str, int], tuple[Any, ...]]:
    """(resource, id) -> what BI sees."""
    found: dict[tuple[str, int], tuple[Any, ...]] = {}
    for resource, columns in COLUMNS.items():
        for id_, *shown in await connection.fetch(f"SELECT id, {columns} FROM toggl.{resource}s_current"):
            found[resource, id_] = tuple(shown)
    return found


async def state_of(connection: Connection) -> dict[int, list[tuple[Any, ...]]]:
    """workspace -> everything that commits together in it, without the moments."""
    state: dict[int, list[tuple[Any, ...]]] = {w: [] for w in WORKSPACES}
    for row in await connection.fetch(STATE, MOMENTARY):
        state.setdefault(row[0], []).append(tuple(row)[1:])
    return state


async def success_of(connection: Connection) -> Success:
    (row,) = await connection.fetch("SELECT last_success_at, digest, row_count FROM syncd.tokens")
    return Success(*row)


async def versions_of(connection: Connection) -> Counter[tuple[str, int]]:
    """(resource, id) -> how many versions its history has."""
    query = of_each("SELECT '{0}', id, count(*) FROM toggl.{0}s_history GROUP BY id")
    return Counter({(resource, id_): number for resource, id_, number in await connection.fetch(query)})


async def tombstones_of(connection: Connection) -> list[tuple[str, int]]:
    buried = of_each("SELECT '{0}', id FROM toggl.{0}s WHERE deleted_at IS NOT NULL")
    return [tuple(row) for row in await connection.fetch(f"{buried} ORDER BY 1, 2")]


async def history_flaws(connection: Connection) -> list[tuple[Any, ...]]:
    """What is wrong with any row's history: wrong kinds, gaps, overlaps, two versions with equal content."""
    return [tuple(row) for row in await connection.fetch(HISTORY_FLAWS)]


async def assert_mirrors(connection: Connection, world: World) -> None:
    """The mirror equals the source, and its history is one."""
    assert await rows_of(connection) == source_rows(world)
    assert await history_flaws(connection) == []


# -- databases and pulls ----------------------------------------------------------------------------------------


class Databases:
    """Copies of databases, 10 ms each, made through a session of its own."""

    def __init__(self, admin: Connection, url: str) -> None:
        self._admin = admin
        self._url = url
        self._numbers = count(1)

    @asynccontextmanager
    async def copy(self, template: str) -> AsyncIterator[str]:
        """The URL of a copy of *template*, to which nobody may be connected."""
        name = f"{urlsplit(self._url).path[1:]}_copy_{next(self._numbers)}"
        await self._admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        try:
            yield urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))
        finally:
            await self._admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def backends_gone(self, url: str) -> None:
        """Return when syncd has no session in that database any more: what it began is committed or rolled back."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name <> 'audit'"
        while await self._admin.fetchval(query, urlsplit(url).path[1:]):
            pass


@asynccontextmanager
async def looking_at(url: str) -> AsyncIterator[Connection]:
    """A connection of the test's own."""
    settings = {"application_name": "audit", "timezone": "UTC"}
    connection = await asyncpg.connect(url, ssl=False, server_settings=settings, statement_cache_size=0)
    try:
        yield connection
    finally:
        await connection.close()


async def no_sleep(_seconds: float) -> None:
    """Backoff takes no time here."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where to pull from, with what, and by which rules."""

    base_url: str
    session: aiohttp.ClientSession
    rules: Rules

    def puller(self, database: Database, **more: Any) -> Puller:
        toggl = Toggl(self.session, self.base_url, 0, Clock(), Jitter(Random(1)), no_sleep, **more)
        return Puller(toggl, v8.DIALECT, Store(database), self.rules, Clock(), lambda *_: None)

    async def pull(self, url: str, *, full: bool = False) -> PullReport | None:
        """One pull into a database by a pool of its own; None if there was no connection to begin with."""
        async with pool_of(url) as database:
            return None if database is None else await self.puller(database).pull(T0, full=full)


async def pull_afresh(puller: Puller, *, full: bool = False) -> PullReport:
    """A pull of a process that knows nothing of a quota that was used up, nor of a host that did not answer."""
    puller.toggl.quotas, puller.toggl.breaker = Quotas(), Breaker()
    return await puller.pull(T0, full=full)


def configured(syncd: Syncd, base_url: str, url: str) -> None:
    """The same rules for a process."""
    syncd.configure(
        database={"url": url, "connect_timeout": "10s"},
        toggl={"base_url": base_url, "requests_per_second": 0, "api": "v8"},
        sync={"interval": "5m"},
        **{"sync.deletes": {"confirmations": 1, "min_age": "0s", "max_share": 1.0}},
        tokens={"t0": TOKEN},
    )


def rules(deletes: DeleteRules = EAGER, **more: Any) -> Rules:
    usual: dict[str, Any] = {"projects": "auto", "pull_timeout": timedelta(seconds=30), "full_every": timedelta(days=1)}
    return Rules(**{**usual, "deletes": deletes, **more})


@asynccontextmanager
async def sourced(base_url: str, rules_: Rules) -> AsyncIterator[Source]:
    async with open_session(QUICK) as session:
        yield Source(base_url, session, rules_)


@asynccontextmanager
async def pool_of(url: str, connect_timeout_s: float = 10.0) -> AsyncIterator[Database | None]:
    """A database with a pool of its own, cut off at the end; None if it cannot be reached."""
    try:
        pool = await open_pool(url, size=2, connect_timeout_s=connect_timeout_s)
    except DatabaseUnavailable:
        yield None
        return
    try:
        yield Database(pool, "the test's database")
    finally:
        pool.terminate()


async def migrated(url: str) -> None:
    """Give an empty database the schema."""
    async with looking_at(url) as connection:
        await migrate(connection)


async def register(url: str, tokens: dict[str, str] | None = None, resources: Sequence[Resource] = ALWAYS) -> None:
    """The tokens, as a command with this configuration would register them."""
    tokens = tokens or {"t0": TOKEN}
    entries = [
        Entry(name, rank, timedelta(minutes=5), fingerprint_of(secret, None))
        for rank, (name, secret) in enumerate(tokens.items())
    ]
    async with pool_of(url) as database:
        assert database is not None
        await Registry(database).register(entries, resources)
