"""What docs/change-feed.md shows, done."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.docs.pages import blocks, named_blocks
from tests.feed.campaign import run

PAGE = "docs/change-feed.md"
BLOCKS = named_blocks(PAGE, "sql")
(PYTHON,) = blocks(PAGE, "python")
PORTFOLIO = "SELECT * FROM reports.portfolio ORDER BY id"
PROJECTS = "SELECT id, name, client_id, rate, currency FROM toggl.projects_current ORDER BY id"


@pytest.fixture
async def connection(migrated_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(migrated_url)
    yield connection
    await connection.close()


async def test_a_job_in_sql_keeps_up(migrated_url: str, connection: Any) -> None:
    """It takes what changed, and has what the mirror has; in the end it is told that it stayed away too long."""
    await connection.execute("CREATE SCHEMA reports")
    await connection.execute(BLOCKS["begin"])
    await run(migrated_url, commits=40, seed=1)
    assert await connection.fetchval(BLOCKS["check"]) is True
    await connection.execute(BLOCKS["step"])
    projects = await connection.fetch(PROJECTS)
    assert projects
    assert await connection.fetch(PORTFOLIO) == projects
    await connection.execute("UPDATE syncd.feed SET complete_after = position + 1")
    assert await connection.fetchval(BLOCKS["check"]) is False


async def test_versions_and_pages_are_the_whole_feed(migrated_url: str, connection: Any) -> None:
    """Every version finds its content; pages begin anew where the last one ended."""
    await run(migrated_url, commits=40, seed=1)
    versions = await connection.fetch(BLOCKS["versions"], 0)
    assert versions
    assert [row["change_kind"] == "delete" for row in versions] == [row["name"] is None for row in versions]
    pages, place = [], (0, 0)
    while page := await connection.fetch(BLOCKS["page"].replace("1000", "7"), *place):
        pages += page
        place = page[-1]["position"], page[-1]["ordinal"]
    assert pages == await connection.fetch("SELECT * FROM toggl.changes ORDER BY position, ordinal")


async def test_the_consumer_hears_of_every_change(migrated_url: str, connection: Any) -> None:
    """Of those before it came and those after; and is refused when it comes too late."""
    names: dict[str, Any] = {}
    exec(compile(PYTHON, "change-feed.md", "exec"), names)
    seen: list[Any] = []

    async def take(changes: list[Any], _position: int) -> None:
        seen.extend(changes)

    position = await connection.fetchval("SELECT position FROM toggl.changes_horizon")
    following = asyncio.create_task(names["follow"](migrated_url, position, take))
    await run(migrated_url, commits=40, seed=1)
    whole = await connection.fetch("SELECT * FROM toggl.changes ORDER BY position, ordinal")
    while len(seen) < len(whole):  # noqa: ASYNC110 - what wakes the consumer is what is tested
        await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.wait([following])
    assert seen == whole
    with pytest.raises(LookupError, match="too old"):
        await names["follow"](migrated_url, 0, take)
