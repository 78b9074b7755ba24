"""What a pull asks of PostgreSQL: raise the fence, a transaction per workspace, note the end.

Who is authoritative: the token's row. `begin` raises its number; every transaction that writes locks that row and
compares. A pull that began earlier finds a greater number and writes nothing, however late it wakes. One transaction
per workspace: everything in it commits together, under a lock that lets one writer at a time into a workspace.
Readers are never blocked.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from syncd.errors import FencedOut
from syncd.postgres.database import Database
from syncd.postgres.sql import queries
from syncd.postgres.tables import ROW_REFUSED
from syncd.postgres.writer import Begun, WorkspaceWriter, begun_by_write
from syncd.records import Cursor, Reject


class Quarantined(NamedTuple):
    """What one pull changed in quarantine. `fresh`: (resource, key, reason); `released`: (resource, key)."""

    fresh: list[tuple[str, str, str]]
    released: list[tuple[str, str]]


class RowRefused(Exception):
    """Some record of the plan breaks a rule of its table; the transaction was rolled back. Find out which."""


class Store:
    """Pulls, in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, token: str, *, timeout: timedelta, full_every: timedelta) -> Begun:
        """Raise the fence of a registered token. A pull of it that is still at work can no longer write."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(queries()["begin_pull"], token, timeout, full_every)
        if row is None:
            raise LookupError(f"token {token} is not registered")
        strategies = {int(id_): strategy for id_, strategy in (row["strategies"] or {}).items()}
        cursors = msgspec.convert(row["cursors"] or {}, dict[int, Cursor], str_keys=True, strict=False)
        return Begun(**{**dict(row), "token": token, "strategies": strategies, "cursors": cursors})

    async def share(self, begun: Begun) -> frozenset[int]:
        """Workspaces that the token leaves to another one, which pulls them for all that share them.

        Where it takes over from one that does not come any more, what that one saw is set aside.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(queries()["share_workspaces"], begun.token)
        return frozenset(row["workspace_id"] for row in rows)

    async def stand_by(self, begun: Begun, workspace_id: int) -> int:
        """Set aside what the token saw in a workspace that it leaves to another; how many rows that is."""
        async with self.workspace(begun, workspace_id) as writer:
            return await writer.stand_by()

    async def known_clients(self, begun: Begun, workspace_id: int) -> dict[int, bool | None]:
        """Clients that the token saw last in a workspace -> whether they were archived."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(queries()["known_clients"], begun.token, workspace_id)
        return {row["id"]: row["archived"] for row in rows}

    async def begin_write(self, token: str) -> Begun | None:
        """Raise the fence after a write that the source has answered. None: no such token, or not to be trusted.

        A pull that was at work is refused from now on and due again at once. Nothing has to be finished.
        """
        async with self._database.connection() as connection:
            row = await connection.fetchrow(queries()["begin_write"], token)
        return None if row is None else begun_by_write(token, row["pull_id"], row["began_at"], row["rank"])

    @asynccontextmanager
    async def workspace(self, begun: Begun, workspace_id: int) -> AsyncIterator[WorkspaceWriter]:
        """One transaction on one workspace: committed when the block ends, rolled back when it raises.

        Raises:
            FencedOut: a later pull of the token began.
            RowRefused: see there.
        """
        try:
            async with self._database.connection() as connection, connection.transaction():
                await connection.execute(queries()["lock_workspace"], workspace_id)
                if not await connection.fetchval(queries()["hold_fence"], begun.token, begun.pull_id):
                    raise FencedOut(f"a later pull of token {begun.token} took over")
                yield WorkspaceWriter(connection, begun, workspace_id)
        except ROW_REFUSED as error:
            raise RowRefused from error

    async def lose_workspaces(self, begun: Begun, visible: Sequence[int]) -> list[int]:
        """Freeze the scopes of workspaces that the token no longer sees; which ones those are.

        Tokens that share them must look again: they own those rows now.
        """
        async with self._database.connection() as connection, connection.transaction():
            if not await connection.fetchval(queries()["hold_fence"], begun.token, begun.pull_id):
                raise FencedOut(f"a later pull of token {begun.token} took over")
            rows = await connection.fetch(queries()["lose_scopes"], begun.token, visible, begun.began_at)
            if rows:
                await connection.execute(queries()["compare_sharers"], [begun.token])
        return [row["workspace_id"] for row in rows]

    async def quarantine(self, begun: Begun, rejects: Sequence[Reject]) -> Quarantined:
        """Put rejects aside, and release what came well this time."""
        rejects = list({(reject.resource, reject.key): reject for reject in rejects}.values())
        keys = [reject.resource for reject in rejects], [reject.key for reject in rejects]
        columns = [list(column) for column in zip(*map(msgspec.structs.astuple, rejects), strict=True)]
        async with self._database.connection() as connection, connection.transaction() if rejects else nullcontext():
            fresh = []
            if rejects:
                fresh = await connection.fetch(
                    queries()["quarantine_records"], begun.token, begun.began_at, begun.pull_id, *columns
                )
            released = await connection.fetch(queries()["release_records"], begun.token, begun.began_at, *keys)
        return Quarantined([tuple(row) for row in fresh], [tuple(row) for row in released])

    async def close_pull(self, begun: Begun, result: str, counts: Mapping[str, Any]) -> None:
        """Complete the row that `_pull_id` points at."""
        async with self._database.connection() as connection:
            await connection.execute(queries()["close_pull"], begun.pull_id, result, counts)

    async def finish_unchanged(
        self, begun: Begun, requests: int, quota_remaining: int | None, *, is_whole: bool
    ) -> datetime | None:
        """The answers were the same. When the next pull is due; None: fenced out. `is_whole`: it listed everything."""
        return await self._finish("finish_unchanged", begun, requests, quota_remaining, is_whole)

    async def finish_changed(
        self,
        begun: Begun,
        requests: int,
        quota_remaining: int | None,
        digest: bytes | None,
        row_count: int,
        workspace_ids: Sequence[int],
        *,
        is_whole: bool,
    ) -> datetime | None:
        """Everything is applied. `digest` None: compare again next time. `is_whole`: it listed everything."""
        facts = requests, quota_remaining, digest, row_count, workspace_ids, begun.compare_no, is_whole
        return await self._finish("finish_changed", begun, *facts)

    async def finish_failed(
        self, begun: Begun, status: str, error: str, action: str | None, hold_s: float | None
    ) -> datetime | None:
        """The pull failed; `hold_s`: send nothing for this token for so many seconds.

        A rejected token owns nothing any more: those who share its workspaces must look again. Both are noted or
        neither, for a token that is known to be rejected is not told of again.
        """
        arguments = begun.token, begun.pull_id, status, error, action, hold_s
        async with self._database.connection() as connection, connection.transaction():
            row = await connection.fetchrow(queries()["finish_failed"], *arguments)
            if row is not None and status == "rejected" and not begun.is_rejected:
                await connection.execute(queries()["compare_sharers"], [begun.token])
        return None if row is None else row["next_due_at"]

    async def hold(self, token: str, seconds: float) -> None:
        """Send nothing for this token for so long, whatever becomes of its pull."""
        async with self._database.connection() as connection:
            await connection.execute(queries()["hold_token"], token, seconds)

    async def abandon(self, begun: Begun) -> None:
        """The pull was interrupted by a shutdown: nothing is held against the token."""
        async with self._database.connection() as connection:
            await connection.execute(queries()["abandon_pull"], begun.token, begun.pull_id)

    async def _finish(self, query: str, begun: Begun, *arguments: Any) -> datetime | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(queries()[query], begun.token, begun.pull_id, *arguments)
        return None if row is None else row["next_due_at"]
