"""What a diff means, applied to a dict: the reference for the SQL, in a few lines."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from syncd.plan import Diff
from syncd.records import Client, Project, Record, Resource, Stored, Tag

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


def instant(seconds: int) -> datetime:
    """An instant of the source, whole seconds."""
    return EPOCH + timedelta(seconds=seconds)


def a_client(id_: int = 1, at: int = 0, **more: Any) -> Client:
    """A client with defaults for all that does not matter."""
    fields = {"workspace_id": 1, "name": "Acme", "notes": None, "hourly_rate": None, "currency": None}
    return Client(**{**fields, "archived": None, "extra": None, "id": id_, "at": instant(at), **more})


def a_project(id_: int = 1, at: int = 0, **more: Any) -> Project:
    """A project with defaults for all that does not matter."""
    fields = dict.fromkeys(Project.__struct_fields__) | {"workspace_id": 1, "name": "Site", "active": True}
    return Project(**{**fields, "id": id_, "at": instant(at), **more})


def a_tag(id_: int = 1, at: int | None = 0, **more: Any) -> Tag:
    """A tag with defaults for all that does not matter."""
    fields = {"workspace_id": 1, "name": "Urgent", "creator_id": None, "extra": None}
    return Tag(**{**fields, "id": id_, "at": None if at is None else instant(at), **more})


RECORDS: Mapping[Resource, Callable[..., Record]] = {"client": a_client, "project": a_project, "tag": a_tag}
"""What makes a record of each resource."""


def stored(record: Any, deleted_at: datetime | None = None) -> Stored[Any]:
    """A row that holds `record`; None: a stub."""
    return Stored(record, deleted_at)


def apply(rows: dict[int, Stored[Any]], diff: Diff[Any]) -> dict[int, Stored[Any]]:
    """The rows after a diff."""
    written = {record.id: stored(record) for record in diff.inserts}
    written |= {record.id: stored(record) for record, _ in diff.changes}
    return rows | written


def content(record: Any) -> dict[str, Any]:
    """A record's fields by name."""
    return msgspec.structs.asdict(record)
