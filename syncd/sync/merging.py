"""The records of a workspace on their way through an open transaction, slice by slice: read, compare, act."""

from collections.abc import Awaitable, Callable
from typing import Any

from syncd.plan import Culprit, Diff, StoredScope, Tally
from syncd.postgres.writer import WorkspaceWriter
from syncd.records import Resource, Snapshot, WorkspaceSnapshot
from syncd.sync.diff import diff
from syncd.sync.planning import Pulling, count, parents_of, slices
from syncd.sync.visibility import owned_by_others

Act = Callable[[Resource, Diff[Any], list[int]], Awaitable[list[Culprit]]]
"""What to do with the diff of a slice, and the stubs that it needs; returns records that the database refused."""


class Merging:
    """One workspace. `clients`, `projects`: what is stored of it; `act` on every slice."""

    def __init__(
        self, writer: WorkspaceWriter, clients: StoredScope, projects: StoredScope, pulling: Pulling, act: Act
    ) -> None:
        self._writer = writer
        self._stored: dict[Resource, StoredScope] = {"client": clients, "project": projects}
        self._pulling = pulling
        self._act = act
        self._parents = set(clients.known)

    async def merge(self, snapshot: WorkspaceSnapshot) -> tuple[Tally, Tally]:
        """Everything that the snapshot holds, parents before children; what came of clients and of projects."""
        is_admin = snapshot.workspace.is_admin
        clients = await self._merge("client", snapshot.clients, is_admin=is_admin)
        projects = await self._merge("project", snapshot.projects, is_admin=is_admin)
        clients.stubs, projects.stubs = projects.stubs, 0  # a stub is a client
        return clients, projects

    async def _merge(self, resource: Resource, snapshot: Snapshot[Any], *, is_admin: bool) -> Tally:
        stored, pulling, tally = self._stored[resource], self._pulling, Tally()
        before, began_at = stored.scope, pulling.began_at
        for records in slices(snapshot, owned_by_others(is_admin, pulling.rank, stored.viewers)):
            there = [record.id for record in records if record.id in stored.known]
            rows = await self._writer.read_rows(resource, there) if there else {}
            changes = diff(records, rows, began_at, before.regressions if before else {})
            tally = count(tally, changes, rows, before, began_at, is_complete=snapshot.is_complete)
            stubs = parents_of(changes.written, self._parents) if resource == "project" else []
            refused = {culprit.id for culprit in await self._act(resource, changes, stubs)}
            if resource == "client":
                self._parents.update(record.id for record in changes.inserts if record.id not in refused)
            self._parents.update(stubs)
            tally.stubs += len(stubs)
        return tally
