"""The three roles: what each may do, and that the service and later migrations live with them."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from syncd.postgres.migrate import create_roles, migrate
from syncd.postgres.sql import Migration, migrations
from tests.postgres_fixture import name_of

PASSWORD = "of-this-test-only"
RELATIONS = """
SELECT n.nspname AS schema, c.relname AS name, c.relkind = 'v' AS is_view,
       pg_relation_is_updatable(c.oid, false) <> 0 AS is_updatable,
       (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) AS first_column
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('toggl', 'syncd') AND c.relkind IN ('r', 'v')"""

READ, WRITE = {"select"}, {"insert", "update", "delete"}
ON_ANY = {
    "select": "SELECT * FROM {0}",
    "insert": "INSERT INTO {0} DEFAULT VALUES",
    "update": "UPDATE {0} SET {1} = {1} WHERE false",
    "delete": "DELETE FROM {0}",
    "comment": "COMMENT ON {2} {0} IS 'planted'",
    "rename": "ALTER {2} {0} RENAME TO planted",
    "drop": "DROP {2} {0} CASCADE",
}
ON_TABLES = {
    "truncate": "TRUNCATE {0} CASCADE",
    "add column": "ALTER TABLE {0} ADD COLUMN planted text",
    "index": "CREATE INDEX planted ON {0} ({1})",
    "rule": "CREATE RULE planted AS ON DELETE TO {0} DO INSTEAD NOTHING",
}
IN_SCHEMAS = {
    "table": "CREATE TABLE {0}.planted (id integer)",
    "view": "CREATE VIEW {0}.planted AS SELECT 1",
    "function": "CREATE FUNCTION {0}.now() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "drop": "DROP SCHEMA {0} CASCADE",
}
EVERYTHING = {*ON_ANY, *ON_TABLES}
MAY = {
    ("syncd_owner", "toggl"): EVERYTHING,
    ("syncd_owner", "syncd"): EVERYTHING,
    ("syncd_writer", "toggl"): READ | WRITE,
    ("syncd_writer", "syncd"): READ | WRITE,
    ("syncd_reader", "toggl"): READ,
    ("syncd_reader", "syncd"): set[str](),
}
REFUSALS = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a view of which nobody could say which rows to write
)


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
    """Whether a statement may be carried out; it is not. That the row breaks a rule of its table is another matter."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except REFUSALS:
        return False
    except asyncpg.IntegrityConstraintViolationError:
        return True
    finally:
        await transaction.rollback()
    return True


@pytest.mark.parametrize(("role", "schema"), MAY)
async def test_each_role_may_do_what_it_is_for(admin: Any, role: str, schema: str) -> None:
    """Every relation, every verb."""
    relations = [relation for relation in await admin.fetch(RELATIONS) if relation["schema"] == schema]
    assert len(relations) > 5
    await admin.execute(f"SET ROLE {role}")
    found, expected = {}, {}
    for relation in relations:
        name, kind = f"{schema}.{relation['name']}", "VIEW" if relation["is_view"] else "TABLE"
        verbs = ON_ANY if relation["is_view"] else ON_ANY | ON_TABLES
        places = name, relation["first_column"], kind
        found[name] = {verb for verb, text in verbs.items() if await allowed(admin, text.format(*places))}
        expected[name] = MAY[role, schema].intersection(verbs) - (set() if relation["is_updatable"] else WRITE)
    assert found == expected
    await admin.execute("RESET ROLE")


@pytest.mark.parametrize("schema", ["toggl", "syncd"])
async def test_the_owner_alone_changes_schemas(admin: Any, schema: str) -> None:
    """Nobody else makes anything in them, that others might run, or removes them."""
    found = {}
    for role in ("syncd_owner", "syncd_writer", "syncd_reader"):
        await admin.execute(f"SET ROLE {role}")
        found[role] = {verb for verb, text in IN_SCHEMAS.items() if await allowed(admin, text.format(schema))}
        await admin.execute("RESET ROLE")
    assert found == {"syncd_owner": set(IN_SCHEMAS), "syncd_writer": set(), "syncd_reader": set()}


