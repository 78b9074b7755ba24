"""The contract with BI, held against what the migrations make."""

import re
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


async def test_the_queries_of_the_page_run(connection: Any) -> None:
    """As they stand there."""
    queries = re.findall(r"```sql\n(.*?)```", (DOCS / "schema.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(queries) >= 3
    for query in queries:
        await connection.fetch(query)
