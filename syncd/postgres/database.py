"""A database to work with: its pool, and errors that say what to do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from syncd.errors import DatabaseUnavailable
from syncd.postgres.faults import READ_ONLY, translated
from syncd.postgres.migrate import Connection


class Database:
    """Hands out connections. Every use raises DatabaseError where PostgreSQL is the reason."""

    def __init__(self, pool: "asyncpg.Pool[Any]", where: str) -> None:
        """`where`: host:port/database, for messages."""
        self.pool = pool
        self.where = where

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection, back in the pool afterwards.

        After a failover the pool still holds connections to the old server, which is read-only now: they are given up.
        """
        try:
            with translated(self.where):
                async with self.pool.acquire() as connection:
                    yield connection
        except DatabaseUnavailable as error:
            if error.sqlstate == READ_ONLY:
                await self.pool.expire_connections()
            raise
