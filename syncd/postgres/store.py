"""What the pull asks of PostgreSQL: raise the fence, read a workspace, apply a plan, report the end.

Who is authoritative: the token's row. `begin` raises its number; every transaction that writes locks that row and
compares. A pull that began earlier finds a greater number and writes nothing, however late it wakes. One transaction
per workspace: clients and projects commit together, under a lock that lets one writer at a time into a workspace.
Readers are never blocked.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import msgspec

from syncd.errors import FencedOut
from syncd.plan import Scope, ScopePlan, StoredScope, WorkspacePlan
from syncd.postgres.faults import translated
from syncd.postgres.migrate import Connection
from syncd.postgres.sql import queries
from syncd.postgres.tables import CLIENTS, PROJECTS, Table
from syncd.records import R, Reject, Resource, Snapshot, Strategy, WorkspaceSnapshot


class Begun(msgspec.Struct, frozen=True):
    """A pull that has the fence. `began_at` by the database's clock; `digest` of the last complete pull, or None.

    `failures` in a row so far. `full_due`: compare everything, whatever the digest says. `strategies`: workspace ->
    remembered project strategy.
    """

    token: str
    pull_id: int
    began_at: datetime
    digest: bytes | None
    last_success_at: datetime | None
    row_count: int
    full_due: bool
    failures: int
    strategies: Mapping[int, Strategy]


class Quarantined(NamedTuple):
    """What one pull changed in quarantine. `fresh`: (resource, key, reason); `released`: (resource, key)."""

    fresh: list[tuple[str, str, str]]
    released: list[tuple[str, str]]


class IdsElsewhere(Exception):
    """An id that this plan inserts is stored under another workspace: read again, looking for such ids."""


class Store:
    """The mirror, through a pool. Every method raises DatabaseError where PostgreSQL is the reason."""

    def __init__(self, pool: "asyncpg.Pool[Any]", where: str) -> None:
        """`where`: host:port/database, for messages."""
        self.pool = pool
        self.where = where

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        with translated(self.where):
            async with self.pool.acquire() as connection:
                yield connection

    # -- a pull, from its first statement to its last -----------------------------------------------------------

    async def begin(self, token: str, *, timeout: timedelta, full_every: timedelta) -> Begun:
        """Raise the fence of a registered token. A pull of it that is still at work can no longer write."""
        async with self.connection() as connection:
            row = await connection.fetchrow(queries()["begin_pull"], token, timeout, full_every)
        if row is None:
            raise LookupError(f"token {token} is not registered")
        strategies = {int(id_): strategy for id_, strategy in (row["strategies"] or {}).items()}
        return Begun(**{**dict(row), "token": token, "strategies": strategies})

    @asynccontextmanager
    async def workspace(self, begun: Begun, workspace_id: int) -> AsyncIterator["WorkspaceWriter"]:
        """One transaction on one workspace: committed when the block ends, rolled back when it raises.

        Raises:
            FencedOut: a later pull of the token began.
            IdsElsewhere: see there.
        """
        try:
            async with self.connection() as connection, connection.transaction():
                await connection.execute(queries()["lock_workspace"], workspace_id)
                if not await connection.fetchval(queries()["hold_fence"], begun.token, begun.pull_id):
                    raise FencedOut(f"a later pull of token {begun.token} took over")
                yield WorkspaceWriter(connection, begun, workspace_id)
        except asyncpg.UniqueViolationError:
            raise IdsElsewhere from None

    async def finish_unchanged(self, begun: Begun, requests: int, quota_remaining: int | None) -> datetime | None:
        """The answers were the same. When the next pull is due; None: fenced out."""
        return await self._finish("finish_unchanged", begun, requests, quota_remaining)

    async def finish_changed(
        self, begun: Begun, requests: int, quota_remaining: int | None, digest: bytes | None, row_count: int
    ) -> datetime | None:
        """Everything is applied. `digest` None: compare again next time."""
        return await self._finish("finish_changed", begun, requests, quota_remaining, digest, row_count)

    async def finish_failed(
        self, begun: Begun, status: str, error: str, action: str | None, hold_s: float | None
    ) -> datetime | None:
        """The pull failed; `hold_s`: send nothing for this token for so many seconds."""
        return await self._finish("finish_failed", begun, status, error, action, hold_s)

    async def abandon(self, begun: Begun) -> None:
        """The pull was interrupted by a shutdown: nothing is held against the token."""
        async with self.connection() as connection:
            await connection.execute(queries()["abandon_pull"], begun.token, begun.pull_id)

    async def close_pull(self, begun: Begun, result: str, counts: Mapping[str, Any]) -> None:
        """Complete the row that `_pull_id` points at."""
        async with self.connection() as connection:
            await connection.execute(queries()["close_pull"], begun.pull_id, result, counts)

    async def quarantine(self, begun: Begun, rejects: Sequence[Reject]) -> Quarantined:
        """Put rejects aside, and release what came well this time."""
        rejects = list({(reject.resource, reject.key): reject for reject in rejects}.values())
        keys = [reject.resource for reject in rejects], [reject.key for reject in rejects]
        columns = [list(column) for column in zip(*map(msgspec.structs.astuple, rejects), strict=True)]
        async with self.connection() as connection, connection.transaction():
            fresh = []
            if rejects:
                fresh = await connection.fetch(
                    queries()["quarantine_records"], begun.token, begun.began_at, begun.pull_id, *columns
                )
            released = await connection.fetch(queries()["release_records"], begun.token, begun.began_at, *keys)
        return Quarantined([tuple(row) for row in fresh], [tuple(row) for row in released])

    async def _finish(self, query: str, begun: Begun, *arguments: Any) -> datetime | None:
        async with self.connection() as connection:
            row = await connection.fetchrow(queries()[query], begun.token, begun.pull_id, *arguments)
        return None if row is None else row["next_due_at"]

    # -- tokens -------------------------------------------------------------------------------------------------

    async def register(self, tokens: Sequence[tuple[str, int, timedelta]]) -> None:
        """Make the token table agree with the configuration: (name, rank, interval) each."""
        columns = [list(column) for column in zip(*tokens, strict=True)] or [[], [], []]
        async with self.connection() as connection:
            await connection.execute(queries()["register_tokens"], *columns)

    async def held(self, names: Sequence[str]) -> dict[str, float]:
        """Tokens that may send nothing yet: name -> seconds to wait."""
        async with self.connection() as connection:
            rows = await connection.fetch(queries()["held_tokens"], names)
        return {row["name"]: row["wait_s"] for row in rows}

    async def due(self, busy: Sequence[str], limit: int) -> list[str]:
        """Names whose turn has come, most overdue first, without those in `busy`."""
        async with self.connection() as connection:
            rows = await connection.fetch(queries()["due_tokens"], busy, limit)
        return [row["name"] for row in rows]

    async def forget_digests(self, names: Sequence[str]) -> None:
        """The next pull of these tokens compares everything."""
        async with self.connection() as connection:
            await connection.execute(queries()["forget_digests"], names)

    async def status(self) -> list[dict[str, Any]]:
        """The rows of toggl.sync_status, in rank order."""
        async with self.connection() as connection:
            return [dict(row) for row in await connection.fetch(queries()["sync_status"])]

    async def health(self) -> dict[str, Any]:
        """`by_status`: status -> tokens; `worst`: the stalest token; `quarantined`: records put aside."""
        async with self.connection() as connection:
            return dict(*await connection.fetch(queries()["health"]))


class WorkspaceWriter:
    """An open transaction on one workspace that holds the fence."""

    def __init__(self, connection: Connection, begun: Begun, workspace_id: int) -> None:
        self._connection = connection
        self._begun = begun
        self._workspace_id = workspace_id

    async def read(
        self, snapshot: WorkspaceSnapshot, *, look_elsewhere: bool
    ) -> tuple[StoredScope[Any], StoredScope[Any]]:
        """What is stored of clients and of projects. `look_elsewhere`: also which ids live in other workspaces."""
        return (
            await self._read(CLIENTS, snapshot.clients, look_elsewhere),
            await self._read(PROJECTS, snapshot.projects, look_elsewhere),
        )

    async def apply(self, plan: WorkspacePlan) -> None:
        """Carry out a plan: parents before children."""
        begun, connection = self._begun, self._connection
        workspace = plan.workspace
        await connection.execute(
            queries()["upsert_workspace"], workspace.id, workspace.name, begun.began_at, begun.pull_id
        )
        if plan.writes_rows:
            await connection.execute(queries()["open_pull"], begun.pull_id, begun.token, begun.began_at)
        await CLIENTS.write(connection, plan.clients.diff, begun.began_at, begun.pull_id)
        if plan.stub_clients:
            await connection.execute(
                queries()["stub_clients"], workspace.id, plan.stub_clients, begun.began_at, begun.pull_id
            )
        await PROJECTS.write(connection, plan.projects.diff, begun.began_at, begun.pull_id)
        await self._write_scope(CLIENTS.resource, plan.clients)
        await self._write_scope(PROJECTS.resource, plan.projects)

    async def _read(self, table: Table[R], snapshot: Snapshot[R], look_elsewhere: bool) -> StoredScope[R]:
        rows = await table.read(self._connection, self._workspace_id)
        scope = await self._connection.fetchrow(
            queries()["read_scope"], self._begun.token, self._workspace_id, table.resource
        )
        foreign: frozenset[int] = frozenset()
        if look_elsewhere:
            foreign = await table.read_foreign(self._connection, self._workspace_id, list(snapshot.records))
        return StoredScope(rows, None if scope is None else Scope(**dict(scope)), foreign)

    async def _write_scope(self, resource: Resource, plan: ScopePlan[Any]) -> None:
        await self._connection.execute(
            queries()["write_scope"],
            self._begun.token,
            self._workspace_id,
            resource,
            plan.scope.strategy,
            plan.scope.ids,
            plan.scope.absent_ids,
            list(plan.incomplete),
            self._begun.began_at,
            self._begun.pull_id,
        )
