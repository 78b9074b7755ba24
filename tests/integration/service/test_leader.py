"""One active daemon per database."""

from typing import Any

import asyncpg

from syncd.service.leader import Leader


async def test_the_first_leads_and_the_second_stands_by(migrated_url: str) -> None:
    """Until the first resigns."""
    first, second = Leader(migrated_url, "here"), Leader(migrated_url, "here")
    assert [await first.check(), await second.check(), await first.check()] == [True, False, True]
    await first.resign()
    assert not first.leads
    assert await second.check()
    await second.resign()


async def test_a_leader_whose_session_dies_is_replaced(migrated_url: str) -> None:
    """It notices at its next check, and stands by while another leads."""
    first, second = Leader(migrated_url, "here"), Leader(migrated_url, "here")
    assert await first.check()
    await _terminate(migrated_url, "syncd leader")
    assert await second.check()
    assert not await first.check()
    assert not first.leads
    await second.resign()
    await first.resign()


async def _terminate(url: str, application: str) -> None:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE application_name = $1 AND datname = current_database()",
        application,
    )
    await connection.close()
