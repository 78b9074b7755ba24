"""A plan made by the real merging on rows in memory, with the diffs that came on the way."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from syncd.plan import Culprit, Deletes, Diff, Scope, ScopePlan, StoredScope, Tally, Viewer, WorkspacePlan
from syncd.postgres.writer import WorkspaceWriter
from syncd.records import Resource, Stored, Workspace, WorkspaceSnapshot
from syncd.sync.merging import Merging
from syncd.sync.planning import Pulling, plan_workspace, tallied

T = TypeVar("T")

NONE_BURIED: Mapping[Resource, Sequence[int]] = {}


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


def plan_of(snapshot: WorkspaceSnapshot, held: Mapping[Resource, Held], pulling: Pulling) -> Planned:
    """What a pull would do with `snapshot`, given what is held; nothing is of the resources that `held` lacks."""
    held = {resource: held.get(resource, Held()) for resource in snapshot.scopes}
    there = {resource: each.stored for resource, each in held.items()}
    diffs: dict[Resource, list[Diff[Any]]] = {resource: [] for resource in snapshot.scopes}
    stubs: list[int] = []

    class Shelf:
        async def read_rows(self, resource: Resource, ids: Sequence[int]) -> dict[int, Stored[Any]]:
            return {id_: held[resource].rows[id_] for id_ in ids}

    async def note(resource: Resource, changes: Diff[Any], parents: list[int]) -> list[Culprit]:
        diffs[resource].append(changes)
        stubs.extend(parents)
        return []

    merging = Merging(cast("WorkspaceWriter", Shelf()), there, pulling, note)
    tallies = _at_once(merging.merge(snapshot))
    return Planned(tallied(plan_workspace(snapshot, there, pulling), snapshot, there, tallies), diffs, stubs)


async def apply(writer: WorkspaceWriter, snapshot: WorkspaceSnapshot, pulling: Pulling) -> Planned:
    """The same in an open transaction, and written."""
    diffs: dict[Resource, list[Diff[Any]]] = {resource: [] for resource in snapshot.scopes}
    needed: list[int] = []

    async def write(resource: Resource, changes: Diff[Any], stubs: list[int]) -> list[Culprit]:
        diffs[resource].append(changes)
        needed.extend(stubs)
        return await writer.write_rows(resource, changes, stubs)

    await writer.write_workspace(snapshot.workspace.name)
    there = await writer.read(snapshot.scopes)
    tallies = await Merging(writer, there, pulling, write).merge(snapshot)
    plan = tallied(plan_workspace(snapshot, there, pulling), snapshot, there, tallies)
    await writer.apply(plan)
    return Planned(plan, diffs, needed)


async def write(
    writer: WorkspaceWriter,
    diffs: Mapping[Resource, Diff[Any]],
    *,
    stubs: Sequence[int] = (),
    buried: Mapping[Resource, Sequence[int]] = NONE_BURIED,
) -> None:
    """Rows in an open transaction, as no snapshot need have brought them; `stubs`: clients of the projects."""
    await writer.write_workspace("x")
    for resource, changes in diffs.items():
        await writer.write_rows(resource, changes, stubs if resource == "project" else [])
    scope = Scope(is_admin=True, strategy="workspace", ids=[])
    plans: dict[Resource, ScopePlan] = {
        resource: ScopePlan(Tally(), scope, Deletes(tombstones=list(buried.get(resource, ()))), ())
        for resource in diffs
    }
    await writer.apply(WorkspacePlan(Workspace(1, "x"), plans))


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    raise AssertionError("it waits")
