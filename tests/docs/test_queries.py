"""Every answer in docs/queries.md is the one that its query gives."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from tests.docs.cookbook import AGENCY, FROZEN, SESSION, Recipe, headings, recipes, shown
from tests.postgres_fixture import Cluster

RECIPES = recipes()


@pytest.fixture(scope="module")
def agency_url(cluster: Cluster, migrated_template: str) -> Iterator[str]:
    """A database in which it is always the same day."""
    url = cluster.create(migrated_template)
    cluster.fill(url, f"SET timezone = 'UTC';\n{AGENCY.read_text('utf-8')}{FROZEN}")
    yield url
    cluster.drop(url)


@pytest.fixture
async def connection(agency_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(agency_url)
    await connection.execute(SESSION)
    yield connection
    await connection.close()


def test_every_question_has_a_query_and_an_answer() -> None:
    """None is left out of what follows."""
    assert [recipe.question for recipe in RECIPES] == headings()
    assert len(RECIPES) >= 15


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.question)
async def test_the_answer_is_right(connection: Any, recipe: Recipe) -> None:
    """As a reader of schema toggl gets it, columns and rows in their order."""
    assert "syncd." not in recipe.query
    statement = await connection.prepare(recipe.query)
    rows = await statement.fetch()
    assert recipe.answer == shown(rows, [column.name for column in statement.get_attributes()])
