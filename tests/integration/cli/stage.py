"""What the tests of the commands share: the canaries, the database as the test sees it, the time at the source."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from syncd.clock import Clock
from syncd.emulator.server import Emulator
from tests.processes import eventually

CANARY_TOKEN = "canary-7f3b9~token+of/t0"
CANARY_PASSWORD = "canary 7f3b9:p@ss/word?%41"
ROLE = "canary"
"""The role that has this password."""

BOTH = ("v8", "v9")
FIRST = {"v8": "/api/v8/workspaces", "v9": "/api/v9/me"}
"""What the first pull of a token asks first."""
WORKSPACES = {"v8": "/api/v8/workspaces", "v9": "/api/v9/me/workspaces"}


class Mirror:
    """A database of the test's own. Commands get `url`, with a password to keep; the test looks in as superuser."""

    def __init__(self, url: str, admin_url: str) -> None:
        self.url = url
        self._admin_url = admin_url

    async def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """What a query says."""
        async with self._connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]

    async def do(self, statement: str) -> None:
        """Change something behind syncd's back."""
        async with self._connection() as connection:
            await connection.execute(statement)

    async def marks(self) -> dict[tuple[str, int], str]:
        """(table, id) -> the transaction that wrote the row last."""
        tables = ("workspaces", "clients", "projects")
        queries = [f"SELECT '{table}', id, xmin::text FROM toggl.{table}" for table in tables]
        return {(table, id_): mark for table, id_, mark in await self.rows(" UNION ALL ".join(queries))}

    async def text(self) -> str:
        """Every row of every table of ours, as text."""
        tables = await self.rows("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('toggl', 'syncd')")
        rows = [await self.rows(f"SELECT t::text FROM {schema}.{table} t") for schema, table in tables]
        return "\n".join(row for of_table in rows for (row,) in of_table)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(self._admin_url, ssl=False)
        try:
            yield connection
        finally:
            await connection.close()


class Calendar:
    """The present at the source: it moves only when told to. Near the true one, for who asks for changes since then."""

    def __init__(self) -> None:
        self.present = Clock().now().replace(microsecond=0)

    def now(self) -> datetime:
        return self.present

    def pass_time(self) -> None:
        """A minute later."""
        self.present += timedelta(minutes=1)


def table_cells(text: str) -> list[list[str]]:
    """The rows of a printed table, without those of its heading."""
    rows = [line.strip().strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in rows]


def pull_rows(text: str) -> list[list[str]]:
    """The rows of a printed table of pulls: token, result, rows, new, updated, gone, put aside, requests."""
    return [row[:8] for row in table_cells(text)]


async def until_asked(toggl: Emulator) -> None:
    """Return once a request has come, answered or not."""

    async def asked() -> bool:
        return bool(toggl.requests)

    await eventually(asked)
