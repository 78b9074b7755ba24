"""As of when the rows of a workspace are: what `toggl.workspace_freshness` says while tokens come, fail and go."""

from datetime import datetime

import aiohttp
import pytest

from syncd.emulator import mishaps
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.toggl import v9
from tests.integration.sync.conftest import Mirror, mirror_of, register

FRESHNESS = "SELECT last_success_at, token, tokens FROM toggl.workspace_freshness WHERE workspace_id = 777"


@pytest.fixture
async def mirror(database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World) -> Mirror:
    """Workspace 777 as two of its administrators see it, who both look (API v8)."""
    world.add_user("other", "f" * 32)
    world.share("other", 777, admin=True)
    return await mirror_of(database, session, emulator.url, {"other": "f" * 32, "t0": world.tokens["t0"]})


async def as_of(mirror: Mirror, token: str) -> datetime:
    """When the last pull of a token that succeeded began."""
    found: datetime = await mirror.value("SELECT last_success_at FROM toggl.sync_status WHERE token = $1", token)
    return found


async def test_a_workspace_that_nobody_looked_at_has_no_freshness(mirror: Mirror) -> None:
    """Its row is there all the same, so that no join loses one."""
    await mirror.rows("INSERT INTO toggl.workspaces VALUES (777, 'w', NULL, now(), now(), now(), 1)")
    assert await mirror.rows(FRESHNESS) == [(None, None, 0)]


async def test_an_unchanged_pull_makes_a_workspace_fresher(mirror: Mirror) -> None:
    """Though it writes no row."""
    await mirror.pull("t0")
    first = await as_of(mirror, "t0")
    assert (await mirror.pull("t0")).result == "unchanged"
    ((seen, token, tokens),) = await mirror.rows(FRESHNESS)
    assert (seen > first, seen, token, tokens) == (True, await as_of(mirror, "t0"), "t0", 1)
    staleness, full = "staleness_seconds BETWEEN 0 AND 600", "last_full_at = last_success_at"
    assert await mirror.rows(f"SELECT {staleness}, {full} FROM toggl.workspace_freshness") == [(True, True)]


async def test_a_workspace_is_no_fresher_than_its_stalest_token(mirror: Mirror, emulator: Emulator) -> None:
    """For some row may be seen by that one alone; it is named."""
    await mirror.pull("other")
    stale = await as_of(mirror, "other")
    emulator.faults.add(mishaps.status(500), token="other", times=None)
    assert (await mirror.pull("other")).result == "failed"
    await mirror.pull("t0")
    assert await mirror.rows(FRESHNESS) == [(stale, "other", 2)]


async def test_who_is_no_longer_configured_is_not_waited_for(mirror: Mirror, database: Database) -> None:
    """Only where nobody else looks the rows are frozen, as of when somebody last did."""
    await mirror.pull("other")
    await mirror.pull("t0")
    await register(database, "t0")
    assert await mirror.rows(FRESHNESS) == [(await as_of(mirror, "t0"), "t0", 1)]
    await register(database)
    assert await mirror.rows(FRESHNESS) == [(await as_of(mirror, "t0"), None, 0)]


async def test_a_refused_listing_makes_nothing_fresher(
    database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World
) -> None:
    """The pull succeeds, and the rows are as of the last one that was told of them (API v9)."""
    mirror = await mirror_of(database, session, emulator.url, dict(world.tokens), v9.DIALECT)
    await mirror.pull("t0")
    told = await as_of(mirror, "t0")
    emulator.faults.add(mishaps.status(403), path="/api/v9/workspaces/777/clients")
    assert (await mirror.pull("t0")).result == "partial"
    assert await as_of(mirror, "t0") > told
    assert await mirror.rows(FRESHNESS) == [(told, "t0", 1)]


async def test_who_stands_by_is_not_waited_for(
    database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World
) -> None:
    """Another token looks for it (API v9)."""
    world.add_user("member", "f" * 32)
    world.share("member", 777)
    tokens = {"member": "f" * 32, "t0": world.tokens["t0"]}
    mirror = await mirror_of(database, session, emulator.url, tokens, v9.DIALECT)
    for token in ("t0", "member", "member", "t0"):
        await mirror.pull(token)
    assert await mirror.rows(FRESHNESS) == [(await as_of(mirror, "t0"), "t0", 1)]
