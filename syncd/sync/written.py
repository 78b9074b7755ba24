"""What a write of ours changes in the mirror: pure. See `syncd.sync.echo` for when, and for why that is safe."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from syncd.plan import Change, Deletes, Diff, Scope, ScopePlan, StoredScope, Tally, WorkspacePlan
from syncd.records import Project, R, Resource, Stored, Workspace, Written
from syncd.sync.diff import diff
from syncd.sync.planning import count, parents_of
from syncd.sync.visibility import keep_only, owned_by_others


class Writer(NamedTuple):
    """Who wrote: the rank of its token, and when its fence was raised, by the database's clock."""

    rank: int
    began_at: datetime


class WrittenPlan(msgspec.Struct, frozen=True):
    """Rows to write, parents before children, with the `stubs` that they need, and then what is gone and what the token
    is known to see."""

    diffs: Mapping[Resource, Diff[Any]]
    stubs: Mapping[Resource, Sequence[int]]
    workspace: WorkspacePlan

    @property
    def writes_rows(self) -> bool:
        return self.workspace.writes_rows or not all(changes.is_empty for changes in self.diffs.values())


def plan_written(
    written: Written,
    stored: Mapping[Resource, StoredScope],
    rows: Mapping[Resource, Mapping[int, Stored[Any]]],
    writer: Writer,
) -> WrittenPlan | None:
    """Decide what a write changes; None where the token has not looked at the workspace yet.

    A row that a better token sees is that token's to show; a client that the write deleted is gone whoever sees it.
    What is told of its projects is news only of those that the token saw before: one that it meets there has no client
    any more, and its next list, if that is client by client, would miss it at once.

    `rows` of the clients and projects that are told of, as far as they are stored.
    """
    clients, projects = stored["client"], stored["project"]
    if clients.scope is None or projects.scope is None:
        return None
    told, client_rows, project_rows = written.told, rows.get("client", {}), rows.get("project", {})
    known = [p for p in told.get("project", ()) if not written.gone or p.id in projects.scope.ids]
    client_plan, client_diff = _plan(told.get("client", ()), written.gone, clients.scope, clients, client_rows, writer)
    project_plan, project_diff = _plan(known, frozenset(), projects.scope, projects, project_rows, writer)
    orphans = _orphans(written, projects, project_rows, writer.rank)
    if orphans:
        changes = sorted([*project_diff.changes, *orphans], key=lambda change: change[0].id)
        project_diff = msgspec.structs.replace(project_diff, changes=changes)
        met = {project.id for project in known}
        shown = sum(project.id in met for project, _ in orphans)
        project_plan = msgspec.structs.replace(project_plan, yielded=project_plan.yielded - shown)
    known_clients = clients.known.union(client.id for client in client_diff.inserts)
    stubs: dict[Resource, Sequence[int]] = {"project": parents_of(project_diff.written, Project.PARENT, known_clients)}
    scopes: dict[Resource, ScopePlan] = {"client": client_plan, "project": project_plan}
    workspace = WorkspacePlan(Workspace(written.workspace_id, None), scopes)
    return WrittenPlan({"client": client_diff, "project": project_diff}, stubs, workspace)


def _orphans(
    written: Written, projects: StoredScope, rows: Mapping[int, Stored[Project]], rank: int
) -> list[tuple[Project, Change]]:
    """Projects of a deleted client that another token shows, a better one or the only one that has seen them.

    They lose their client and keep that token's view of the rest.

    Only if the mirror has them as the source has them now, as far as `at` tells: else the next pull of that token knows
    more.
    """
    scope = projects.scope
    if scope is None or not written.gone:
        return []
    ours = frozenset(scope.ids) - owned_by_others(scope.is_admin, rank, projects.viewers)
    found: list[tuple[Project, Change]] = []
    for told in written.told.get("project", ()):
        row = None if told.id in ours else rows.get(told.id)
        if row is None or row.record is None or row.deleted_at is not None or row.record.at != told.at:
            continue
        if row.record.client_id in written.gone:
            found.append((msgspec.structs.replace(row.record, client_id=None), "update"))
    return found


def _plan(
    records: Iterable[R],
    gone: frozenset[int],
    before: Scope,
    stored: StoredScope,
    rows: Mapping[int, Stored[R]],
    writer: Writer,
) -> tuple[ScopePlan, Diff[R]]:
    rank, began_at = writer
    told = {record.id: record for record in records}
    elsewhere = owned_by_others(before.is_admin, rank, stored.viewers)
    ours = [record for id_, record in told.items() if id_ not in elsewhere]
    changes = diff(ours, rows, began_at)
    ids = (frozenset(before.ids) | told.keys()) - gone
    missing = frozenset(id_ for cohort in before.absent for id_ in cohort.ids)
    plan = ScopePlan(
        tally=count(Tally(), changes, rows, before, began_at, is_complete=False),
        scope=msgspec.structs.replace(before, ids=sorted(ids), absent=keep_only(before.absent, missing - ids - gone)),
        deletes=Deletes(tombstones=sorted(stored.live & gone)),
        incomplete=(),
        yielded=len(told) - len(ours),
    )
    return plan, changes
