"""What a write of ours changes in the mirror: pure. See `syncd.sync.echo` for when, and for why that is safe."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from syncd.plan import Change, Deletes, Scope, ScopePlan, StoredScope, WorkspacePlan
from syncd.records import Client, Project, R, Workspace, Written
from syncd.sync.diff import diff
from syncd.sync.visibility import keep_only, owned_by_others


def plan_written(
    written: Written, clients: StoredScope[Client], projects: StoredScope[Project], rank: int, began_at: datetime
) -> WorkspacePlan | None:
    """Decide what a write changes; None where the token has not looked at the workspace yet.

    A row that a better token sees is that token's to show; a client that the write deleted is gone whoever sees it.
    What is told of its projects is news only of those that the token saw before: one that it meets there has no client
    any more, and its next list, if that is client by client, would miss it at once.
    """
    if clients.scope is None or projects.scope is None:
        return None
    client_plan = _plan(written.clients, written.gone, clients.scope, clients, rank, began_at)
    news = [p for p in written.projects if not written.gone or p.id in projects.scope.ids]
    project_plan = _plan(news, frozenset(), projects.scope, projects, rank, began_at)
    orphans = _orphans(written, projects, rank)
    changes = sorted([*project_plan.diff.changes, *orphans], key=lambda change: change[0].id)
    project_plan = msgspec.structs.replace(
        project_plan,
        diff=msgspec.structs.replace(project_plan.diff, changes=changes),
        yielded=project_plan.yielded - len(orphans),
    )
    told = [*project_plan.diff.inserts, *(record for record, _ in changes)]
    parents = {record.client_id for record in told if record.client_id is not None}
    known = clients.rows.keys() | {client.id for client in client_plan.diff.inserts}
    return WorkspacePlan(Workspace(written.workspace_id, None), client_plan, project_plan, sorted(parents - known))


def _orphans(written: Written, projects: StoredScope[Project], rank: int) -> list[tuple[Project, Change]]:
    """Projects of a deleted client that a better token sees: they lose their client and keep its view of the rest.

    Only if the mirror has them as the source has them now, as far as `at` tells: else the next pull of that token knows
    more.
    """
    scope = projects.scope
    better = (
        owned_by_others(scope.is_admin, rank, projects.viewers) if scope is not None and written.gone else frozenset()
    )
    found: list[tuple[Project, Change]] = []
    for told in written.projects:
        row = projects.rows.get(told.id) if told.id in better else None
        if row is None or row.record is None or row.deleted_at is not None or row.record.at != told.at:
            continue
        if row.record.client_id in written.gone:
            found.append((msgspec.structs.replace(row.record, client_id=None), "update"))
    return found


def _plan(
    records: Iterable[R], gone: frozenset[int], before: Scope, stored: StoredScope[R], rank: int, began_at: datetime
) -> ScopePlan[R]:
    told = {record.id: record for record in records}
    elsewhere = owned_by_others(before.is_admin, rank, stored.viewers)
    ours = [record for id_, record in told.items() if id_ not in elsewhere]
    ids = (frozenset(before.ids) | told.keys()) - gone
    missing = frozenset(id_ for cohort in before.absent for id_ in cohort.ids)
    live = {id_ for id_, row in stored.rows.items() if row.record is not None and row.deleted_at is None}
    return ScopePlan(
        diff=diff(ours, stored.rows, began_at),
        scope=msgspec.structs.replace(before, ids=sorted(ids), absent=keep_only(before.absent, missing - ids - gone)),
        deletes=Deletes(tombstones=sorted(live & gone)),
        incomplete=(),
        yielded=len(told) - len(ours),
    )
