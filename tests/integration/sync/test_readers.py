"""What a BI query sees while a pull writes: one moment of a workspace, never half of one."""

import asyncio

import asyncpg

from syncd.emulator.model import World
from tests.integration.sync.conftest import Mirror

GENERATIONS = """
    SELECT name FROM toggl.clients WHERE name LIKE 'generation %'
    UNION SELECT name FROM toggl.projects WHERE name LIKE 'generation %'"""


async def test_i09_clients_and_projects_of_a_workspace_change_together(
    mirror: Mirror, migrated_url: str, world: World
) -> None:
    """A reader polls in REPEATABLE READ while clients and projects move from generation to generation."""
    reader = await asyncpg.connect(migrated_url)
    seen: set[str] = set()
    is_over = asyncio.Event()

    async def poll() -> None:
        while not is_over.is_set():
            async with reader.transaction(isolation="repeatable_read", readonly=True):
                first = {row["name"] for row in await reader.fetch(GENERATIONS)}
                second = {row["name"] for row in await reader.fetch(GENERATIONS)}
            assert first == second
            assert len(first) <= 1, first
            seen.update(first)

    polling = asyncio.create_task(poll())
    try:
        for generation in range(30):
            name = f"generation {generation}"
            world.update_client(1239455, name=name)
            world.update_project(909, name=name)
            await mirror.pull()
    finally:
        is_over.set()
        await polling
        await reader.close()
    assert len(seen) > 1


async def test_a_reader_does_not_wait_for_a_writer(mirror: Mirror, migrated_url: str) -> None:
    """While a transaction on its workspace is open, a query answers from before it."""
    await mirror.pull()
    begun = await mirror.store.begin("t0", timeout=mirror.puller.rules.pull_timeout,
                                     full_every=mirror.puller.rules.full_every)  # fmt: skip
    reader = await asyncpg.connect(migrated_url)
    async with mirror.store.workspace(begun, 777):
        assert await reader.fetchval("SELECT count(*) FROM toggl.projects_enriched") == 2
    await reader.close()
