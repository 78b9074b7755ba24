"""Several tokens on one workspace of a metered API: one looks for all, the others stand by."""

import aiohttp
import pytest

from syncd.clock import Clock
from syncd.emulator import mishaps, seed
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.toggl import v9
from tests.integration.sync.conftest import Mirror, mirror_of
from tests.integration.sync.test_v9 import AT_ONCE


@pytest.fixture
def world() -> World:
    """One workspace, seen by two of its administrators and by a member, whose token ranks first."""
    world = seed.generate(seed=3, tokens=1, workspaces=1, clients=6, projects=2, now=Clock().now)
    (wid,) = world.workspaces
    for name, admin in (("second", True), ("member", False)):
        world.add_user(name, name[0] * 32)
        world.share(name, wid, admin=admin)
    return world


@pytest.fixture
async def mirror(database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World) -> Mirror:
    tokens = {name: world.tokens[name] for name in ("member", "t0", "second")}
    mirror = await mirror_of(database, session, emulator.url, tokens, v9.DIALECT, deletes=AT_ONCE)
    for name in ("member", "t0", "second"):
        await mirror.pull(name)
    return mirror


def requests_of(emulator: Emulator, name: str) -> int:
    """Requests of a token so far; forgets all."""
    count = sum(line.token == name for line in emulator.log)
    emulator.log.clear()
    return count


async def absent_for_days(mirror: Mirror, name: str) -> None:
    """Its turn came, and came again, and it did not."""
    await mirror.rows("UPDATE syncd.tokens SET next_due_at = now() - interval '3 days' WHERE name = $1", name)


async def names(mirror: Mirror) -> set[str]:
    return {name for (name,) in await mirror.rows("SELECT name FROM toggl.projects_current")}


async def test_one_administrator_looks_for_all(mirror: Mirror, emulator: Emulator) -> None:
    """The others ask only which workspaces they see, and say how many rows they saw."""
    for name, count in (("member", 1), ("second", 1), ("t0", 3)):
        emulator.log.clear()
        report = await mirror.pull(name)
        assert (report.result, requests_of(emulator, name)) == ("unchanged", count), name
        assert report.row_count == (await mirror.value("SELECT rows FROM toggl.sync_status WHERE token = $1", name))
    assert (await mirror.pull("second")).row_count == 18


async def test_what_the_leader_misses_is_gone_though_others_saw_it(mirror: Mirror, world: World) -> None:
    for name in ("member", "second", "t0"):
        await mirror.pull(name)
    gone = next(row for row in world.projects.values() if not row.is_private)
    client = next(iter(world.clients))
    world.delete_project(gone.id)
    world.delete_client(client)
    for _ in range(4):
        await mirror.pull("t0")
    live = {
        id_
        for (id_,) in await mirror.rows(
            "SELECT id FROM toggl.projects_current UNION SELECT id FROM toggl.clients_current"
        )
    }
    assert not live & {gone.id, client}


async def test_what_only_the_others_saw_is_missed_all_the_same(mirror: Mirror, world: World) -> None:
    """A project came and went between two looks of the leader; a member saw it before it stood by."""
    (wid,) = world.workspaces
    brief = world.create_project(wid, "Brief", is_private=False)
    await mirror.rows("UPDATE syncd.tokens SET next_due_at = now() - interval '3 days' WHERE name <> 'member'")
    await mirror.pull("member")
    assert "Brief" in await names(mirror)
    await mirror.rows("UPDATE syncd.tokens SET next_due_at = now() WHERE name <> 'member'")
    await mirror.rows("UPDATE syncd.scopes SET cursor = now() WHERE token = 't0' AND resource = 'project'")
    world.delete_project(brief.id)
    world.deleted_projects.clear()  # so long ago that no list of changes tells it
    for name in ("member", "second"):
        assert (await mirror.pull(name)).left != []
    for _ in range(4):
        await mirror.pull("t0")
    assert "Brief" not in await names(mirror)


async def test_another_administrator_takes_over_and_gives_back(
    mirror: Mirror, emulator: Emulator, world: World
) -> None:
    """Who stood by lists everything; what the missing one saw neither owns a row nor holds a delete back."""
    for name in ("second", "member"):
        await mirror.pull(name)
    await absent_for_days(mirror, "t0")
    first, second, *_ = world.projects
    world.update_project(first, name="While it was away")
    world.delete_project(second)
    emulator.log.clear()
    report = await mirror.pull("second")
    assert (requests_of(emulator, "second"), report.full) == (3, True)
    assert "While it was away" in await names(mirror)
    for _ in range(3):
        await mirror.pull("second")
    assert second not in [id_ for (id_,) in await mirror.rows("SELECT id FROM toggl.projects_current")]
    assert (await mirror.pull("member")).left != []
    world.update_project(first, name="Back again")
    await mirror.pull("t0")
    assert "Back again" in await names(mirror)
    assert (await mirror.pull("second")).left != []


async def test_a_rejected_leader_leads_nobody(mirror: Mirror, world: World) -> None:
    await mirror.pull("second")
    world.revoke("t0")
    await mirror.pull("t0")
    world.update_project(next(iter(world.projects)), name="After")
    await mirror.pull("second")
    assert "After" in await names(mirror)


async def test_a_leader_that_fails_again_and_again_is_replaced(
    mirror: Mirror, emulator: Emulator, world: World
) -> None:
    await mirror.pull("second")
    emulator.faults.add(mishaps.status(503), token="t0", times=None)
    for _ in range(3):
        assert (await mirror.pull("second")).left != []
        await mirror.pull("t0")
    world.update_project(next(iter(world.projects)), name="After")
    await mirror.pull("second")
    assert "After" in await names(mirror)


async def test_without_an_administrator_every_token_looks(mirror: Mirror, emulator: Emulator, world: World) -> None:
    (wid,) = world.workspaces
    for name in ("t0", "second"):
        world.share(name, wid, admin=False)
        await mirror.pull(name)
    for name in ("member", "t0", "second"):
        await mirror.pull(name)
        emulator.log.clear()
        await mirror.pull(name)
        assert requests_of(emulator, name) == 3


async def test_a_person_who_wants_everything_compared_gets_it(mirror: Mirror, emulator: Emulator) -> None:
    await mirror.pull("second")
    emulator.log.clear()
    await mirror.pull("second", full=True)
    assert requests_of(emulator, "second") == 3
