"""The three roles: what each may do, and that the service and later migrations live with them."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from syncd.postgres.migrate import create_roles, migrate
from syncd.postgres.sql import Migration, migrations

PASSWORD = "of-this-test-only"
ROW = "(id, name, _first_seen_at, _valid_from, _synced_at, _pull_id) VALUES (1, 'w', now(), now(), now(), 1)"
RELATIONS = "SELECT relname FROM pg_class WHERE relnamespace = 'toggl'::regnamespace AND relkind IN ('r', 'v')"
VERBS = {
    "select": "SELECT * FROM {schema}.{table}",
    "insert": "INSERT INTO {schema}.{table} {row}",
    "update": "UPDATE {schema}.{table} SET {column} = {column}",
    "delete": "DELETE FROM {schema}.{table}",
    "truncate": "TRUNCATE {schema}.{table} CASCADE",
    "alter": "ALTER TABLE {schema}.{table} ADD COLUMN planted text",
    "create": "CREATE TABLE {schema}.planted (id integer)",
    "drop": "DROP TABLE {schema}.{table} CASCADE",
    "function": "CREATE FUNCTION {schema}.now() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
}
MAY = {
    ("syncd_owner", "toggl"): set(VERBS),
    ("syncd_owner", "syncd"): set(VERBS),
    ("syncd_writer", "toggl"): {"select", "insert", "update", "delete"},
    ("syncd_writer", "syncd"): {"select", "insert", "update", "delete"},
    ("syncd_reader", "toggl"): {"select"},
    ("syncd_reader", "syncd"): set(),
}


def as_user(url: str, user: str) -> str:
    """The same database, seen by another user."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{PASSWORD}@{parts.hostname}:{parts.port}"))


@pytest.fixture
async def admin(migrated_url: str) -> AsyncIterator[Any]:
    """A superuser's connection to a database with roles whose passwords are set."""
    connection = await asyncpg.connect(migrated_url)
    assert await create_roles(connection)
    for role in ("syncd_writer", "syncd_reader"):
        await connection.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    yield connection
    await connection.close()


async def allowed(connection: Any, statement: str) -> bool:
    """Whether a statement may be carried out; it is not."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError):
        return False
    finally:
        await transaction.rollback()
    return True


@pytest.mark.parametrize(("role", "schema"), MAY)
async def test_each_role_may_do_what_it_is_for(admin: Any, role: str, schema: str) -> None:
    table, column = ("workspaces", "name") if schema == "toggl" else ("migrations", "name")
    row = ROW if schema == "toggl" else "(version, name, checksum) VALUES (99, 'x', 'x')"
    await admin.execute(f"SET ROLE {role}")
    places = {"schema": schema, "table": table, "column": column, "row": row}
    assert {verb for verb, text in VERBS.items() if await allowed(admin, text.format(**places))} == MAY[role, schema]
    await admin.execute("RESET ROLE")


@pytest.mark.parametrize("role", ["syncd_writer", "syncd_reader"])
async def test_nobody_can_plant_what_others_would_run(admin: Any, role: str) -> None:
    """Not in schema public either; and the roles look in no schema where others may create."""
    await admin.execute(f"SET ROLE {role}")
    assert not await allowed(admin, "CREATE FUNCTION public.now() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    assert not await allowed(admin, "CREATE SCHEMA planted")
    await admin.execute("RESET ROLE")


async def test_the_reader_reads_every_relation_of_the_contract(admin: Any, migrated_url: str) -> None:
    """Read-only, for a minute at most, in UTC."""
    relations = [row["relname"] for row in await admin.fetch(RELATIONS)]
    reader = await asyncpg.connect(as_user(migrated_url, "syncd_reader"))
    try:
        for relation in relations:
            await reader.fetch(f"SELECT * FROM toggl.{relation}")
        shown = [await reader.fetchval(f"SHOW {name}") for name in
                 ("default_transaction_read_only", "statement_timeout", "timezone", "search_path")]  # fmt: skip
        assert shown == ["on", "1min", "UTC", "pg_catalog, toggl"]
        await reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("DELETE FROM toggl.clients")
    finally:
        await reader.close()


async def test_roles_can_be_made_again(admin: Any) -> None:
    assert await create_roles(admin)


async def test_what_a_later_migration_adds_has_the_same_rights(admin: Any, migrated_url: str) -> None:
    """Also if an ordinary user applies it, who may act as the owner."""
    await admin.execute(
        f"DROP ROLE IF EXISTS migrator; CREATE ROLE migrator LOGIN PASSWORD '{PASSWORD}' IN ROLE syncd_owner"
    )
    known = migrations()
    later = Migration(len(known) + 1, f"{len(known) + 1:04}_later", "CREATE TABLE toggl.tags (id bigint PRIMARY KEY)")
    connection = await asyncpg.connect(as_user(migrated_url, "migrator"))
    try:
        assert await migrate(connection, known=[*known, later]) == 1
    finally:
        await connection.close()
    owner = await admin.fetchval("SELECT relowner::regrole::text FROM pg_class WHERE oid = 'toggl.tags'::regclass")
    rights = [
        await admin.fetchval("SELECT has_table_privilege($1, 'toggl.tags', $2)", role, verb)
        for role, verb in (("syncd_reader", "SELECT"), ("syncd_writer", "INSERT"), ("syncd_reader", "INSERT"))
    ]
    assert (owner, rights) == ("syncd_owner", [True, True, False])
