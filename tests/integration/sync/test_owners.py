"""Several tokens on one workspace: who owns a row, and what happens when the owner goes."""

from decimal import Decimal

import aiohttp
import pytest

from syncd.emulator import mishaps
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from tests.integration.sync.conftest import Mirror, mirror_of, register

RATE = "SELECT hourly_rate FROM toggl.clients WHERE id = 1239455"


@pytest.fixture
async def mirror(database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World) -> Mirror:
    """Workspace 777 as an admin sees it (`boss`), and as a member who may not see rates does (`temp`, ranked first)."""
    world.update_workspace(777, premium=True, only_admins_see_billable_rates=True)
    world.update_client(1239455, hrate=50, cur="EUR")
    world.add_user("temp", "f" * 32)
    world.share("temp", 777)
    tokens = {"temp": "f" * 32, "boss": world.tokens["t0"]}
    return await mirror_of(database, session, emulator.url, tokens)


async def settle(mirror: Mirror, *tokens: str) -> None:
    """Pull until every token says that nothing changes any more."""
    results: list[str] = []
    for _ in range(6):
        results = [(await mirror.pull(token)).result for token in tokens]
        if set(results) == {"unchanged"}:
            return
    raise AssertionError(f"never settles: {results}")


@pytest.mark.parametrize("order", [("temp", "boss"), ("boss", "temp")])
async def test_an_admin_s_view_wins_in_whatever_order_they_come(mirror: Mirror, order: tuple[str, ...]) -> None:
    """And no two tokens fight over a field: after one pull each, nothing moves any more."""
    for token in order:
        await mirror.pull(token)
    assert await mirror.value(RATE) == Decimal(50)
    before = await mirror.stamps()
    report = await mirror.pull("temp", full=True)
    assert (report.counts["client"].yielded, report.result) == (2, "unchanged")
    await mirror.pull("boss", full=True)
    assert await mirror.stamps() == before


async def test_what_only_another_token_sees_is_added(mirror: Mirror, world: World) -> None:
    """The better token owns what it sees, no more."""
    workspace = world.create_workspace("Elsewhere")
    world.share("temp", workspace.id)
    client = world.create_client(workspace.id, "Only temp's")
    await settle(mirror, "boss", "temp")
    assert await mirror.value("SELECT name FROM toggl.clients WHERE id = $1", client.id) == "Only temp's"
    assert await mirror.value("SELECT count(*) FROM toggl.clients_current") == 3


async def test_when_the_owner_is_rejected_the_next_one_takes_over(mirror: Mirror, emulator: Emulator) -> None:
    """With what it sees; and gives it back when the owner recovers."""
    await settle(mirror, "boss", "temp")
    emulator.faults.add(mishaps.status(403), path="/api/v8/workspaces", token="t0")
    assert (await mirror.pull("boss")).reason == "token_rejected"
    report = await mirror.pull("temp")
    assert (report.full, report.counts["client"].yielded) == (True, 0)
    assert await mirror.value(RATE) is None
    await settle(mirror, "boss", "temp")
    assert await mirror.value(RATE) == Decimal(50)


async def test_when_the_owner_loses_the_workspace_the_next_one_takes_over(mirror: Mirror, world: World) -> None:
    """What it saw is frozen, and proves nothing: no row goes."""
    await settle(mirror, "boss", "temp")
    other = world.create_workspace("Boss's own")
    world.share("t0", other.id, admin=True)
    world.unshare("t0", 777)
    report = await mirror.pull("boss")
    assert (report.lost, report.gained, report.result) == ([777], [other.id], "partial")
    await settle(mirror, "boss", "temp")
    assert await mirror.value(RATE) is None
    assert await mirror.value("SELECT count(*) FROM toggl.projects_current") == 2
    world.share("t0", 777, admin=True)
    await settle(mirror, "boss", "temp")
    assert await mirror.value(RATE) == Decimal(50)


async def test_when_the_owner_loses_a_row_the_next_one_takes_it_over(mirror: Mirror, world: World) -> None:
    """A private project that one may no longer see is still a project to the other."""
    world.share("t0", 777, admin=False)
    world.update_project(909, is_private=False)
    world.share("temp", 777, admin=True)
    await settle(mirror, "temp", "boss")
    world.share("temp", 777, admin=False)
    world.share("t0", 777, admin=True)
    world.update_project(909, is_private=True)
    await settle(mirror, "temp", "boss", "temp", "boss")
    assert await mirror.rows("SELECT is_private, deleted_at FROM toggl.projects WHERE id = 909") == [(True, None)]


async def test_a_removed_token_stops_counting(mirror: Mirror) -> None:
    """Its rows stay, shown as the next one sees them; the status says that it is gone."""
    await settle(mirror, "boss", "temp")
    await register(mirror.database, "temp")
    assert (await mirror.pull("temp")).full
    assert await mirror.value(RATE) is None
    assert await mirror.rows("SELECT token, status, rows FROM toggl.sync_status ORDER BY 1") == [
        ("boss", "disabled", 4),
        ("temp", "ok", 2),
    ]
    assert await mirror.value("SELECT count(*) FROM toggl.projects_current") == 2


async def test_rows_that_only_a_removed_token_saw_stay(mirror: Mirror, world: World) -> None:
    """Neither deleted nor orphaned: nobody can tell what became of them."""
    workspace = world.create_workspace("Elsewhere")
    world.share("temp", workspace.id)
    world.create_client(workspace.id, "Only temp's")
    await settle(mirror, "boss", "temp")
    await register(mirror.database, "boss")
    await settle(mirror, "boss")
    assert await mirror.value("SELECT count(*) FROM toggl.clients_current") == 3


async def test_another_order_in_the_configuration_changes_owners(
    database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World
) -> None:
    """Among equals the first one owns."""
    world.update_workspace(777, premium=True, only_admins_see_billable_rates=True)
    world.update_client(1239455, hrate=50, cur="EUR")
    world.share("t0", 777, admin=False)
    world.add_user("peer", "e" * 32)
    world.share("peer", 777)
    mirror = await mirror_of(database, session, emulator.url, {"t0": world.tokens["t0"], "peer": "e" * 32})
    await settle(mirror, "t0", "peer")
    assert (await mirror.pull("peer", full=True)).counts["client"].yielded == 2
    await register(database, "peer", "t0")
    await settle(mirror, "t0", "peer")
    assert (await mirror.pull("peer", full=True)).counts["client"].yielded == 0
    assert (await mirror.pull("t0", full=True)).counts["client"].yielded == 2


async def test_a_request_to_compare_survives_a_pull_at_work(mirror: Mirror) -> None:
    """A pull that began before somebody asked must not write a digest that says: all is compared."""
    await settle(mirror, "boss", "temp")
    begun = await mirror.store.begin("temp", timeout=mirror.puller.rules.pull_timeout,
                                     full_every=mirror.puller.rules.full_every)  # fmt: skip
    await register(mirror.database, "temp")
    await mirror.store.finish_changed(begun, 1, None, b"x" * 16, 4, [777], is_whole=True)
    assert await mirror.value("SELECT digest FROM syncd.tokens WHERE name = 'temp'") is None