@pytest.mark.parametrize("role", ["syncd_writer", "syncd_reader"])
async def test_nobody_can_plant_what_others_would_run(admin: Any, role: str) -> None:
    """Not in schema public either; and the roles look in no schema where others may create."""
    await admin.execute(f"SET ROLE {role}")
    assert not await allowed(admin, "CREATE FUNCTION public.now() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    assert not await allowed(admin, "CREATE SCHEMA planted")
    await admin.execute("RESET ROLE")


SETTINGS = {
    "default_transaction_read_only": "on", "statement_timeout": "1min", "idle_in_transaction_session_timeout": "1min",
    "timezone": "UTC", "search_path": "pg_catalog, toggl",
}  # fmt: skip


async def test_the_reader_reads_every_relation_of_the_contract(admin: Any, migrated_url: str) -> None:
    """Read-only, for a minute at most, in UTC, and not in any number."""
    relations = [row["name"] for row in await admin.fetch(RELATIONS) if row["schema"] == "toggl"]
    reader = await asyncpg.connect(as_user(migrated_url, "syncd_reader"))
    try:
        for relation in relations:
            await reader.fetch(f"SELECT * FROM {relation}")
        assert {name: await reader.fetchval(f"SHOW {name}") for name in SETTINGS} == SETTINGS
        limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'syncd_reader'"
        assert await reader.fetchval(limit) == 50
        await reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("DELETE FROM toggl.clients")
    finally:
        await reader.close()


async def test_roles_can_be_made_again(admin: Any) -> None:
    """What an administrator has set meanwhile stays."""
    await admin.execute(
        "ALTER ROLE syncd_reader CONNECTION LIMIT 7; ALTER ROLE syncd_reader SET statement_timeout = '5min'"
    )
    try:
        assert await create_roles(admin)
        row = await admin.fetchrow("SELECT rolconnlimit, rolconfig FROM pg_roles WHERE rolname = 'syncd_reader'")
        assert (row["rolconnlimit"], "statement_timeout=5min" in row["rolconfig"]) == (7, True)
    finally:
        await admin.execute(
            "ALTER ROLE syncd_reader CONNECTION LIMIT -1; ALTER ROLE syncd_reader RESET statement_timeout"
        )
    assert await create_roles(admin)


async def test_the_writer_needs_nothing_that_the_public_may_do(admin: Any, migrated_url: str) -> None:
    """Where an administrator took that away it gets in and does its work, for which it makes no tables."""
    await admin.execute(f'REVOKE ALL ON DATABASE "{name_of(migrated_url)}" FROM PUBLIC')
    writer = await asyncpg.connect(as_user(migrated_url, "syncd_writer"))
    assert await writer.fetchval("SELECT count(*) FROM syncd.tokens") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await writer.execute("CREATE TEMPORARY TABLE staged (id bigint)")
    await writer.close()


@pytest.fixture
async def migrator(admin: Any, migrated_url: str) -> AsyncIterator[Any]:
    """An ordinary user who may act as the owner."""
    await admin.execute(
        f"DROP ROLE IF EXISTS migrator; CREATE ROLE migrator LOGIN PASSWORD '{PASSWORD}' IN ROLE syncd_owner"
    )
    connection = await asyncpg.connect(as_user(migrated_url, "migrator"))
    yield connection
    await connection.close()


def later(text: str) -> list[Migration]:
    """Our migrations and one more."""
    number = len(migrations()) + 1
    return [*migrations(), Migration(number, f"{number:04}_later", text)]


async def test_what_a_later_migration_adds_has_the_same_rights(admin: Any, migrator: Any) -> None:
    """Without a further grant, whoever applies it."""
    known = later(
        "CREATE TABLE toggl.tasks (id bigint PRIMARY KEY); CREATE VIEW toggl.tasks_current AS TABLE toggl.tasks"
    )
    assert await migrate(migrator, known=known) == 1
    for name in ("toggl.tasks", "toggl.tasks_current"):
        owner = await admin.fetchval(
            "SELECT relowner::regrole::text FROM pg_class WHERE oid = $1::text::regclass", name
        )
        rights = [
            await admin.fetchval("SELECT has_table_privilege($1, $2, $3)", role, name, verb)
            for role, verb in (("syncd_reader", "SELECT"), ("syncd_writer", "INSERT"), ("syncd_reader", "INSERT"))
        ]
        assert (owner, rights) == ("syncd_owner", [True, True, False])


async def test_a_migration_knows_for_how_long_a_report_is_open(
    migrator: Any, migrated_url: str, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of other roles the server would tell nobody but an administrator."""
    monkeypatch.setattr("syncd.postgres.migrate.TABLE_PAUSE_S", 0)
    told: list[str] = []
    reader = await asyncpg.connect(as_user(migrated_url, "syncd_reader"))
    transaction = reader.transaction()
    await transaction.start()
    await reader.fetch("SELECT * FROM projects_current")

    def on_step(_step: str, _file: Migration, blockers: Sequence[str]) -> None:
        told.extend(blockers)
        if blockers:
            ended.append(asyncio.create_task(transaction.rollback()))

    ended: list[asyncio.Task[None]] = []
    known = later("ALTER TABLE toggl.projects ADD COLUMN later text")
    assert await migrate(migrator, on_step=on_step, known=known) == 1
    (blocker,) = told
    assert re.fullmatch(rf"process {reader.get_server_pid()} of role syncd_reader, for \d+ s", blocker)
    await reader.close()


async def test_who_owned_the_schemas_goes_on_as_before(database_url: str) -> None:
    """Also if somebody else made the roles, who may."""
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"DROP ROLE IF EXISTS before; CREATE ROLE before LOGIN PASSWORD '{PASSWORD}'")
    await admin.execute(f'GRANT CREATE ON DATABASE "{name_of(database_url)}" TO before')
    before = await asyncpg.connect(as_user(database_url, "before"))
    await migrate(before)
    assert not await create_roles(before)
    assert await create_roles(admin)
    assert await migrate(before, known=later("ALTER TABLE toggl.projects ADD COLUMN later text")) == 1
    await asyncio.gather(before.close(), admin.close())


async def test_an_ordinary_owner_who_may_make_roles_does(database_url: str) -> None:
    """Nobody is a superuser on a managed server."""
    admin = await asyncpg.connect(database_url)
    await admin.execute("DROP ROLE IF EXISTS syncd_owner, syncd_writer, syncd_reader, manager")
    await admin.execute(f"CREATE ROLE manager LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
    await admin.execute(f'ALTER DATABASE "{name_of(database_url)}" OWNER TO manager')
    manager = await asyncpg.connect(as_user(database_url, "manager"))
    await migrate(manager)
    assert await create_roles(manager)
    assert await create_roles(manager)
    assert await migrate(manager, known=later("CREATE TABLE toggl.tasks (id bigint PRIMARY KEY)")) == 1
    assert await admin.fetchval("SELECT has_table_privilege('syncd_reader', 'toggl.tasks', 'SELECT')")
    await asyncio.gather(manager.close(), admin.close())
