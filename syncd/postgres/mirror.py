"""Reading the mirror as a whole, without writing: for comparing it with the source."""

from collections.abc import Collection, Iterable
from typing import Any

from syncd.postgres.database import Database
from syncd.postgres.sql import queries
from syncd.postgres.tables import TABLES
from syncd.records import RESOURCES, Resource, Stored


async def read_workspace(
    database: Database, workspace_id: int, resources: Iterable[Resource]
) -> dict[Resource, dict[int, Stored[Any]]]:
    """All rows of these resources in a workspace, by resource and id, of one instant."""
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        found: dict[Resource, dict[int, Stored[Any]]] = {}
        for resource in resources:
            table = TABLES[resource]
            known, _, _ = await table.list_ids(connection, workspace_id)
            found[resource] = await table.read(connection, workspace_id, known)
        return found


async def read_held(database: Database, workspace_id: int, besides: Collection[str]) -> dict[Resource, frozenset[int]]:
    """Ids that other tokens than `besides` saw last in a workspace, whether or not they can be trusted, by resource."""
    async with database.connection() as connection:
        rows = await connection.fetch(queries()["held_elsewhere"], workspace_id, list(besides))
    held: dict[Resource, frozenset[int]] = dict.fromkeys(RESOURCES, frozenset())
    for row in rows:
        held[row["resource"]] |= frozenset(row["ids"])
    return held
