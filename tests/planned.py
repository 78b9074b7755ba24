"""A plan made by the real merging on rows in memory, with the diffs that came on the way."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from syncd.plan import Culprit, Deletes, Diff, Scope, ScopePlan, StoredScope, Tally, Viewer, WorkspacePlan
from syncd.postgres.writer import WorkspaceWriter
from syncd.records import Client, Project, Resource, Stored, Workspace, WorkspaceSnapshot
from syncd.sync.merging import Merging
from syncd.sync.planning import Pulling, plan_workspace

T = TypeVar("T")

NO_CHANGES: Diff[Any] = Diff([], [], 0, [])


@dataclass
class Held:
    """What is stored of one resource of a workspace."""

    rows: Mapping[int, Stored[Any]] = field(default_factory=dict)
    scope: Scope | None = None
    viewers: list[Viewer] = field(default_factory=list)

    @property
    def stored(self) -> StoredScope:
        live = frozenset(id_ for id_, row in self.rows.items() if row.record is not None and row.deleted_at is None)
        private = frozenset(id_ for id_, row in self.rows.items() if getattr(row.record, "is_private", False))
        return StoredScope(frozenset(self.rows), live, self.scope, self.viewers, private)


@dataclass
class Planned:
    """`diffs` of the slices, in their order; `stubs` that they need."""

    plan: WorkspacePlan
    diffs: dict[Resource, list[Diff[Any]]]
    stubs: list[int]


def plan_of(snapshot: WorkspaceSnapshot, clients: Held, projects: Held, pulling: Pulling) -> Planned:
    """What a pull would do with `snapshot`, given what is held."""
    held: dict[Resource, Held] = {"client": clients, "project": projects}
    diffs: dict[Resource, list[Diff[Any]]] = {"client": [], "project": []}
    stubs: list[int] = []

    class Shelf:
        async def read_rows(self, resource: Resource, ids: Sequence[int]) -> dict[int, Stored[Any]]:
            return {id_: held[resource].rows[id_] for id_ in ids}

    async def note(resource: Resource, changes: Diff[Any], parents: list[int]) -> list[Culprit]:
        diffs[resource].append(changes)
        stubs.extend(parents)
        return []

    merging = Merging(cast("WorkspaceWriter", Shelf()), clients.stored, projects.stored, pulling, note)
    tallies = _at_once(merging.merge(snapshot))
    return Planned(plan_workspace(snapshot, clients.stored, projects.stored, tallies, pulling), diffs, stubs)


async def apply(writer: WorkspaceWriter, snapshot: WorkspaceSnapshot, pulling: Pulling) -> Planned:
    """The same in an open transaction, and written."""
    diffs: dict[Resource, list[Diff[Any]]] = {"client": [], "project": []}
    needed: list[int] = []

    async def write(resource: Resource, changes: Diff[Any], stubs: list[int]) -> list[Culprit]:
        diffs[resource].append(changes)
        needed.extend(stubs)
        return await writer.write_rows(resource, changes, stubs)

    await writer.write_workspace(snapshot.workspace.name)
    clients, projects = await writer.read()
    tallies = await Merging(writer, clients, projects, pulling, write).merge(snapshot)
    plan = plan_workspace(snapshot, clients, projects, tallies, pulling)
    await writer.apply(plan)
    return Planned(plan, diffs, needed)


async def write(
    writer: WorkspaceWriter,
    clients: Diff[Client] = NO_CHANGES,
    projects: Diff[Project] = NO_CHANGES,
    *,
    stubs: Sequence[int] = (),
    buried: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> None:
    """Rows in an open transaction, as no snapshot need have brought them; `buried`: clients and projects."""
    await writer.write_workspace("x")
    await writer.write_rows("client", clients, [])
    await writer.write_rows("project", projects, stubs)
    scope = Scope(is_admin=True, strategy="workspace", ids=[])
    plans = [ScopePlan(Tally(), scope, Deletes(tombstones=list(ids)), ()) for ids in buried]
    await writer.apply(WorkspacePlan(Workspace(1, "x"), plans[0], plans[1]))


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    raise AssertionError("it waits")
