"""The queue that replicas share."""

import asyncio

import asyncpg
import pytest
from pgqueuer.domain.settings import Durability

from syncd.postgres import jobs


@pytest.mark.parametrize("before", [None, Durability.volatile], ids=["anew", "UNLOGGED before"])
async def test_a_crash_of_the_server_forgets_no_job(migrated_url: str, before: Durability | None) -> None:
    """Who has which token must outlive it; pgqueuer's log need not."""
    connection = await asyncpg.connect(migrated_url)
    if before is not None:
        with pytest.MonkeyPatch.context() as earlier:
            earlier.setattr(jobs._SETTINGS, "durability", before)
            await jobs.install(connection, may_create=True)
    await jobs.install(connection, may_create=True)
    query = "SELECT relname, relpersistence FROM pg_class WHERE relnamespace = 'syncd_queue'::regnamespace"
    kept = dict(map(tuple, await connection.fetch(query)))
    await connection.close()
    assert (kept["pgqueuer"], kept["pgqueuer_log"]) == (b"p", b"u")


async def test_pulls_that_end_during_a_turn_wait_for_its_statement(migrated_url: str) -> None:
    """They share one connection, which can do one thing at a time; nothing of that looks like an outage."""
    connection = await asyncpg.connect(migrated_url)
    await jobs.install(connection, may_create=True)
    await connection.close()
    queue = jobs.Jobs(migrated_url, "here", 10.0)
    await queue.offer()
    found = await asyncio.gather(
        queue.offer(), queue.keep([]), queue.take(1, suspect=False), queue.finish([]), return_exceptions=True
    )
    await queue.close()
    assert list(found) == [None, set(), {}, None]
