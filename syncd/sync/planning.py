"""From what a pull saw of a workspace, and what is stored, to the plan of one transaction. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from syncd.plan import Deletes, Diff, Scope, ScopePlan, StoredScope, Viewer, WorkspacePlan
from syncd.records import Client, Project, R, Resource, Snapshot, Workspace, WorkspaceSnapshot
from syncd.sync.deletes import Decision, DeleteRules, ScopeName, plan_deletes, unconfirmed_by
from syncd.sync.diff import diff, next_regressions
from syncd.sync.visibility import heirs_of, keep_only, next_scope, owned_by_others, restart

FUTURE = timedelta(days=1)
"""An `at` further ahead than this is worth a line: it would win against every later edit until then."""


class Pulling(msgspec.Struct, frozen=True):
    """Who pulls, when it began by the database's clock, and by which rules.

    `seen`: ids of all records of this pull, whatever their workspace. A row that turns up elsewhere is not gone, though
    the API says that a workspace never changes.
    """

    token: str
    rank: int
    began_at: datetime
    deletes: DeleteRules
    decisions: Mapping[str, Decision] = {}
    seen: Mapping[Resource, frozenset[int]] = {}


def plan_workspace(
    snapshot: WorkspaceSnapshot, clients: StoredScope[Client], projects: StoredScope[Project], pulling: Pulling
) -> WorkspacePlan:
    """Decide what one pull changes in one workspace.

    A project may name a client that the token does not see: such a parent becomes a stub, so that the foreign key is
    real and no inner join drops the project.
    """
    client_plan = _plan_scope("client", snapshot.workspace, snapshot.clients, clients, pulling)
    project_plan = _plan_scope("project", snapshot.workspace, snapshot.projects, projects, pulling)
    parents = {project.client_id for project in _written(project_plan.diff) if project.client_id is not None}
    known = clients.rows.keys() | {client.id for client in client_plan.diff.inserts}
    return WorkspacePlan(snapshot.workspace, client_plan, project_plan, sorted(parents - known))


def _plan_scope(
    resource: Resource, workspace: Workspace, snapshot: Snapshot[R], stored: StoredScope[R], pulling: Pulling
) -> ScopePlan[R]:
    before, viewers, is_admin = stored.scope, stored.viewers, workspace.is_admin
    elsewhere = owned_by_others(is_admin, pulling.rank, viewers)
    ours = [record for id_, record in snapshot.records.items() if id_ not in elsewhere]
    regressions = before.regressions if before else {}
    changes = diff(ours, stored.rows, pulling.began_at, regressions)
    known = before
    if before is not None and snapshot.is_complete:
        known = msgspec.structs.replace(before, absent=restart(before.absent, viewers, pulling.began_at))
    scope = next_scope(known, snapshot, pulling.began_at, is_admin=is_admin, private=lambda: _private(stored))
    deletes = Deletes()
    if not snapshot.incomplete:
        name = ScopeName(pulling.token, workspace.id, resource)
        scope, deletes = _plan_absences(name, scope, stored, pulling, only_proven=snapshot.is_delta)
    stale = [record for record in changes.stale if stored.rows[record.id].deleted_at is None]
    is_new = before is None or before.seen_at != pulling.began_at  # else a transaction that is tried again
    remembered = next_regressions(stale, regressions, counts=is_new and snapshot.is_complete)
    is_settled = not (snapshot.incomplete or deletes.is_waiting or deletes.held or changes.stale)
    cursor = (snapshot.cursor or _kept_cursor(before, snapshot)) if is_settled else None
    return ScopePlan(
        diff=changes,
        scope=msgspec.structs.replace(scope, regressions=remembered, cursor=cursor),
        deletes=deletes,
        incomplete=snapshot.incomplete,
        yielded=len(snapshot.records) - len(ours),
        heirs=heirs_of(_given_up(pulling.rank, before, scope, viewers), viewers),
        from_future=[record.id for record in _written(changes) if record.at > pulling.began_at + FUTURE],
        held_before=before.held_hash if before else None,
        is_delta=snapshot.is_delta,
    )


def _private(stored: StoredScope[R]) -> frozenset[int]:
    """Rows that only admins of the workspace and members of the project may see."""
    return frozenset(id_ for id_, row in stored.rows.items() if getattr(row.record, "is_private", False))


def _kept_cursor(before: Scope | None, snapshot: Snapshot[R]) -> datetime | None:
    """A single change that we were told of moves no cursor."""
    return before.cursor if before is not None and snapshot.is_delta else None


def _plan_absences(
    name: ScopeName, scope: Scope, stored: StoredScope[R], pulling: Pulling, *, only_proven: bool
) -> tuple[Scope, Deletes]:
    """What to bury, and the scope with only those absences that are still to be decided about.

    `only_proven`: what is merely missing is not looked at, for the snapshot could not show it.
    """
    live = frozenset(id_ for id_, row in stored.rows.items() if row.record is not None and row.deleted_at is None)
    shown = frozenset(scope.ids).union(id_ for cohort in scope.absent for id_ in cohort.ids)
    seen_by_others: frozenset[int] = frozenset().union(*(viewer.ids for viewer in stored.viewers))
    seen_by_others |= pulling.seen.get(name.resource, frozenset())
    unconfirmed = unconfirmed_by(stored.viewers, pulling.deletes)
    judged = scope
    if only_proven:
        judged = msgspec.structs.replace(scope, absent=[cohort for cohort in scope.absent if cohort.is_proven])
    deletes = plan_deletes(name, judged, live & shown, seen_by_others, pulling.deletes, pulling.decisions, unconfirmed)
    rest = keep_only(scope.absent, live.difference(deletes.tombstones))
    return msgspec.structs.replace(scope, absent=rest), deletes


def _given_up(rank: int, before: Scope | None, scope: Scope, viewers: list[Viewer]) -> frozenset[int]:
    """Ids that were this token's and are not any more: no longer seen, or its rights in the workspace changed."""
    if before is None:
        return frozenset()
    owned = frozenset(before.ids) - owned_by_others(before.is_admin, rank, viewers)
    owns = frozenset(scope.ids) - owned_by_others(scope.is_admin, rank, viewers)
    return owned - owns


def _written(changes: Diff[R]) -> list[R]:
    return [*changes.inserts, *(record for record, _ in changes.changes)]
