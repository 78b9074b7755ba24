"""Making a snapshot less than it was: doubting its completeness, taking records out. Pure.

The dialect gives its own reasons why a snapshot is incomplete (`syncd.toggl.collector`): `rejects`, `duplicates`,
`unframed`, `http_403` and the like. From here come `workspaces_changed`, because a token that sees other workspaces
than before may have other rights in all of them, `contradicted`, because the source shows an object that its list
lacked, and `rejects` again, for records that the database refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from syncd.plan import Culprit
from syncd.records import Client, R, Reject, Resource, Snapshot, WorkspaceSnapshot


def doubt(snapshot: WorkspaceSnapshot, reason: str, resources: Iterable[Resource]) -> WorkspaceSnapshot:
    """The same, but proving no absence of these resources."""
    return snapshot.but({resource: _doubted(snapshot.scopes[resource], reason) for resource in resources})


def clients_moved(seen: Snapshot[Client], known: Mapping[int, bool | None]) -> bool:
    """Whether a client went missing, or was archived or restored. `known`: clients seen before -> archived."""
    if not known.keys() <= seen.records.keys():
        return True
    return any(record.archived != known[id_] for id_, record in seen.records.items() if id_ in known)


def without(snapshot: WorkspaceSnapshot, culprits: Sequence[Culprit]) -> tuple[WorkspaceSnapshot, list[Reject]]:
    """The snapshot less the records that the database refused, and those as rejects."""
    rest: dict[Resource, Snapshot[Any]] = {}
    rejects: list[Reject] = []
    for resource, scope in snapshot.scopes.items():
        rest[resource], refused = _without(resource, scope, culprits)
        rejects += refused
    return snapshot.but(rest), rejects


def _without(
    resource: Resource, snapshot: Snapshot[R], culprits: Sequence[Culprit]
) -> tuple[Snapshot[R], list[Reject]]:
    refused = {culprit.id: culprit for culprit in culprits if culprit.resource == resource}
    if not refused:
        return snapshot, []
    kept = {id_: record for id_, record in snapshot.records.items() if id_ not in refused}
    rejects = [_reject(snapshot.records[id_], culprit) for id_, culprit in sorted(refused.items())]
    return _doubted(msgspec.structs.replace(snapshot, records=kept), "rejects"), rejects


def _doubted(snapshot: Snapshot[R], reason: str) -> Snapshot[R]:
    return msgspec.structs.replace(snapshot, incomplete=tuple(sorted({*snapshot.incomplete, reason})))


def _reject(record: R, culprit: Culprit) -> Reject:
    """A primary key that is taken belongs to a row of another workspace: the API says that never changes."""
    moved = culprit.sqlstate == "23505" and culprit.constraint.endswith("_pkey")
    return Reject(
        resource=culprit.resource,
        key=str(record.id),
        workspace_id=record.workspace_id,
        reason="workspace_changed" if moved else "constraint",
        detail="this id is stored under another workspace" if moved else f"{culprit.sqlstate} {culprit.constraint}",
        body=msgspec.json.encode(record).decode(),
    )
