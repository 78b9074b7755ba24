"""The mirrored tables: which record each holds, and how rows and records turn into each other."""

from collections.abc import Sequence
from datetime import datetime
from typing import Generic

import msgspec

from syncd.plan import Diff
from syncd.postgres.migrate import Connection
from syncd.postgres.sql import queries
from syncd.records import Client, Project, R, Resource, Stored

_BIRTH = ("_first_seen_at", "_valid_from", "_synced_at", "_pull_id", "_change_kind")


class Table(Generic[R]):
    """One mirrored resource: `toggl.<plural>`, its superseded versions, and the queries that end in `_<plural>`."""

    def __init__(self, resource: Resource, record: type[R]) -> None:
        self.resource = resource
        self._record: type[R] = record
        self._plural = f"{resource}s"
        self._columns = [field.name for field in msgspec.structs.fields(record)]

    async def read(self, connection: Connection, workspace_id: int) -> dict[int, Stored[R]]:
        """Every row of a workspace, by id."""
        rows = await connection.fetch(self._query("read"), workspace_id)
        width = len(self._columns)
        return {
            row[0]: Stored(None if row[width + 1] else self._record(*row[:width]), row[width])  # deleted_at, _is_stub
            for row in rows
        }

    async def read_foreign(self, connection: Connection, workspace_id: int, ids: Sequence[int]) -> frozenset[int]:
        """Which of `ids` are stored under another workspace."""
        rows = await connection.fetch(self._query("read_foreign"), workspace_id, ids)
        return frozenset(row["id"] for row in rows)

    async def write(self, connection: Connection, diff: Diff[R], began_at: datetime, pull_id: int) -> None:
        """Carry out a diff: new rows by COPY; changes by COPY into a staging table, then set-based.

        Raises:
            asyncpg.UniqueViolationError: an id of `diff.inserts` has a row, in another workspace.
        """
        row = msgspec.structs.astuple
        if diff.inserts:
            birth = (began_at, began_at, began_at, pull_id, "insert")
            await connection.copy_records_to_table(
                self._plural,
                schema_name="toggl",
                columns=[*self._columns, *_BIRTH],
                records=[(*row(record), *birth) for record in diff.inserts],
            )
        if diff.changes:
            await connection.execute(self._query("stage"))
            await connection.copy_records_to_table(
                f"staged_{self._plural}",
                schema_name="pg_temp",
                records=[(*row(record), change) for record, change in diff.changes],
            )
            await connection.execute(self._query("supersede"), began_at, pull_id)
            await connection.execute(self._query("update"), began_at, pull_id)

    def _query(self, verb: str) -> str:
        return queries()[f"{verb}_{self._plural}"]


CLIENTS: Table[Client] = Table("client", Client)
PROJECTS: Table[Project] = Table("project", Project)
