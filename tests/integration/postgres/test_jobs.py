"""The queue that replicas share."""

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
