"""One active daemon per database, the others stand by: a session advisory lock on a connection of its own.

States: standing by (no lock) ─▶ leading (lock held) ─▶ standing by again when the connection breaks. The lock decides
who dispatches, not whose data is right: a leader that lost its connection unaware may still have pulls at work, and
the fence on each token's row is what makes those harmless.
"""

import contextlib
from typing import Any

import asyncpg

from syncd.postgres.faults import translated
from syncd.postgres.pool import COMMAND_TIMEOUT_S
from syncd.postgres.sql import queries


class Leader:
    """Asks for the lock, once per `check`."""

    def __init__(self, url: str, where: str) -> None:
        """`where`: host:port/database, for messages."""
        self._url = url
        self._where = where
        self._connection: asyncpg.Connection[Any] | None = None
        self._leads = False

    @property
    def leads(self) -> bool:
        """As of the last `check`."""
        return self._leads

    async def check(self) -> bool:
        """Take the lock, or prove that it is still held; whether we lead.

        Raises:
            DatabaseError: no connection. We do not lead then.
        """
        query = queries()["prove_leader" if self._leads else "try_leader_lock"]
        self._leads = False
        try:
            with translated(self._where):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(
                        self._url,
                        command_timeout=COMMAND_TIMEOUT_S,
                        server_settings={"application_name": "syncd leader"},
                    )
                    query = queries()["try_leader_lock"]
                self._leads = bool(await self._connection.fetchval(query))
        except BaseException:
            await self.resign()
            raise
        return self._leads

    async def resign(self) -> None:
        """Give the lock back; if the server does not answer, it will notice that we are gone."""
        connection, self._connection, self._leads = self._connection, None, False
        if connection is not None:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=1.0)
