"""Brings the schema up to date: numbered files, each in one transaction of its own, applied by exactly one process.

The lock is a transaction's, taken anew for every file, so it works behind a transaction pooler and a dead holder
leaves nothing behind. Files only ever add: the previous release keeps working on the new schema.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

import asyncpg

from syncd.errors import DatabaseUnavailable, DatabaseUnusable
from syncd.postgres.sql import Migration, migrations, queries, roles

OLDEST_SERVER = 150000
LOCK_POLL_S = 0.1
LOCK_TRIES = 600
TABLE_TRIES = 30

Step = Literal["start", "lock_timeout", "applied"]
OnStep = Callable[[Step, Migration, Sequence[str]], None]
"""Told how a file fares; of a table that cannot be had, once and with who holds tables of ours."""
Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"


async def pending(connection: Connection, known: Sequence[Migration] | None = None) -> list[Migration]:
    """Migrations that the database lacks.

    Raises:
        DatabaseUnusable: a server older than 15, a database newer than this program, or a file that was edited after
            it was applied.
    """
    known = migrations() if known is None else known
    server = await connection.fetchval(queries()["server_version"])
    if server < OLDEST_SERVER:
        raise DatabaseUnusable(f"PostgreSQL {server // 10000} is too old: syncd needs 15 or later")
    if not await connection.fetchval(queries()["migrations_exist"]):
        return list(known)
    applied = await connection.fetch(queries()["applied_migrations"])
    if len(applied) > len(known):
        raise DatabaseUnusable(
            f"the database is at schema version {applied[-1]['version']}, this syncd knows {len(known)}: upgrade syncd"
        )
    for row, file in zip(applied, known, strict=False):
        if row["checksum"] != file.checksum:
            raise DatabaseUnusable(
                f"migration {file.name} was edited after it was applied here: restore the released file"
            )
    return list(known[len(applied) :])


async def migrate(
    connection: Connection,
    *,
    on_step: OnStep = lambda _step, _file, _blockers: None,
    known: Sequence[Migration] | None = None,
) -> int:
    """Apply what is pending, oldest first; how many files this process applied.

    Raises:
        DatabaseUnusable: see `pending`.
        DatabaseUnavailable: another process migrates, or holds a table, for longer than we care to wait.
    """
    count = 0
    while todo := await pending(connection, known):
        if await _apply_first(connection, todo[0], known, on_step):
            on_step("applied", todo[0], ())
            count += 1
    return count


async def create_roles(connection: Connection) -> bool:
    """Make the roles and give them their rights; False if that is not for us to do."""
    try:
        async with connection.transaction():
            await connection.execute(roles())
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


async def _apply_first(
    connection: Connection, file: Migration, known: Sequence[Migration] | None, on_step: OnStep
) -> bool:
    """Apply `file`; False if another process did in the meantime."""
    for attempt in range(TABLE_TRIES):
        try:
            async with connection.transaction():
                await _lock(connection)
                await _act_as_owner(connection)
                await connection.execute(queries()["create_migrations"])
                if file not in await pending(connection, known):
                    return False
                if attempt == 0:
                    on_step("start", file, ())
                await connection.execute(queries()["bound_lock_wait"])
                await connection.execute(file.text)
                await connection.execute(queries()["record_migration"], file.version, file.name, file.checksum)
                return True
        except asyncpg.LockNotAvailableError:
            if attempt == 0:
                on_step("lock_timeout", file, [row["who"] for row in await connection.fetch(queries()["blockers"])])
            await asyncio.sleep(LOCK_POLL_S)
    raise DatabaseUnavailable(f"migration {file.name}: a long transaction holds a table it needs; try again later")


@asynccontextmanager
async def exclusively(connection: Connection) -> AsyncIterator[None]:
    """A transaction as the owner, while no other process changes the schema."""
    async with connection.transaction():
        await _lock(connection)
        await _act_as_owner(connection)
        yield


async def _act_as_owner(connection: Connection) -> None:
    if owner := await connection.fetchval(queries()["owner_to_act_as"]):
        await connection.execute(queries()["act_as"], owner)


async def _lock(connection: Connection) -> None:
    for _ in range(LOCK_TRIES):
        if await connection.fetchval(queries()["try_migration_lock"]):
            return
        await asyncio.sleep(LOCK_POLL_S)
    raise DatabaseUnavailable("another process has been migrating this database for a minute; try again later")
