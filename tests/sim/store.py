"""The simulated store, with the locks, the fence and the clock of the real one; `SimWriter` is what it lets write.

The same methods as `syncd.postgres.store.Store`, so that the real `Puller` works with it. Commits are one step; a
commit may fail, or succeed without its answer arriving, as chance has it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import msgspec

from syncd.errors import DatabaseUnavailable, FencedOut
from syncd.postgres.store import Quarantined
from syncd.postgres.writer import Begun
from syncd.records import Cursor, Reject
from tests.sim.database import Database, Token, next_due
from tests.sim.wire import PULL
from tests.sim.writer import SimWriter

CURSOR_LASTS = timedelta(days=60)
PATIENCE_S = 5.0
"""Waiting longer than this for a row's lock is a deadlock, and somebody's transaction is ended."""


@dataclass
class StoreTrouble:
    """How well the database serves: `fail` and `lost` are shares of its statements and of its commits."""

    rng: Random
    latency_s: float = 0.01
    fail: float = 0.0
    lost: float = 0.0
    is_dead: bool = False


class SimStore:
    """What `Store` is to a process. `on_commit` checks every transaction that lands."""

    def __init__(
        self, database: Database, trouble: StoreTrouble, on_commit: Callable[[Begun, SimWriter], None]
    ) -> None:
        self.db, self.trouble, self._on_commit = database, trouble, on_commit

    async def begin(self, token: str, *, timeout: timedelta, full_every: timedelta) -> Begun:
        del timeout
        await self._statement()
        async with self._locked(token):
            row, now = self.db.tokens[token], self.db.now()
            self.db.pull_no += 1
            row.pull_id, row.last_attempt_at = self.db.pull_no, now
            PULL.set(row.pull_id)
            begun = Begun(
                token=token,
                pull_id=row.pull_id,
                began_at=now,
                digest=row.digest,
                last_success_at=row.last_success_at,
                row_count=row.row_count,
                full_due=row.last_full_at is None or row.last_full_at <= now - full_every,
                failures=row.failures,
                rank=row.rank,
                compare_no=row.compare_no,
                is_rejected=row.status == "rejected",
                rejected_s=0.0 if row.rejected_at is None else (now - row.rejected_at).total_seconds(),
                workspace_ids=self._workspaces_of(token, row),
                strategies={
                    wid: "client"
                    for (name, wid, resource), scope in self.db.scopes.items()
                    if name == token and resource == "project" and scope.scope.strategy == "client"
                },
                cursors=self._cursors_of(token, row, now),
            )
        self._answer()
        return begun

    def _cursors_of(self, token: str, row: Token, now: datetime) -> dict[int, Cursor]:
        return {
            wid: Cursor(kept.scope.cursor, kept.scope.is_admin)
            for (name, wid, resource), kept in self.db.scopes.items()
            if (name, resource) == (token, "project") and kept.lost_at is None and kept.cursor_no == row.compare_no
            if kept.scope.cursor is not None and kept.scope.cursor > now - CURSOR_LASTS
        }

    async def known_clients(self, begun: Begun, workspace_id: int) -> dict[int, bool | None]:
        await self._statement()
        scope, rows = self.db.scopes.get((begun.token, workspace_id, "client")), self.db.rows["client"]
        known = {id_: rows[id_].record for id_ in (scope.scope.ids if scope else []) if id_ in rows}
        return {id_: None if record is None else record.archived for id_, record in known.items()}

    def _workspaces_of(self, token: str, row: Token) -> list[int] | None:
        scopes = self.db.scopes.items()
        seen = {wid for (name, wid, _), scope in scopes if name == token and scope.lost_at is None}
        seen |= set(row.workspace_ids or [])
        return sorted(seen) if seen else row.workspace_ids

    @asynccontextmanager
    async def workspace(self, begun: Begun, workspace_id: int) -> AsyncIterator[SimWriter]:
        await self._statement()
        async with self._locked(workspace_id), self._locked(begun.token):
            self._hold_fence(begun)
            writer = SimWriter(self, begun, workspace_id)
            try:
                yield writer
                await self._statement()
                if writer.plan is not None:
                    writer.commit()
                    self._on_commit(begun, writer)
            finally:
                writer.release()
        self._answer()

    async def lose_workspaces(self, begun: Begun, visible: Sequence[int]) -> list[int]:
        await self._statement()
        async with self._locked(begun.token):
            self._hold_fence(begun)
            lost: dict[int, None] = {}
            for (name, wid, _), row in self.db.scopes.items():
                if name == begun.token and wid not in visible and row.lost_at is None:
                    row.lost_at, row.held_ids = begun.began_at, None
                    row.scope = msgspec.structs.replace(row.scope, held_hash=None, cursor=None)
                    lost[wid] = None
            if lost:
                self.db.fired["workspace lost"] += 1
                self.db.compare_sharers([begun.token])
        self._answer()
        return list(lost)

    async def quarantine(self, begun: Begun, rejects: Sequence[Reject]) -> Quarantined:
        await self._statement()
        known, fresh, released = self.db.quarantine, [], []
        now: dict[tuple[str, str], str] = {(reject.resource, reject.key): reject.reason for reject in rejects}
        for (resource, key), reason in now.items():
            if not known.get((begun.token, resource, key)):
                fresh.append((resource, key, reason))
            known[begun.token, resource, key] = True
        for (name, what, key), there in known.items():
            if name == begun.token and there and (what, key) not in now:
                known[name, what, key] = False
                released.append((what, key))
        self.db.fired.update(quarantined=len(fresh), released=len(released))
        self._answer()
        return Quarantined(fresh, released)

    async def close_pull(self, _begun: Begun, _result: str, _counts: Mapping[str, Any]) -> None:
        await self._statement()

    async def finish_unchanged(
        self, begun: Begun, requests: int, quota_remaining: int | None, *, is_whole: bool
    ) -> datetime | None:
        del requests, quota_remaining
        return await self._finish(begun, partial(self._succeed, is_whole=is_whole))

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
        del requests, quota_remaining

        def change(row: Token) -> None:
            self._succeed(row, is_whole=is_whole)
            row.last_full_at = row.last_attempt_at if is_whole else row.last_full_at
            row.digest = digest if row.compare_no == begun.compare_no else None
            row.row_count, row.workspace_ids = row_count, list(workspace_ids)

        return await self._finish(begun, change)

    async def finish_failed(
        self, begun: Begun, status: str, error: str, action: str | None, hold_s: float | None
    ) -> datetime | None:
        del error, action

        def change(row: Token) -> None:
            if status == "rejected":
                row.digest = None
                row.compare_no += 1
                row.rejected_at = row.rejected_at or self.db.now()
            row.failures += 1
            row.status = "rejected" if row.status == "rejected" else status
            held = self._still_held(row)
            until = held if hold_s is None else self.db.now() + timedelta(seconds=hold_s)
            row.not_before = until if held is None or until is None else max(held, until)

        due = await self._finish(begun, change)
        if status == "rejected" and not begun.is_rejected:
            await self._statement()
            self.db.compare_sharers([begun.token])
        return due

    async def hold(self, token: str, seconds: float) -> None:
        await self._statement()
        row, until = self.db.tokens[token], self.db.now() + timedelta(seconds=seconds)
        row.not_before = max(row.not_before or until, until)
        self.db.fired["hold kept"] += 1

    async def abandon(self, begun: Begun) -> None:
        await self._statement()
        row = self.db.tokens[begun.token]
        if row.pull_id == begun.pull_id:
            self.db.fired["abandoned"] += 1
            row.next_due_at = self.db.now()

    def _succeed(self, row: Token, *, is_whole: bool) -> None:
        row.last_success_at, row.failures, row.status = row.last_attempt_at, 0, "ok"
        row.rejected_at = None
        row.last_walk_at = row.last_attempt_at if is_whole else row.last_walk_at
        row.not_before = self._still_held(row)

    def _still_held(self, row: Token) -> datetime | None:
        """A hold that another process was told of meanwhile."""
        return row.not_before if row.not_before is not None and row.not_before > self.db.now() else None

    async def _finish(self, begun: Begun, change: Callable[[Token], None]) -> datetime | None:
        await self._statement()
        async with self._locked(begun.token):
            row = self.db.tokens[begun.token]
            if row.pull_id != begun.pull_id:
                self.db.fired["fence at finish"] += 1
                return None
            change(row)
            row.next_due_at = next_due(begun.token, row.interval, row.next_due_at, self.db.now())
        self._answer()
        return row.next_due_at

    def _hold_fence(self, begun: Begun) -> None:
        if self.db.tokens[begun.token].pull_id != begun.pull_id:
            self.db.fired["fence in a transaction"] += 1
            raise FencedOut(f"a later pull of token {begun.token} took over")

    async def _statement(self) -> None:
        """A statement's way to the server: it takes time, and may be in vain."""
        trouble = self.trouble
        await asyncio.sleep(trouble.rng.uniform(0, trouble.latency_s))
        if trouble.is_dead or trouble.rng.random() < trouble.fail:
            self.db.fired["database failed"] += 1
            raise DatabaseUnavailable("simulated")

    def _answer(self) -> None:
        """Its answer's way back: what it did stays done."""
        if self.trouble.is_dead or self.trouble.rng.random() < self.trouble.lost:
            self.db.fired["database answer lost"] += 1
            raise DatabaseUnavailable("simulated: answer lost")

    @asynccontextmanager
    async def _locked(self, what: Any) -> AsyncIterator[None]:
        await self.take(what)
        try:
            yield
        finally:
            self.db.lock(what).release()

    async def take(self, what: Any) -> None:
        """Lock a workspace or a token's row."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.db.lock(what).acquire()
        except TimeoutError:
            self.db.fired["deadlock"] += 1
            raise DatabaseUnavailable("simulated: deadlock", sqlstate="40P01") from None
