"""Reading the mirror as a whole, without writing: for comparing it with the source."""

from collections.abc import Collection
from typing import Any

from syncd.postgres.database import Database
from syncd.postgres.sql import queries
from syncd.postgres.tables import TABLES
from syncd.records import Resource, Stored


async def read_workspace(database: Database, workspace_id: int) -> dict[Resource, dict[int, Stored[Any]]]:
    """All rows of a workspace, by resource and id, of one instant."""
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        found: dict[Resource, dict[int, Stored[Any]]] = {}
        for resource, table in TABLES.items():
            known, _, _ = await table.list_ids(connection, workspace_id)
            found[resource] = await table.read(connection, workspace_id, known)
        return found


async def read_held(database: Database, workspace_id: int, besides: Collection[str]) -> dict[Resource, frozenset[int]]:
    """Ids that other tokens than `besides` saw last in a workspace, whether or not they can be trusted, by resource."""
    async with database.connection() as connection:
        rows = await connection.fetch(queries()["held_elsewhere"], workspace_id, list(besides))
    held: dict[Resource, frozenset[int]] = {"client": frozenset(), "project": frozenset()}
    for row in rows:
        held[row["resource"]] |= frozenset(row["ids"])
    return held
