"""The mirrored tables: which record each holds, and how rows and records turn into each other."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic

import asyncpg
import msgspec

from syncd.errors import InvariantViolated
from syncd.plan import Change, Culprit, Diff
from syncd.postgres.copying import CopyFormat
from syncd.postgres.migrate import Connection
from syncd.postgres.sql import queries
from syncd.records import RESOURCES, R, Resource, Stored

ROW_REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, OverflowError)
"""What a single bad row can make a whole statement fail with."""


def array_of(ids: Collection[int]) -> str:
    """As a query takes many: for `$n::text::bigint[]`, which is a fifth of the work of a list of numbers."""
    return "{" + msgspec.json.encode(ids).decode()[1:-1] + "}"


def _changed_type(record: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Like the record, with what becomes of its row. None is left out: it costs the server as much as a value."""
    names = [*(field.name for field in msgspec.structs.fields(record)), "_change_kind"]
    return msgspec.defstruct(f"Changed{record.__name__}", [(name, Any, None) for name in names], omit_defaults=True)


class Table(Generic[R]):
    """One mirrored resource: `toggl.<plural>`, its superseded versions, and the queries that end in `_<plural>`."""

    def __init__(self, resource: Resource, record: type[R]) -> None:
        self.resource = resource
        self._record: type[R] = record
        self._plural = f"{resource}s"
        self._columns = [field.name for field in msgspec.structs.fields(record)]
        self._format = CopyFormat(record)
        self._changed = _changed_type(record)

    async def list_ids(
        self, connection: Connection, workspace_id: int
    ) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
        """Ids of every row of a workspace, of the live ones, and of those that not every member may see."""
        (row,) = await connection.fetch(self._query("list"), workspace_id)
        return frozenset(row["known"]), frozenset(row["live"]), frozenset(row["private"])

    async def read(self, connection: Connection, workspace_id: int, ids: Collection[int]) -> dict[int, Stored[R]]:
        """Rows of a workspace by id, as far as they are there."""
        rows = await connection.fetch(self._query("read"), workspace_id, array_of(ids))
        width = len(self._columns)
        return {
            row[0]: Stored(None if row[width + 1] else self._record(*row[:width]), row[width])  # deleted_at, _is_stub
            for row in rows
        }

    async def write(self, connection: Connection, diff: Diff[R], began_at: datetime, pull_id: int) -> None:
        """Carry out a diff: new rows by COPY, changes by one statement for all.

        Raises:
            ROW_REFUSED: some row breaks a rule of its table.
            InvariantViolated: not as many rows were written as planned.
        """
        if diff.inserts:
            await self._insert(connection, diff.inserts, began_at, pull_id)
        if diff.changes:
            await self._change(connection, diff.changes, began_at, pull_id)

    async def write_stubs(
        self, connection: Connection, workspace_id: int, ids: Sequence[int], began_at: datetime, pull_id: int
    ) -> None:
        """Rows of which only the id is known, for what refers to them."""
        await connection.execute(self._query("stub"), workspace_id, ids, began_at, pull_id)

    async def bury(self, connection: Connection, ids: Sequence[int], pull_id: int) -> None:
        """Turn live rows into tombstones and close their versions. Raises InvariantViolated if one was not live."""
        buried = await connection.fetch(self._query("bury"), ids, pull_id)
        _expect(f"{self._plural} buried", len(ids), len(buried))

    async def expire(self, connection: Connection, older_than: timedelta) -> int:
        """Forget superseded versions that ended longer ago than that; how many."""
        status = await connection.execute(self._query("expire"), older_than)
        return _count(status)

    async def find_culprits(
        self, connection: Connection, diff: Diff[R], began_at: datetime, pull_id: int
    ) -> list[Culprit]:
        """Carry out a diff except for the records that the table refuses; which those are, found by bisection.

        Costs a savepoint for each half that is tried: for a transaction that failed, and is rolled back afterwards.
        """
        pieces = [Diff([record], [], 0, []) for record in diff.inserts]
        pieces += [Diff([], [change], 0, []) for change in diff.changes]
        return await self._bisect(connection, pieces, began_at, pull_id)

    async def _bisect(
        self, connection: Connection, pieces: list[Diff[R]], began_at: datetime, pull_id: int
    ) -> list[Culprit]:
        whole: Diff[R] = Diff([r for p in pieces for r in p.inserts], [c for p in pieces for c in p.changes], 0, [])
        try:
            async with connection.transaction():
                await self.write(connection, whole, began_at, pull_id)
            return []
        except ROW_REFUSED as error:
            if len(pieces) == 1:
                record = whole.inserts[0] if whole.inserts else whole.changes[0][0]
                sqlstate = getattr(error, "sqlstate", None) or "22003"
                return [Culprit(self.resource, record.id, sqlstate, getattr(error, "constraint_name", None) or "")]
        half = len(pieces) // 2
        first = await self._bisect(connection, pieces[:half], began_at, pull_id)
        return first + await self._bisect(connection, pieces[half:], began_at, pull_id)

    async def _insert(self, connection: Connection, records: list[R], began_at: datetime, pull_id: int) -> None:
        instants = dict.fromkeys(("_first_seen_at", "_valid_from", "_synced_at"), began_at)
        birth = {**instants, "_pull_id": pull_id, "_change_kind": "insert"}
        columns, body = self._format.copy(records, birth)
        status = await connection.copy_to_table(
            self._plural,
            schema_name="toggl",
            columns=columns,
            source=body,  # type: ignore[arg-type]  # any buffer will do, which the stubs do not know
            format="binary",
        )
        _expect(f"{self._plural} inserted", len(records), _count(status))
        where = records[0].workspace_id, self._plural
        ids = array_of([record.id for record in records])
        await connection.execute(queries()["tell_inserts"], pull_id, *where, began_at, ids)

    async def _change(
        self, connection: Connection, changes: list[tuple[R, Change]], began_at: datetime, pull_id: int
    ) -> None:
        staged = [self._changed(*msgspec.structs.astuple(record), change) for record, change in changes]
        (counts,) = await connection.fetch(
            self._query("change"), began_at, pull_id, msgspec.json.encode(staged).decode()
        )
        _expect(f"{self._plural} superseded", sum(change == "update" for _, change in changes), counts["ended"])
        _expect(f"{self._plural} updated", len(changes), counts["written"])

    def _query(self, verb: str) -> str:
        return queries()[f"{verb}_{self._plural}"]


TABLES: Mapping[Resource, Table[Any]] = {resource: Table(resource, record) for resource, record in RESOURCES.items()}


def _count(status: str) -> int:
    """The number at the end of a command's status: COPY 5, UPDATE 3, INSERT 0 7."""
    return int(status.rsplit(" ", 1)[-1])


def _expect(name: str, expected: int, found: int) -> None:
    if expected != found:
        raise InvariantViolated(name, expected, found)
