"""What BI finds in schema toggl."""

from typing import Any

import asyncpg
import pytest

METADATA = {"deleted_at", "_first_seen_at", "_valid_from", "_synced_at", "_pull_id", "_is_stub"}


@pytest.fixture
async def connection(migrated_url: str) -> Any:
    connection = await asyncpg.connect(migrated_url)
    yield connection
    await connection.close()


async def test_everything_has_a_comment(connection: Any) -> None:
    """Schemas, tables, views, sequences, functions, and every column: of the contract and of the machinery."""
    bare = await connection.fetch("""
        SELECT c.relname, a.attname FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped
        WHERE c.relnamespace IN ('toggl'::regnamespace, 'syncd'::regnamespace) AND c.relkind IN ('r', 'v')
          AND col_description(c.oid, a.attnum) IS NULL
        UNION ALL
        SELECT c.relname, NULL FROM pg_class c
        WHERE c.relnamespace IN ('toggl'::regnamespace, 'syncd'::regnamespace) AND c.relkind IN ('r', 'v', 'S')
          AND obj_description(c.oid, 'pg_class') IS NULL
        UNION ALL
        SELECT proname, NULL FROM pg_proc
        WHERE pronamespace IN ('toggl'::regnamespace, 'syncd'::regnamespace) AND obj_description(oid, 'pg_proc') IS NULL
        UNION ALL
        SELECT nspname, NULL FROM pg_namespace
        WHERE nspname IN ('toggl', 'syncd') AND obj_description(oid, 'pg_namespace') IS NULL""")
    assert [tuple(row) for row in bare] == []


async def test_times_carry_their_zone_and_money_is_exact(connection: Any) -> None:
    """timestamptz and numeric, nowhere timestamp, money or float; whole counts are integers."""
    rows = await connection.fetch("SELECT data_type, count(*) FROM information_schema.columns "
                                  "WHERE table_schema = 'toggl' GROUP BY 1")  # fmt: skip
    types = {row["data_type"] for row in rows}
    assert types == {"bigint", "text", "boolean", "numeric", "timestamp with time zone", "date", "jsonb", "integer"}


async def test_keys_are_real(connection: Any) -> None:
    """What BI tools read to draw their joins."""
    rows = await connection.fetch("""
        SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent
        FROM pg_constraint WHERE contype = 'f' AND connamespace = 'toggl'::regnamespace""")
    assert {tuple(row) for row in rows} == {
        ("toggl.clients", "toggl.workspaces"),
        ("toggl.projects", "toggl.workspaces"),
        ("toggl.projects", "toggl.clients"),
        ("toggl.tags", "toggl.workspaces"),
    }


async def test_metadata_is_on_every_table(connection: Any) -> None:
    """The same names everywhere."""
    for table in ("workspaces", "clients", "projects", "tags"):
        rows = await connection.fetch("SELECT column_name FROM information_schema.columns "
                                      "WHERE table_schema = 'toggl' AND table_name = $1", table)  # fmt: skip
        assert {row["column_name"] for row in rows} >= METADATA


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-1", "1e13"])
async def test_no_amount_can_poison_a_sum(connection: Any, amount: str) -> None:
    """Whoever writes it."""
    await connection.execute("INSERT INTO toggl.workspaces VALUES (1, 'w', NULL, now(), now(), now(), 1)")
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute(
            "INSERT INTO toggl.clients (id, workspace_id, name, at, hourly_rate, _first_seen_at, _valid_from, "
            "_synced_at, _pull_id, _change_kind) "
            f"VALUES (1, 1, 'c', now(), '{amount}', now(), now(), now(), 1, 'insert')"
        )


async def test_the_machinery_is_closed_to_others(connection: Any) -> None:
    """A role that may read toggl may not look into syncd."""
    await connection.execute("CREATE ROLE analyst; GRANT USAGE ON SCHEMA toggl TO analyst; "
                             "GRANT SELECT ON ALL TABLES IN SCHEMA toggl TO analyst")  # fmt: skip
    try:
        await connection.execute("SET ROLE analyst")
        assert await connection.fetch("SELECT * FROM toggl.sync_status") == []
        assert await connection.fetch("SELECT * FROM toggl.clients_history") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM syncd.tokens")
    finally:
        await connection.execute("RESET ROLE; DROP OWNED BY analyst; DROP ROLE analyst")
