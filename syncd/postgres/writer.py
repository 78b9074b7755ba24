"""One transaction on one workspace: reads what is stored, carries out the plan."""

from datetime import datetime
from typing import Any

import msgspec

from syncd.plan import Cohort, Culprit, Regression, Scope, ScopePlan, StoredScope, Viewer, WorkspacePlan
from syncd.postgres.migrate import Connection
from syncd.postgres.sql import queries
from syncd.postgres.tables import CLIENTS, PROJECTS, Table
from syncd.records import Client, Cursor, Project, R, Resource, Strategy


class Begun(msgspec.Struct, frozen=True):
    """A pull that has the fence. `began_at` by the database's clock; `digest` of the last complete pull, or None.

    `failures` in a row so far; `is_rejected`: the API refused the token last. `full_due`: compare everything, whatever
    the digest says. `strategies`: workspace -> remembered project strategy; `cursors`: workspace -> what may be asked
    for by its changes. `workspace_ids` that the token saw last,
    None before its first pull. `compare_no`: a later one means that somebody asked for a comparison since.
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

    async def read(self) -> tuple[StoredScope[Client], StoredScope[Project]]:
        """What is stored of clients and of projects."""
        return await self._read(CLIENTS), await self._read(PROJECTS)

    async def read_decisions(self) -> dict[str, Any]:
        """Hash -> what a person decided about held-back deletions of this token and workspace."""
        query = queries()["read_decisions"]
        rows = await self._connection.fetch(query, self._begun.token, self._workspace_id)
        return {row["hash"]: row["decision"] for row in rows}

    async def apply(self, plan: WorkspacePlan) -> None:
        """Carry out a plan: parents before children, then what is gone, then what the token sees now.

        Raises:
            ROW_REFUSED, InvariantViolated: see `Table.write`.
        """
        await self._write_rows(plan)
        await self._write_scope("client", plan.clients)
        await self._write_scope("project", plan.projects)
        heirs = sorted({*plan.clients.heirs, *plan.projects.heirs})
        if heirs:
            await self._connection.execute(queries()["compare_tokens"], heirs)

    async def is_lost(self) -> bool:
        """Whether the token had lost the workspace when it last looked: what it saw there is frozen."""
        query = queries()["is_lost_scope"]
        return bool(await self._connection.fetchval(query, self._begun.token, self._workspace_id))

    async def apply_written(self, plan: WorkspacePlan, *, is_far_reaching: bool) -> None:
        """Carry out the plan of a write: of the scopes only what they show and miss moves. Raises as `apply` does.

        `is_far_reaching`: it moved more than the client itself, so that the next pull had better list everything.
        """
        await self._write_rows(plan)
        for resource, scope in (("client", plan.clients.scope), ("project", plan.projects.scope)):
            where = self._begun.token, self._workspace_id, resource
            absent = msgspec.to_builtins(scope.absent)
            await self._connection.execute(queries()["see_written"], *where, scope.ids, absent, is_far_reaching)

    async def stand_by(self) -> int:
        """Leave the workspace to another token; how many rows this one saw in it."""
        (row,) = await self._connection.fetch(queries()["stand_by"], self._begun.token, self._workspace_id)
        if row["heirs"]:
            await self._connection.execute(queries()["compare_tokens"], sorted(row["heirs"]))
        return int(row["rows"])

    async def find_culprits(self, plan: WorkspacePlan) -> list[Culprit]:
        """Which records of the plan their tables refuse. Writes, and must be rolled back.

        Where a new client is refused its projects get a stub for it, as they will without it: they are no culprits.
        """
        begun, connection = self._begun, self._connection
        await self._write_parents(plan)
        clients = await CLIENTS.find_culprits(connection, plan.clients.diff, begun.began_at, begun.pull_id)
        await self._write_stubs(plan, *(culprit.id for culprit in clients))
        return clients + await PROJECTS.find_culprits(connection, plan.projects.diff, begun.began_at, begun.pull_id)

    async def _write_rows(self, plan: WorkspacePlan) -> None:
        begun, connection = self._begun, self._connection
        await self._write_parents(plan)
        await CLIENTS.write(connection, plan.clients.diff, begun.began_at, begun.pull_id)
        await self._write_stubs(plan)
        await PROJECTS.write(connection, plan.projects.diff, begun.began_at, begun.pull_id)
        for table, scope in ((CLIENTS, plan.clients), (PROJECTS, plan.projects)):
            if scope.deletes.tombstones:
                await table.bury(connection, scope.deletes.tombstones, begun.pull_id)

    async def _write_parents(self, plan: WorkspacePlan) -> None:
        begun, workspace = self._begun, plan.workspace
        await self._connection.execute(
            queries()["upsert_workspace"], workspace.id, workspace.name, begun.began_at, begun.pull_id
        )
        if plan.writes_rows:
            await self._connection.execute(queries()["open_pull"], begun.pull_id, begun.token, begun.began_at)

    async def _write_stubs(self, plan: WorkspacePlan, *more: int) -> None:
        ids = [*plan.stub_clients, *more]
        if ids:
            await self._connection.execute(
                queries()["stub_clients"],
                plan.workspace.id,
                ids,
                self._begun.began_at,
                self._begun.pull_id,
            )

    async def _read(self, table: Table[R]) -> StoredScope[R]:
        where = self._begun.token, self._workspace_id, table.resource
        rows = await table.read(self._connection, self._workspace_id)
        scope = await self._connection.fetchrow(queries()["read_scope"], *where)
        viewers = await self._connection.fetch(queries()["read_viewers"], *where)
        return StoredScope(
            rows=rows,
            scope=None if scope is None else _scope(dict(scope)),
            viewers=[_viewer(dict(viewer)) for viewer in viewers],
        )

    async def _write_scope(self, resource: Resource, plan: ScopePlan[Any]) -> None:
        scope, held = plan.scope, plan.deletes.held
        await self._connection.execute(
            queries()["write_scope"],
            self._begun.token,
            self._workspace_id,
            resource,
            scope.is_admin,
            scope.strategy,
            scope.ids,
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
