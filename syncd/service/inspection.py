"""Looking at the mirror and at what it stands on, and deciding about it, without pulling."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from syncd.config import Settings
from syncd.errors import ConfigError, DatabaseUnusable
from syncd.postgres.migrate import create_roles, pending
from syncd.postgres.registry import Registry
from syncd.service.database import apply_pending, database_url, ensure_queue, open_database
from syncd.telemetry.logs import Log

APPROVAL_VALID_FOR = timedelta(hours=24)
REJECTION_VALID_FOR = timedelta(days=365)
"""An approval is for the deletions of now. A rejection keeps its peace until the set changes, or for a year."""


@asynccontextmanager
async def open_registry(settings: Settings, log: Log) -> AsyncIterator[Registry]:
    """The token table and what hangs on it; the schema is left as it is. Raises DatabaseError."""
    async with (
        database_url(settings, exclusive=False) as url,
        open_database(settings, url, log, patient=False, schema=False) as database,
    ):
        async with database.connection() as connection:
            if await pending(connection):
                raise DatabaseUnusable(f"PostgreSQL at {database.where}: the schema is behind: run `syncd migrate`")
        yield Registry(database)


async def read_status(settings: Settings, log: Log) -> list[dict[str, Any]]:
    """The rows of toggl.sync_status, in rank order. Raises DatabaseError."""
    async with open_registry(settings, log) as registry:
        return await registry.status()


async def read_held_deletes(settings: Settings, log: Log) -> list[dict[str, Any]]:
    """Deletions that wait for a person, oldest first. Raises DatabaseError."""
    async with open_registry(settings, log) as registry:
        return await registry.held_deletes()


async def decide_deletes(
    settings: Settings, log: Log, hashes: Sequence[str] | None, decision: Literal["approve", "reject"]
) -> list[dict[str, Any]]:
    """Approve or reject held-back sets, or with None all; effective at the tokens' next pull, which is due now.

    Raises:
        ConfigError: a hash that nothing is held back under; no decision is noted then.
        DatabaseError.
    """
    async with open_registry(settings, log) as registry:
        known = {row["hash"] for row in await registry.held_deletes()}
        unknown = [hash_ for hash_ in hashes or [] if hash_ not in known]
        if unknown:
            raise ConfigError([f"{hash_}: no deletions are held back under this hash; see `syncd deletes list`"
                               for hash_ in unknown])  # fmt: skip
        valid_for = APPROVAL_VALID_FOR if decision == "approve" else REJECTION_VALID_FOR
        return await registry.decide(hashes, decision, valid_for)


async def read_quarantine(settings: Settings, log: Log, names: Sequence[str]) -> list[dict[str, Any]]:
    """What is in quarantine, of the named tokens or of all. Raises DatabaseError."""
    async with open_registry(settings, log) as registry:
        return await registry.quarantine(list(names) or None)


async def pull_soon(settings: Settings, log: Log, names: Sequence[str], *, quarantined: bool = False) -> list[str]:
    """Let tokens compare everything at their next pull, which is due now; which ones.

    `names`: these, or all. `quarantined`: of those only the ones that have records in quarantine.

    Raises:
        ConfigError: a name that the database does not know.
        DatabaseError.
    """
    async with open_registry(settings, log) as registry:
        known = await registry.names()
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError([f"--token {name}: the database knows no such token" for name in unknown])
        chosen = list(names) or known
        if quarantined:
            affected = {row["token"] for row in await registry.quarantine(chosen)}
            chosen = [name for name in chosen if name in affected]
        await registry.pull_soon(chosen)
        return chosen


class Migrated(NamedTuple):
    """`names` of the files applied, or pending. `roles`: made, or not for us to make, or not asked for (None)."""

    names: list[str]
    roles: bool | None


async def bring_up_to_date(settings: Settings, log: Log, *, dry_run: bool, roles: bool) -> Migrated:
    """Apply pending migrations, or with `dry_run` only look; make the `roles`, too, if asked to.

    Raises:
        DatabaseUnavailable, DatabaseUnusable.
    """
    async with (
        database_url(settings, exclusive=False) as url,
        open_database(settings, url, log, patient=False, schema=False) as database,
        database.connection() as connection,
    ):
        if dry_run:
            return Migrated([file.name for file in await pending(connection)], False if roles else None)
        names = await apply_pending(connection, database.where, log)
        made = await create_roles(connection) if roles else None
        await ensure_queue(settings, connection)
        return Migrated(names, made)
