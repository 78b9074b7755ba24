"""One transaction on one workspace: reads what is stored, carries out the plan."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from syncd.plan import Cohort, Culprit, Diff, Regression, Scope, ScopePlan, StoredScope, Viewer, WorkspacePlan
from syncd.postgres.migrate import Connection
from syncd.postgres.sql import queries
from syncd.postgres.tables import TABLES, Table, array_of
from syncd.records import RESOURCES, Cursor, Resource, Stored, Strategy


class Begun(msgspec.Struct, frozen=True):
    """A pull that has the fence. `began_at` by the database's clock; `digest` of the last complete pull, or None.

    `failures` in a row so far; `is_rejected`: the API refused the token last, and has for `rejected_s`. `full_due`:
    compare everything, whatever the digest says. `strategies`: workspace -> remembered project strategy; `cursors`:
    workspace -> what may be asked for by its changes. `workspace_ids` that the token saw last, None before its first
    pull. `compare_no`: a later one means that somebody asked for a comparison since.
    """

    token: str
    pull_id: int
    began_at: datetime
    digest: bytes | None
    last_success_at: datetime | None
    row_count: int
    full_due: bool
    failures: int
    rank: int
    compare_no: int
    workspace_ids: list[int] | None
    strategies: dict[int, Strategy]
    is_rejected: bool = False
    cursors: dict[int, Cursor] = {}
    rested_s: float | None = None
    rejected_s: float = 0.0


def begun_by_write(token: str, pull_id: int, began_at: datetime, rank: int) -> Begun:
    """The fence for a write of ours, which knows of the token only what the merge rule needs."""
    return Begun(
        token=token,
        pull_id=pull_id,
        began_at=began_at,
        digest=None,
        last_success_at=None,
        row_count=0,
        full_due=False,
        failures=0,
        rank=rank,
        compare_no=0,
        workspace_ids=None,
        strategies={},
    )


class WorkspaceWriter:
    """An open transaction on one workspace that holds the fence."""

    def __init__(self, connection: Connection, begun: Begun, workspace_id: int) -> None:
        self._connection = connection
        self._begun = begun
        self._workspace_id = workspace_id
        self._is_pull_open = False

    async def read(self, resources: Iterable[Resource]) -> dict[Resource, StoredScope]:
        """What is stored of these resources, but for the content of their rows."""
        return {resource: await self._read(TABLES[resource]) for resource in resources}

    async def read_rows(self, resource: Resource, ids: Sequence[int]) -> dict[int, Stored[Any]]:
        """Those of the rows that are there, by id."""
        return await TABLES[resource].read(self._connection, self._workspace_id, ids)

    async def read_decisions(self) -> dict[str, Any]:
        """Hash -> what a person decided about held-back deletions of this token and workspace."""
        query = queries()["read_decisions"]
        rows = await self._connection.fetch(query, self._begun.token, self._workspace_id)
        return {row["hash"]: row["decision"] for row in rows}

    async def write_workspace(self, name: str | None) -> None:
        """The row that everything else refers to. `name` None: only its id is known."""
        begun = self._begun
        await self._connection.execute(
            queries()["upsert_workspace"], self._workspace_id, name, begun.began_at, begun.pull_id
        )

    async def write_rows(self, resource: Resource, changes: Diff[Any], stubs: Sequence[int]) -> list[Culprit]:
        """Carry out a diff, with stubs for those parents first. No culprits: one refused row fails all.

        Raises:
            ROW_REFUSED, InvariantViolated: see `Table.write`.
        """
        if changes.is_empty:
            return []
        await self._open_pull()
        await self._write_stubs(resource, stubs)
        await TABLES[resource].write(self._connection, changes, self._begun.began_at, self._begun.pull_id)
        return []

    async def find_culprits(self, resource: Resource, changes: Diff[Any], stubs: Sequence[int]) -> list[Culprit]:
        """Carry out a diff but for the records that the table refuses; which those are. Must be rolled back."""
        await self._write_stubs(resource, stubs)
        begun = self._begun
        return await TABLES[resource].find_culprits(self._connection, changes, begun.began_at, begun.pull_id)

    async def apply(self, plan: WorkspacePlan) -> None:
        """Carry out what remains of a plan once its rows are written: what is gone, and what the token sees now.

        Raises:
            InvariantViolated: a row that is to be buried is not live.
        """
        await self._bury(plan)
        for resource, scope in plan.scopes.items():
            await self._write_scope(resource, scope)
        if plan.looks_again:
            await self._connection.execute(queries()["compare_tokens"], plan.looks_again)

    async def is_lost(self) -> bool:
        """Whether the token had lost the workspace when it last looked: what it saw there is frozen."""
        query = queries()["is_lost_scope"]
        return bool(await self._connection.fetchval(query, self._begun.token, self._workspace_id))

    async def apply_written(self, plan: WorkspacePlan, *, is_far_reaching: bool) -> None:
        """Like `apply`, after a write: of the scopes only what they show and miss moves. Raises as `apply` does.

        `is_far_reaching`: it moved more than the client itself, so that the next pull had better list everything.
        """
        await self._bury(plan)
        for resource, scope in plan.scopes.items():
            where = self._begun.token, self._workspace_id, resource
            seen = scope.scope.ids, msgspec.to_builtins(scope.scope.absent)
            await self._connection.execute(queries()["see_written"], *where, *seen, is_far_reaching)

    async def stand_by(self) -> int:
        """Leave the workspace to another token; how many rows this one saw in it."""
        (row,) = await self._connection.fetch(queries()["stand_by"], self._begun.token, self._workspace_id)
        if row["heirs"]:
            await self._connection.execute(queries()["compare_tokens"], sorted(row["heirs"]))
        return int(row["rows"])

    async def _bury(self, plan: WorkspacePlan) -> None:
        for resource, scope in plan.scopes.items():
            if scope.deletes.tombstones:
                await self._open_pull()
                await TABLES[resource].bury(self._connection, scope.deletes.tombstones, self._begun.pull_id)

    async def _open_pull(self) -> None:
        """Once something is written there is a row that its `_pull_id` points at."""
        if not self._is_pull_open:
            begun, self._is_pull_open = self._begun, True
            await self._connection.execute(queries()["open_pull"], begun.pull_id, begun.token, begun.began_at)

    async def _write_stubs(self, resource: Resource, ids: Sequence[int]) -> None:
        parent = RESOURCES[resource].PARENT
        if parent is not None and ids:
            begun = self._begun
            table = TABLES[parent.resource]
            await table.write_stubs(self._connection, self._workspace_id, ids, begun.began_at, begun.pull_id)

    async def _read(self, table: Table[Any]) -> StoredScope:
        where = self._begun.token, self._workspace_id, table.resource
        known, live, private = await table.list_ids(self._connection, self._workspace_id)
        scope = await self._connection.fetchrow(queries()["read_scope"], *where)
        viewers = await self._connection.fetch(queries()["read_viewers"], *where)
        return StoredScope(
            known=known,
            live=live,
            scope=None if scope is None else _scope(dict(scope)),
            viewers=[_viewer(dict(viewer)) for viewer in viewers],
            private=private,
        )

    async def _write_scope(self, resource: Resource, plan: ScopePlan) -> None:
        scope, held = plan.scope, plan.deletes.held
        await self._connection.execute(
            queries()["write_scope"],
            self._begun.token,
            self._workspace_id,
            resource,
            scope.is_admin,
            scope.strategy,
            array_of(scope.ids),
            msgspec.to_builtins(scope.absent),
            msgspec.to_builtins(scope.regressions),
            list(plan.incomplete),
            held.ids if held else None,
            held.hash if held else None,
            held.reason if held else None,
            held.live if held else None,
            self._begun.began_at,
            self._begun.pull_id,
            scope.cursor,
            self._begun.compare_no,
            plan.is_delta,
        )


def _viewer(row: dict[str, Any]) -> Viewer:
    absent = msgspec.convert(row["absent"], list[Cohort])
    return Viewer(row["token"], row["is_admin"], row["rank"], frozenset(row["ids"]), absent, row["seen_at"])


def _scope(row: dict[str, Any]) -> Scope:
    absent = msgspec.convert(row.pop("absent"), list[Cohort])
    regressions = msgspec.convert(row.pop("regressions"), dict[str, Regression])
    return Scope(**row, absent=absent, regressions=regressions)
