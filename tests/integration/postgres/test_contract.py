"""The contract with BI, held against what the migrations make."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from syncd.postgres.contract import Relation, breaches, read_contract
from syncd.postgres.reference import CONTRACT, FILES, key, words
from syncd.records import Client, Project

DOCS = Path(__file__).parents[3] / "docs"
MIRRORED: dict[str, type[Client | Project]] = {"clients": Client, "projects": Project}


@pytest.fixture
async def connection(migrated_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(migrated_url)
    yield connection
    await connection.close()


@pytest.fixture
async def contract(connection: Any) -> list[Relation]:
    return await read_contract(connection)


async def test_no_report_breaks(contract: list[Relation]) -> None:
    """What was published stays; only additions are free."""
    published = msgspec.json.decode((DOCS / CONTRACT).read_bytes(), type=list[Relation])
    assert breaches(published, contract) == []


@pytest.mark.parametrize("name", FILES)
async def test_page_is_up_to_date(contract: list[Relation], name: str) -> None:
    """Else: make docs."""
    assert (DOCS / name).read_text(encoding="utf-8") == FILES[name](contract)


async def test_every_column_says_when_it_is_null(contract: list[Relation]) -> None:
    """Tables by what the server enforces; views by their comments, which repeat it for what they pass on."""
    wrong = [
        (relation.name, column.name)
        for relation in contract
        for column in relation.columns
        if column.nullable != (words(column).null is not None)
    ]
    assert wrong == []


async def test_every_mirrored_column_has_the_name_that_the_api_gives_it(contract: list[Relation]) -> None:
    """In tables and views alike."""
    for plural, record in MIRRORED.items():
        fields = {field.name for field in msgspec.structs.fields(record)} - {"extra"}
        for relation in contract:
            if relation.name.startswith(plural):
                named = {column.name for column in relation.columns if words(column).api}
                assert named == fields, relation.name


async def test_every_relation_has_a_key(contract: list[Relation]) -> None:
    """Of columns that it has, and that are never NULL."""
    for relation in contract:
        columns = [relation.column(name) for name in key(relation)]
        assert columns, relation.name
        assert [column for column in columns if column is None or column.nullable] == [], relation.name


async def test_views_show_no_json(contract: list[Relation]) -> None:
    """Drivers of BI tools call it text, of 255 characters; nor arrays, nor types of our own."""
    types = {column.type for relation in contract if relation.kind == "view" for column in relation.columns}
    assert types <= {"bigint", "integer", "text", "boolean", "numeric(18,4)", "timestamp with time zone", "date"}


ROWS = """
INSERT INTO toggl.workspaces (id, name, _first_seen_at, _valid_from, _synced_at, _pull_id, _is_stub)
VALUES (1, 'w', now(), now(), now(), 1, false), (2, NULL, now(), now(), now(), 1, true);
INSERT INTO toggl.clients (id, workspace_id, name, at, hourly_rate, currency, deleted_at, _is_stub, _first_seen_at,
                           _valid_from, _synced_at, _pull_id, _change_kind)
SELECT id, 1, name, at, rate, currency, deleted_at, name IS NULL, now(), now(), now(), 1, 'insert'
FROM (VALUES (1, 'live', timestamptz '2025-01-01T23:30:00-02:00', 50, 'EUR', NULL::timestamptz),
             (2, 'gone', now(), 60, 'USD', now()),
             (3, NULL, NULL, NULL, NULL, NULL)) c (id, name, at, rate, currency, deleted_at);
INSERT INTO toggl.projects (id, workspace_id, client_id, name, at, rate, currency, deleted_at, _first_seen_at,
                            _valid_from, _synced_at, _pull_id, _change_kind)
SELECT id, workspace_id, client_id, 'p', now(), rate, currency, deleted_at, now(), now(), now(), 1, 'insert'
FROM (VALUES (1, 1, 1, NULL::numeric, 'CHF', NULL::timestamptz), (2, 1, 1, 70, 'CHF', NULL), (3, 1, 1, 70, NULL, NULL),
             (4, 1, 2, NULL, NULL, NULL), (5, 1, 3, NULL, NULL, NULL), (6, 2, NULL, NULL, 'CHF', NULL),
             (7, 1, 1, 70, 'CHF', now())) p (id, workspace_id, client_id, rate, currency, deleted_at);
INSERT INTO syncd.client_versions (id, workspace_id, name, at, valid_from, valid_to, change_kind, end_kind, pull_id)
VALUES (1, 1, 'was', now(), now() - interval '1 day', now(), 'insert', 'update', 1);
INSERT INTO syncd.project_versions (id, workspace_id, name, at, valid_from, valid_to, change_kind, end_kind, pull_id)
VALUES (1, 1, 'was', now(), now() - interval '1 day', now(), 'insert', 'update', 1);
INSERT INTO toggl.tags (id, workspace_id, name, deleted_at, _first_seen_at, _valid_from, _synced_at, _pull_id,
                        _change_kind)
VALUES (1, 1, 'live', NULL, now(), now(), now(), 1, 'insert'), (2, 1, 'gone', now(), now(), now(), now(), 1, 'insert');
INSERT INTO syncd.tag_versions (id, workspace_id, name, valid_from, valid_to, change_kind, end_kind, pull_id)
VALUES (1, 1, 'was', now() - interval '1 day', now(), 'insert', 'update', 1);
INSERT INTO syncd.changes (pull_id, workspace_id, relation, change_kind, at, ids)
VALUES (1, 1, 'clients', 'insert', now(), '{1}');
INSERT INTO syncd.tokens (name, rank, fingerprint, pull_interval) VALUES ('t', 0, 'f', '5 minutes');
"""
"""As bare as their tables allow: stubs, tombstones, nothing set that need not be."""


async def test_what_is_never_null_never_is(connection: Any, contract: list[Relation]) -> None:
    """In every relation, with rows in it."""
    await connection.execute(ROWS)
    for relation in contract:
        rows = await connection.fetch(f"SELECT * FROM toggl.{relation.name}")
        assert rows, relation.name
        never = [column.name for column in relation.columns if not column.nullable]
        assert [(row, name) for row in rows for name in never if row[name] is None] == []


async def test_a_project_s_rate_is_its_own_or_its_client_s_with_the_currency_of_that_row(connection: Any) -> None:
    """And no project is lost for a parent that is a stub, a tombstone, or not there."""
    await connection.execute(ROWS)
    rows = await connection.fetch(
        "SELECT id, client_name, effective_rate, effective_currency FROM toggl.projects_enriched ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [
        (1, "live", 50, "EUR"), (2, "live", 70, "CHF"), (3, "live", 70, None), (4, "gone", 60, "USD"),
        (5, None, None, None), (6, None, None, "CHF"),
    ]  # fmt: skip


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
async def test_days_are_those_of_utc(connection: Any, zone: str) -> None:
    """Whatever the session's time zone."""
    await connection.execute(ROWS)
    await connection.execute(f"SET timezone = '{zone}'")
    assert await connection.fetchval("SELECT at_date::text FROM toggl.clients_current WHERE id = 1") == "2025-01-02"
