"""From what a pull saw of a workspace, and what is stored, to the plan of one transaction. Pure."""

from collections.abc import Collection
from datetime import datetime

import msgspec

from syncd.plan import ScopePlan, StoredScope, WorkspacePlan
from syncd.records import Client, Project, R, Reject, Resource, Snapshot, WorkspaceSnapshot
from syncd.sync.diff import diff
from syncd.sync.visibility import next_scope


def plan_workspace(
    snapshot: WorkspaceSnapshot, clients: StoredScope[Client], projects: StoredScope[Project], began_at: datetime
) -> WorkspacePlan:
    """Decide what one pull changes in one workspace.

    A project may name a client that the token does not see: such a parent becomes a stub, so that the foreign key is
    real and no inner join drops the project.
    """
    seen_clients, rejected_clients = _split_foreign("client", snapshot.clients, clients.foreign)
    seen_projects, rejected_projects = _split_foreign("project", snapshot.projects, projects.foreign)
    parents = {project.client_id for project in seen_projects.records.values() if project.client_id is not None}
    return WorkspacePlan(
        workspace=snapshot.workspace,
        clients=_plan_scope(seen_clients, clients, began_at),
        projects=_plan_scope(seen_projects, projects, began_at),
        stub_clients=sorted(parents - clients.rows.keys() - seen_clients.records.keys()),
        rejects=rejected_clients + rejected_projects,
    )


def _plan_scope(snapshot: Snapshot[R], stored: StoredScope[R], began_at: datetime) -> ScopePlan[R]:
    changes = diff(snapshot.records.values(), stored.rows, began_at)
    return ScopePlan(changes, next_scope(stored.scope, snapshot), snapshot.incomplete)


def _split_foreign(
    resource: Resource, snapshot: Snapshot[R], foreign: Collection[int]
) -> tuple[Snapshot[R], list[Reject]]:
    """Put aside records whose id already belongs to another workspace: the API says a workspace never changes."""
    if not foreign:
        return snapshot, []
    kept = {id_: record for id_, record in snapshot.records.items() if id_ not in foreign}
    rejects = [
        Reject(
            resource=resource,
            key=str(record.id),
            workspace_id=record.workspace_id,
            reason="workspace_changed",
            detail="this id is stored under another workspace",
            body=msgspec.json.encode(record).decode(),
        )
        for id_, record in snapshot.records.items()
        if id_ in foreign
    ]
    incomplete = tuple(sorted({*snapshot.incomplete, "rejects"}))
    return msgspec.structs.replace(snapshot, records=kept, incomplete=incomplete), rejects
