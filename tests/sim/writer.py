"""A transaction of the simulated store: what a plan means, applied to dicts."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from syncd.errors import InvariantViolated
from syncd.plan import Culprit, Diff, StoredScope, Viewer, WorkspacePlan
from syncd.postgres.store import RowRefused
from syncd.postgres.writer import Begun
from syncd.records import RESOURCES, Resource, Stored
from tests.sim.database import TICK, Row, ScopeRow, Version

if TYPE_CHECKING:
    from tests.sim.store import SimStore


class SimWriter:
    """What `WorkspaceWriter` is to a transaction. Nothing is written before it commits."""

    def __init__(self, store: "SimStore", begun: Begun, workspace_id: int) -> None:
        self.plan: WorkspacePlan | None = None
        self.diffs: dict[Resource, list[Diff[Any]]] = {resource: [] for resource in RESOURCES}
        self.stubs: dict[Resource, list[int]] = {resource: [] for resource in RESOURCES}
        self._store, self._db, self._begun, self._wid = store, store.db, begun, workspace_id
        self._name: str | None = None
        self._taken: list[str] = []

    async def read(self, resources: Iterable[Resource]) -> dict[Resource, StoredScope]:
        await self._store._statement()
        return {resource: self._read(resource) for resource in resources}

    async def read_rows(self, kind: Resource, ids: Sequence[int]) -> dict[int, Stored[Any]]:
        await self._store._statement()
        rows = self._rows(kind)
        return {id_: Stored(rows[id_].record, rows[id_].deleted_at) for id_ in ids if id_ in rows}

    async def read_decisions(self) -> dict[str, Any]:
        found = self._db.decisions.items()
        return {hash_: d for (token, wid, hash_), d in found if (token, wid) == (self._begun.token, self._wid)}

    async def write_workspace(self, name: str | None) -> None:
        self._name = name

    async def write_rows(self, kind: Resource, changes: Diff[Any], stubs: Sequence[int]) -> list[Culprit]:
        if await self.find_culprits(kind, changes, stubs):
            self._db.fired["row refused"] += 1
            raise RowRefused
        self.diffs[kind].append(changes)
        parent = RESOURCES[kind].PARENT
        if parent is not None:
            self.stubs[parent.resource] += stubs
        return []

    async def find_culprits(self, kind: Resource, changes: Diff[Any], _stubs: Sequence[int]) -> list[Culprit]:
        """Ids that are taken, by a row of another workspace."""
        taken = [record.id for record in changes.inserts if record.id in self._db.rows[kind]]
        return [Culprit(kind, id_, "23505", f"{kind}s_pkey") for id_ in taken]

    async def apply(self, plan: WorkspacePlan) -> None:
        await self._store._statement()
        for heir in plan.looks_again:
            self._db.fired["owner changed"] += 1
            await self._store.take(heir)
            self._taken.append(heir)
        self.plan = plan

    def commit(self) -> None:
        """Everything at once. Parents before children, then what is gone, then what the token sees now."""
        plan, db, began_at = self.plan, self._db, self._begun.began_at
        assert plan is not None
        if self._name is not None or self._wid not in db.workspaces:
            db.workspaces[self._wid] = self._name
        for kind in RESOURCES:
            for changes in self.diffs[kind]:
                self._write(kind, changes)
            for id_ in self.stubs[kind]:
                db.rows[kind].setdefault(id_, Row(self._wid, None, None, began_at, "insert"))
        for kind, scope in plan.scopes.items():
            now = db.now()
            for id_ in scope.deletes.tombstones:
                self._bury(kind, id_, now)
            held, key = scope.deletes.held, (self._begun.token, self._wid, kind)
            kept = msgspec.structs.replace(scope.scope, held_hash=held.hash if held else None, seen_at=began_at)
            before, incomplete = db.scopes.get(key), scope.incomplete
            complete_at = began_at if not (incomplete or scope.is_delta) else before.complete_at if before else None
            if scope.is_delta and before is not None:  # changes say nothing about completeness
                incomplete = incomplete or before.incomplete
            held_ids = held.ids if held else None
            db.scopes[key] = ScopeRow(kept, incomplete, held_ids, complete_at, cursor_no=self._begun.compare_no)
        db.tokens[self._begun.token].digest = None
        db.compare(self._taken)

    def release(self) -> None:
        """Let go of the heirs' rows."""
        for heir in self._taken:
            self._db.lock(heir).release()

    def _write(self, kind: str, changes: Diff[Any]) -> None:
        rows, began_at = self._db.rows[kind], self._begun.began_at
        for record in changes.inserts:
            rows[record.id] = Row(self._wid, record, None, began_at, "insert")
        for record, change in changes.changes:
            row = rows[record.id]
            match change:
                case "volatile":
                    row.record = record
                    continue
                case "update":
                    start = max(began_at, row.valid_from + TICK)
                    self._supersede(kind, row, start, "update")
                    row.valid_from = start
                case _:
                    row.valid_from = began_at
            row.record, row.deleted_at, row.change_kind = record, None, change

    def _bury(self, kind: str, id_: int, now: datetime) -> None:
        row = self._db.rows[kind].get(id_)
        if row is None or row.record is None or row.deleted_at is not None:
            raise InvariantViolated(f"{kind}s buried", 1, 0)
        self._supersede(kind, row, max(now, row.valid_from + TICK), "delete")
        row.deleted_at = now

    def _supersede(self, kind: str, row: Row, end: datetime, how: str) -> None:
        version = Version(row.record, row.valid_from, end, row.change_kind, how)
        self._db.versions[kind].setdefault(row.record.id, []).append(version)

    def _read(self, kind: str) -> StoredScope:
        db, token = self._db, self._begun.token
        scope = db.scopes.get((token, self._wid, kind))
        viewers = [
            Viewer(
                name,
                row.scope.is_admin,
                db.tokens[name].rank,
                frozenset(row.scope.ids),
                row.scope.absent,
                db.looked_at(name, kind, row),
            )
            for (name, wid, resource), row in db.scopes.items()
            if (wid, resource) == (self._wid, kind) and name != token and row.lost_at is None
            if db.tokens[name].enabled and db.tokens[name].status != "rejected"
        ]
        rows = self._rows(kind)
        live = frozenset(id_ for id_, row in rows.items() if row.record is not None and row.deleted_at is None)
        private = frozenset(id_ for id_, row in rows.items() if getattr(row.record, "is_private", False))
        return StoredScope(frozenset(rows), live, None if scope is None else scope.scope, viewers, private)

    def _rows(self, kind: str) -> dict[int, Row]:
        return {id_: row for id_, row in self._db.rows[kind].items() if row.workspace_id == self._wid}
