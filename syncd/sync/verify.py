"""Is the mirror what the source shows? Compared row by row, by the same rule of ownership as pulls use. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from syncd.records import Resource, Sighting, Snapshot, Stored


class Sight(msgspec.Struct, frozen=True):
    """What one token showed just now."""

    token: str
    rank: int
    sighting: Sighting


class Shelf(msgspec.Struct, frozen=True):
    """What the mirror holds of one resource of a workspace. `elsewhere`: ids that tokens not asked just now hold."""

    rows: Mapping[int, Stored[Any]]
    elsewhere: frozenset[int]


class Drift(msgspec.Struct, frozen=True):
    """One row that is not as the source shows it.

    `missing`: the source has it, the mirror has not. `differs`: `columns` name -> (mirror, source). `surplus`: the
    mirror shows it live, and nobody sees it; it may be a deletion that waits for its confirmations.
    """

    kind: Literal["missing", "differs", "surplus"]
    resource: Resource
    workspace_id: int
    id: int
    token: str | None = None
    columns: dict[str, tuple[Any, Any]] = {}


def find_drift(sights: Sequence[Sight], shelves: Mapping[tuple[int, Resource], Shelf]) -> list[Drift]:
    """Every row that drifted, by workspace, resource and id.

    A row is compared with what its owner sees: of the tokens asked, workspace admins first, then by rank. Absence
    counts only where every snapshot of the scope is complete.
    """
    found: list[Drift] = []
    for (workspace_id, resource), shelf in shelves.items():
        views = list(_views(sights, workspace_id, resource))
        owned: dict[int, tuple[str, Any]] = {}
        for token, snapshot in views:  # best first
            for id_, record in snapshot.records.items():
                owned.setdefault(id_, (token, record))
        found += _compare(resource, workspace_id, owned, shelf)
        if views and not any(snapshot.incomplete for _, snapshot in views):
            found += _surplus(resource, workspace_id, owned.keys(), shelf)
    return sorted(found, key=lambda drift: (drift.workspace_id, drift.resource, drift.id))


def _views(sights: Sequence[Sight], workspace_id: int, resource: Resource) -> Iterator[tuple[str, Snapshot[Any]]]:
    """(token, snapshot) of one scope's resource, best token first."""
    seen = [
        (not workspace.workspace.is_admin, sight.rank, sight.token, workspace)
        for sight in sights
        for workspace in sight.sighting.workspaces
        if workspace.workspace.id == workspace_id
    ]
    for _, _, token, workspace in sorted(seen, key=lambda view: view[:2]):
        if resource in workspace.scopes:
            yield token, workspace.scopes[resource]


def _compare(
    resource: Resource, workspace_id: int, owned: Mapping[int, tuple[str, Any]], shelf: Shelf
) -> Iterator[Drift]:
    for id_, (token, record) in owned.items():
        row = shelf.rows.get(id_)
        if row is None or row.record is None or row.deleted_at is not None:
            yield Drift("missing", resource, workspace_id, id_, token)
        elif columns := _differences(row.record, record):
            yield Drift("differs", resource, workspace_id, id_, token, columns)


def _surplus(resource: Resource, workspace_id: int, owned: Iterable[int], shelf: Shelf) -> Iterator[Drift]:
    live = {id_ for id_, row in shelf.rows.items() if row.record is not None and row.deleted_at is None}
    for id_ in live - set(owned) - shelf.elsewhere:
        yield Drift("surplus", resource, workspace_id, id_)


def _differences(stored: Any, record: Any) -> dict[str, tuple[Any, Any]]:
    """Columns that differ, but for those that move without an edit: name -> (mirror, source)."""
    mirror, source = msgspec.structs.asdict(stored), msgspec.structs.asdict(record)
    return {
        name: (mirror[name], source[name])
        for name in source
        if name not in record.VOLATILE and mirror[name] != source[name]
    }
