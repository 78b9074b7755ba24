"""Tokens whose turn has come, as jobs of pgqueuer in a schema of their own: the only place that knows pgqueuer.

One connection per replica, apart from the pool: signs of life must not queue behind pulls. The queue can be refilled
from syncd.tokens at any time, and yet it is to outlive a crash of the server: else others take the tokens of those who
are at work, and for a moment two of them ask with one. pgqueuer writes three rows into its own log per job, which
nobody reads; that is UNLOGGED.
Transaction pooling will do (no LISTEN, no session locks but when the tables are made).
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.models import Job
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.queries import Queries
from pgqueuer.types import QueueEntrypoint, QueueManagerId

from syncd.errors import DatabaseUnusable
from syncd.postgres.faults import translated
from syncd.postgres.migrate import exclusively
from syncd.postgres.pool import COMMAND_TIMEOUT_S
from syncd.postgres.sql import queries

OFFERS = 1000
"""Jobs made at a time."""

_SETTINGS = DBSettings(db_schema="syncd_queue", durability=Durability.balanced)
_LANES = {False: QueueEntrypoint("pull"), True: QueueEntrypoint("pull_again")}
"""Entry points: tokens that did well last time, and others."""


def _queue(connection: Any) -> Queries:
    queue = Queries.from_asyncpg_connection(connection)
    queue.qbe, queue.qbq = QueryBuilderEnvironment(_SETTINGS), QueryQueueBuilder(_SETTINGS)
    return queue


async def install(connection: Any, *, may_create: bool) -> None:
    """Make pgqueuer's tables, or bring them up to date; they were UNLOGGED once.

    Raises:
        DatabaseUnusable: they are not there, and `may_create` is False.
    """
    queue = _queue(connection)
    if not await queue.schema_is_installed():
        if not may_create:
            raise DatabaseUnusable("[database] migrate is false and the queue has no tables: run `syncd migrate`")
        async with exclusively(connection):
            if not await queue.schema_is_installed():
                await queue.install()
                await connection.execute(queries()["grant_queue"])
    if may_create and await connection.fetchval(queries()["is_queue_volatile"]):
        async with exclusively(connection):
            await queue.alter_durability()
    if may_create and (await queue.plan_upgrade()).statements:
        await queue.upgrade()


class Jobs:
    """One replica's view of the queue. Every method raises DatabaseError."""

    def __init__(self, url: str, where: str, heartbeat_s: float) -> None:
        """`heartbeat_s`: a job is anybody's when its replica has been silent for so long."""
        self._url = url
        self._where = where
        self._heartbeat = timedelta(seconds=heartbeat_s)
        self._replica = QueueManagerId(uuid.uuid4())
        self._connection: asyncpg.Connection[Any] | None = None
        self._turn = asyncio.Lock()

    async def offer(self) -> None:
        """A job for every token whose turn has come, unless it has one."""
        async with self._connected() as (connection, queue):
            rows = await connection.fetch(queries()["queue_tokens"], OFFERS)
            if rows:
                names = [row["name"] for row in rows]
                lanes: list[str] = [_LANES[row["is_suspect"]] for row in rows]
                payloads: list[bytes | None] = [name.encode() for name in names]
                keys: list[str | None] = list(names)
                await queue.enqueue(lanes, payloads, [0] * len(names), dedupe_key=keys, on_conflict="skip")

    async def take(self, limit: int, *, suspect: bool) -> dict[str, Job]:
        """At most `limit` jobs of a lane, now ours: token -> job. A job whose turn is over already is done with."""
        async with self._connected() as (connection, queue):
            taken = await queue.dequeue(
                batch_size=limit,
                entrypoints={_LANES[suspect]: EntrypointExecutionParameter(concurrency_limit=0)},
                queue_manager_id=self._replica,
                global_concurrency_limit=None,
                heartbeat_timeout=self._heartbeat,
            )
            jobs = {job.payload.decode(): job for job in taken if job.payload is not None}
            due = {row["name"] for row in await connection.fetch(queries()["still_due"], list(jobs))}
            over = [job for name, job in jobs.items() if name not in due]
            if over:
                await queue.log_jobs([(job, "canceled", None) for job in over])
            return {name: job for name, job in jobs.items() if name in due}

    async def keep(self, jobs: Collection[Job]) -> set[int]:
        """Show life for these jobs; the ids of those that are still ours. The others are not touched."""
        async with self._connected() as (connection, queue):
            rows = await connection.fetch(queries()["own_jobs"], [job.id for job in jobs], self._replica)
            own = [job.id for job in jobs if job.id in {row["id"] for row in rows}]
            if own:
                await queue.update_heartbeat(own)
            return set(own)

    async def finish(self, jobs: Collection[Job]) -> None:
        """These jobs are over."""
        async with self._connected() as (_, queue):
            await queue.log_jobs([(job, "successful", None) for job in jobs])

    async def forget_log(self) -> None:
        """Empty pgqueuer's own log."""
        async with self._connected() as (_, queue):
            await queue.clear_queue_log()

    async def close(self) -> None:
        """Leave; jobs that are not finished go to others when they have been silent for long enough."""
        async with self._turn:
            await self._hang_up()

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=1.0)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple["asyncpg.Connection[Any]", Queries]]:
        """The connection, one at a time: pulls end while a turn is at work."""
        async with self._turn, self._opened() as connection:
            yield connection, _queue(connection)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        try:
            with translated(self._where):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(
                        self._url,
                        command_timeout=COMMAND_TIMEOUT_S,
                        server_settings={"application_name": "syncd replica"},
                    )
                yield self._connection
        except BaseException:
            await self._hang_up()
            raise
