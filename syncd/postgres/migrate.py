"""Brings the schema up to date: numbered files, each in one transaction of its own, applied by exactly one process.

The lock is a transaction's, taken anew for every file, so it works behind a transaction pooler and a dead holder
leaves nothing behind. Files only ever add: the previous release keeps working on the new schema.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

import asyncpg

from syncd.errors import DatabaseUnavailable, DatabaseUnusable
from syncd.postgres.sql import Migration, migrations, queries, roles, statements

OLDEST_SERVER = 150000
LOCK_POLL_S = 0.1
LOCK_TRIES = 600
TABLE_TRIES = 40
TABLE_PAUSE_S = 1.0
"""Twice as long as a try may make readers wait: whoever waited gets its turn before the next one."""

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
    """Make the roles and give them their rights; False if that is not for us to do.

    Raises:
        DatabaseUnavailable: what changes its owner is held by others for longer than we care to wait.
    """

    async def attempt(_number: int) -> bool:
        await _execute(connection, roles())
        return True

    try:
        return await _patiently(connection, "roles.sql", attempt, lambda _blockers: None)
    except asyncpg.InsufficientPrivilegeError:
        return False


async def _apply_first(
    connection: Connection, file: Migration, known: Sequence[Migration] | None, on_step: OnStep
) -> bool:
    """Apply `file`; False if another process did in the meantime."""

    async def attempt(number: int) -> bool:
        await _lock(connection)
        await _act_as_owner(connection)
        if not await connection.fetchval(queries()["migrations_exist"]):  # else nothing more is needed than to own it
            await connection.execute(queries()["create_migrations"])
        if file not in await pending(connection, known):
            return False
        if number == 0:
            on_step("start", file, ())
        await _execute(connection, file.text)
        await connection.execute(queries()["record_migration"], file.version, file.name, file.checksum)
        return True

    return await _patiently(connection, file.name, attempt, lambda who: on_step("lock_timeout", file, who))


async def _patiently(
    connection: Connection,
    name: str,
    attempt: Callable[[int], Awaitable[bool]],
    on_wait: Callable[[Sequence[str]], None],
) -> bool:
    """Try in a transaction, again and again while others hold what it changes.

    It never waits long in the queue for a relation, for every reader would have to wait behind it.
    """
    blockers: list[str] = []
    for number in range(TABLE_TRIES):
        try:
            async with connection.transaction():
                return await attempt(number)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            blockers = await _blockers(connection)
            if number == 0:
                on_wait(blockers)
        await asyncio.sleep(TABLE_PAUSE_S)
    held = f"held by {'; '.join(blockers)}" if blockers else "held by a long transaction"
    raise DatabaseUnavailable(f"{name}: a relation that it changes is {held}; end it, or try again later")


async def _execute(connection: Connection, text: str) -> None:
    """Run a file statement by statement; in all they wait for relations as long as `wait_for_relations` says."""
    await connection.execute(queries()["wait_for_relations"])
    for statement in statements(text):
        await connection.execute(queries()["wait_no_longer"])
        await connection.execute(statement)


async def _blockers(connection: Connection) -> list[str]:
    """Who holds relations of ours."""
    async with connection.transaction():
        await _act_as_owner(connection)
        return [row["who"] for row in await connection.fetch(queries()["blockers"])]


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
