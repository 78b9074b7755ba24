"""The records of a workspace on their way through an open transaction, slice by slice: read, compare, act."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from syncd.plan import Culprit, Diff, StoredScope, Tally
from syncd.postgres.writer import WorkspaceWriter
from syncd.records import RESOURCES, Resource, Snapshot, WorkspaceSnapshot
from syncd.sync.diff import diff
from syncd.sync.planning import Pulling, count, parents_of, slices
from syncd.sync.visibility import owned_by_others

Act = Callable[[Resource, Diff[Any], list[int]], Awaitable[list[Culprit]]]
"""What to do with the diff of a slice, and the stubs that it needs; returns records that the database refused."""


class Merging:
    """One workspace. `stored`: what there is of it; `act` on every slice."""

    def __init__(
        self, writer: WorkspaceWriter, stored: Mapping[Resource, StoredScope], pulling: Pulling, act: Act
    ) -> None:
        parents = {record.PARENT.resource for record in RESOURCES.values() if record.PARENT is not None}
        self._writer = writer
        self._stored = stored
        self._pulling = pulling
        self._act = act
        self._parents = {resource: set(stored[resource].known) for resource in parents}
        self._tallies: dict[Resource, Tally] = {}

    async def merge(self, snapshot: WorkspaceSnapshot) -> dict[Resource, Tally]:
        """Everything that the snapshot holds, parents before children; what came of each resource."""
        for resource, scope in snapshot.scopes.items():
            self._tallies[resource] = await self._merge(resource, scope, is_admin=snapshot.workspace.is_admin)
        return self._tallies

    async def _merge(self, resource: Resource, snapshot: Snapshot[Any], *, is_admin: bool) -> Tally:
        stored, pulling, tally = self._stored[resource], self._pulling, Tally()
        before, began_at = stored.scope, pulling.began_at
        parent = RESOURCES[resource].PARENT
        parents = set[int]() if parent is None else self._parents[parent.resource]
        for records in slices(snapshot, owned_by_others(is_admin, pulling.rank, stored.viewers)):
            there = [record.id for record in records if record.id in stored.known]
            rows = await self._writer.read_rows(resource, there) if there else {}
            changes = diff(records, rows, began_at, before.regressions if before else {})
            tally = count(tally, changes, rows, before, began_at, is_complete=snapshot.is_complete)
            stubs = parents_of(changes.written, parent, parents)
            refused = {culprit.id for culprit in await self._act(resource, changes, stubs)}
            if resource in self._parents:
                self._parents[resource].update(record.id for record in changes.inserts if record.id not in refused)
            if parent is not None and stubs:
                parents.update(stubs)
                self._tallies[parent.resource].stubs += len(stubs)  # a stub is a row of the parent
        return tally
