"""From the settings to a migrated database: given by URL, or embedded."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import tenacity

from syncd.config import Settings
from syncd.errors import DatabaseUnavailable, DatabaseUnusable
from syncd.postgres.database import Database
from syncd.postgres.embedded import EmbeddedPostgres, default_data_dir
from syncd.postgres.faults import place, translate
from syncd.postgres.migrate import Connection, Step, migrate, pending
from syncd.postgres.pool import open_pool
from syncd.postgres.sql import Migration
from syncd.telemetry import events
from syncd.telemetry.event import Event
from syncd.telemetry.logs import Log

RETRY_MOST_S = 5.0

_STEPS: dict[Step, Event] = {
    "start": events.MIGRATION_START,
    "lock_timeout": events.MIGRATION_LOCK_TIMEOUT,
    "applied": events.MIGRATION_APPLIED,
}


@asynccontextmanager
async def database_url(
    settings: Settings, *, exclusive: bool, on_embedded: Callable[[EmbeddedPostgres], None] = lambda _: None
) -> AsyncIterator[str]:
    """The URL of the configured database, or of the embedded one (told to `on_embedded`), up as long as the block.

    `exclusive`: we are the daemon; no other daemon may use the same data directory.
    """
    if settings.database.url is not None:
        yield settings.database.url.get_secret_value()
        return
    async with await EmbeddedPostgres.open(
        settings.database.data_dir or default_data_dir(os.environ), exclusive=exclusive
    ) as server:
        on_embedded(server)
        yield server.url


@asynccontextmanager
async def open_database(
    settings: Settings, url: str, log: Log, *, patient: bool, schema: bool = True
) -> AsyncIterator[Database]:
    """A database whose schema is up to date, or with `schema` False as it may be.

    Args:
        patient: keep trying for ever while the server is away (the daemon); else give up after [database]
            connect_timeout.

    Raises:
        DatabaseUnavailable: no connection in time.
        DatabaseUnusable: the server refuses us, or the schema is not one that this program can use.
    """
    log.redactor.add_url(url)
    pool = await _connect(settings, url, log, patient=patient)
    try:
        database = Database(pool, place(url))
        if schema:
            await _ensure_schema(settings, database, log, is_service=patient)
        yield database
    finally:
        await _close(pool)


async def _ensure_schema(settings: Settings, database: Database, log: Log, *, is_service: bool) -> None:
    async with database.connection() as connection:
        if settings.database.migrate:
            await apply_pending(connection, database.where, log, is_service=is_service)
        elif await pending(connection):
            raise DatabaseUnusable("[database] migrate is false and the schema is behind: run `syncd migrate`")
        await ensure_queue(settings, connection)


async def ensure_queue(settings: Settings, connection: Connection) -> None:
    """The tables of pgqueuer, where replicas share the work. Raises DatabaseUnusable."""
    if settings.service.dispatcher == "pgqueuer":
        from syncd.postgres import jobs

        await jobs.install(connection, may_create=settings.database.migrate)


async def apply_pending(connection: Connection, where: str, log: Log, *, is_service: bool = False) -> list[str]:
    """Apply what is pending, and tell the log; the names of the files.

    `is_service`: a failure belongs into the log, too; a command says it itself.

    Raises: see `migrate`.
    """
    applied: list[str] = []
    at_work: dict[str, Any] = {}

    def tell(step: Step, file: Migration, blockers: Sequence[str]) -> None:
        at_work.update({"syncd.migration.version": file.version, "syncd.migration.name": file.name})
        log.emit(_STEPS[step], at_work | {"syncd.blockers": list(blockers)} if blockers else at_work)
        if step == "applied":
            applied.append(file.name)
            at_work.clear()

    try:
        await migrate(connection, on_step=tell)
    except Exception as error:
        reason = translate(error, where) or error
        is_ours = at_work or isinstance(reason, DatabaseUnusable)  # else the server was away, which is another story
        if is_service and is_ours:
            log.emit(events.MIGRATION_FAILED, at_work, error=reason)
        raise
    return applied


async def _connect(settings: Settings, url: str, log: Log, *, patient: bool) -> "asyncpg.Pool[Any]":
    timeout_s = settings.database.connect_timeout.total_seconds()

    def report(state: tenacity.RetryCallState) -> None:
        # A command that gives up says so itself, once; only of a daemon would nobody know that it waits.
        if patient and state.attempt_number == 1 and state.outcome is not None:
            error = state.outcome.exception()
            log.emit(events.DB_UNAVAILABLE, {"syncd.attempts": 1, **sqlstate_field(error)}, error=error)

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(DatabaseUnavailable),
        stop=tenacity.stop_never if patient else tenacity.stop_after_delay(timeout_s),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=RETRY_MOST_S),
        before_sleep=report,
        reraise=True,
    )
    try:
        pool: asyncpg.Pool[Any] = await retrying(
            open_pool, url, size=settings.database.pool_size, connect_timeout_s=timeout_s
        )
    except asyncpg.ClientConfigurationError as error:
        raise DatabaseUnusable(f"[database] url: {error}; correct its parameters") from None
    except DatabaseUnavailable as error:
        advice = f"gave up after {timeout_s:g} s; start it, or mend [database] url"
        raise DatabaseUnavailable(f"{error}; {advice}") from None
    if patient and retrying.statistics.get("attempt_number", 1) > 1:
        log.emit(events.DB_RECOVERED, {"syncd.attempts": retrying.statistics["attempt_number"]})
    return pool


def sqlstate_field(error: BaseException | None) -> dict[str, str | None]:
    """What the server said, where it did, for a line of the log."""
    return {"db.response.status_code": getattr(error, "sqlstate", None)}


async def _close(pool: "asyncpg.Pool[Any]") -> None:
    """Close politely for a moment, then cut: a server that vanished must not hold up the exit."""
    try:
        await asyncio.wait_for(pool.close(), timeout=2.0)
    except (TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
        pool.terminate()
