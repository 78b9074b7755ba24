"""Pulls that speak v9: pages, changes only, and what changes alone would miss."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from syncd.clock import Clock
from syncd.emulator import seed
from syncd.emulator.faults import Exchange, Mishap
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.postgres.sql import queries
from syncd.sync.deletes import DeleteRules
from syncd.toggl import v9
from tests.integration.sync.conftest import Mirror, mirror_of

AT_ONCE = DeleteRules(min_age=timedelta(0))


@pytest.fixture
def world() -> World:
    """One account with one workspace of 12 clients, 24 projects of clients and 2 without."""
    return seed.generate(seed=3, tokens=1, workspaces=1, clients=12, projects=2, loose_projects=2, now=Clock().now)


@pytest.fixture
async def mirror(database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World) -> Mirror:
    return await mirror_of(database, session, emulator.url, dict(world.tokens), v9.DIALECT, deletes=AT_ONCE)


@pytest.fixture
async def settled(mirror: Mirror) -> Mirror:
    """Pulled twice: whole, then by its changes, of which there were none."""
    assert (await mirror.pull()).result == "changed"
    assert (await mirror.pull()).result == "unchanged"
    return mirror


def asked(emulator: Emulator) -> list[str]:
    """Paths of the requests so far, with what is asked of projects; forgets them."""
    paths = [line.path_qs.removeprefix("/api/v9/").split("?") for line in emulator.log]
    emulator.log.clear()
    return [path[0] + (" since" if "since" in path[-1] else "") for path in paths]


async def live(mirror: Mirror, relation: str) -> dict[int, Any]:
    """id -> name of what BI sees."""
    return dict(await mirror.rows(f"SELECT id, name FROM toggl.{relation}_current"))


async def test_the_first_pull_lists_everything_and_the_next_what_changed(
    mirror: Mirror, emulator: Emulator, world: World
) -> None:
    (wid,) = world.workspaces
    here = f"workspaces/{wid}"
    report = await mirror.pull()
    assert (report.result, report.row_count, report.full) == ("changed", 38, True)
    assert asked(emulator) == ["me/workspaces", f"{here}/clients", f"{here}/projects"]
    stamps = await mirror.stamps()
    report = await mirror.pull()
    assert (report.result, report.row_count, report.full) == ("unchanged", 38, False)
    assert asked(emulator) == ["me/workspaces", f"{here}/clients", f"{here}/projects since"]
    assert (await mirror.pull()).result == "unchanged"
    assert await mirror.stamps() == stamps
    assert await live(mirror, "projects") == {row.id: row.name for row in world.projects.values()}


async def test_every_field_of_a_project_arrives(mirror: Mirror, world: World) -> None:
    (wid,) = world.workspaces
    row = world.create_project(wid, "All of it", active=True, is_private=True, billable=True, rate=12.5, currency="EUR",
                               fixed_fee=99.0, color="5")  # fmt: skip
    await mirror.pull()
    ((found,),) = await mirror.rows(
        "SELECT (billable, rate, currency, fixed_fee, is_private, active, status, client_id)::text "
        "FROM toggl.projects_current WHERE id = $1", row.id)  # fmt: skip
    assert found == "(t,12.5000,EUR,99.0000,t,t,active,)"


async def test_changes_arrive_by_asking_for_changes(settled: Mirror, emulator: Emulator, world: World) -> None:
    (wid,) = world.workspaces
    emulator.log.clear()
    first, second, *_ = world.projects
    world.update_project(first, name="Renamed")
    world.update_project(second, active=False)
    created = world.create_project(wid, "Fresh")
    report = await settled.pull()
    assert (report.counts["project"].inserted, report.counts["project"].updated, report.full) == (1, 2, False)
    assert asked(emulator)[-1].endswith("projects since")
    names = await live(settled, "projects")
    assert (names[first], names[created.id]) == ("Renamed", "Fresh")
    assert await settled.value("SELECT active FROM toggl.projects WHERE id = $1", second) is False
    assert (await settled.pull()).row_count == 39


async def test_a_project_that_the_source_calls_deleted_is_gone_at_once(
    settled: Mirror, emulator: Emulator, world: World
) -> None:
    """One confirmation, and no further question."""
    doomed = next(iter(world.projects))
    world.delete_project(doomed)
    emulator.log.clear()
    report = await settled.pull()
    assert (report.counts["project"].deleted, len(emulator.log)) == (1, 3)
    assert doomed not in await live(settled, "projects")
    assert (await settled.pull()).counts["project"].deleted == 0


async def test_the_guard_holds_back_what_the_source_calls_deleted(settled: Mirror, world: World) -> None:
    """It needs no second confirmation, but a person's word if it is much."""
    doomed = sorted(world.projects)[:10]
    for id_ in doomed:
        world.delete_project(id_)
    assert (await settled.pull()).counts["project"].deleted == 0
    ((hash_, ids),) = await settled.rows("SELECT held_hash, held_ids FROM syncd.scopes WHERE held_ids IS NOT NULL")
    assert ids == doomed
    await settled.registry.decide([hash_], "approve", timedelta(days=1))
    assert (await settled.pull()).counts["project"].deleted == 10


async def test_changes_do_while_nothing_is_undecided(settled: Mirror, emulator: Emulator, world: World) -> None:
    """A project that is hidden from a member is not called deleted. A whole pull misses it, then each lists all until
    it is gone."""
    (wid,) = world.workspaces
    world.share("t0", wid, admin=False)
    for _ in range(2):
        await settled.pull(full=True)
    hidden = next(row.id for row in world.projects.values() if not row.is_private)
    world.update_project(hidden, is_private=True)
    for _ in range(2):
        await settled.pull()
    assert hidden in await live(settled, "projects")
    emulator.log.clear()
    lists = []
    for full in (True, False, False, False):
        await settled.pull(full=full)
        lists += [path.rpartition("/")[2] for path in asked(emulator) if "projects" in path and path[-1].isalpha()]
    assert lists == ["projects", "projects", "projects since", "projects since"]
    assert hidden not in await live(settled, "projects")


async def test_deleting_a_client_reaches_its_projects(settled: Mirror, world: World) -> None:
    """The projects' `at` does not move, so the list of changes is silent about them."""
    doomed = next(iter(world.clients))
    orphans = [row.id for row in world.projects_of_client(doomed)]
    before = [world.projects[id_].at for id_ in orphans]
    world.delete_client(doomed)
    assert [world.projects[id_].at for id_ in orphans] == before
    await settled.pull()
    found = await settled.rows("SELECT client_id FROM toggl.projects WHERE id = ANY ($1)", orphans)
    assert found == [(None,)] * len(orphans)
    for _ in range(3):
        await settled.pull()
    assert doomed not in await live(settled, "clients")


async def test_archiving_a_client_reaches_its_projects(settled: Mirror, world: World) -> None:
    client = next(row for row in world.clients.values() if world.projects_of_client(row.id))
    world.archive_client(client.id)
    await settled.pull()
    ids = [row.id for row in world.projects_of_client(client.id)]
    assert await settled.value("SELECT bool_or(active) FROM toggl.projects WHERE id = ANY ($1)", ids) is False
    assert await settled.value("SELECT archived FROM toggl.clients WHERE id = $1", client.id) is True


async def test_what_changes_do_not_tell_is_found_by_the_next_whole_pull(settled: Mirror, world: World) -> None:
    """The time spent on a project moves without a sign."""
    id_ = next(iter(world.projects))
    world.update_project(id_, actual_seconds=7200)
    await settled.pull()
    await settled.pull(full=True)
    assert await settled.value("SELECT actual_seconds FROM toggl.projects WHERE id = $1", id_) == 7200


async def test_other_rights_have_everything_listed(settled: Mirror, emulator: Emulator, world: World) -> None:
    """Private projects leave without a word when an admin becomes a member."""
    (wid,) = world.workspaces
    world.share("t0", wid, admin=False)
    emulator.log.clear()
    await settled.pull()
    assert asked(emulator)[-1].endswith("projects")


async def test_a_request_to_resync_has_everything_listed(settled: Mirror, emulator: Emulator) -> None:
    await settled.registry.pull_soon(["t0"])
    emulator.log.clear()
    assert (await settled.pull()).full
    assert asked(emulator)[-1].endswith("projects")


async def test_another_token_s_loss_has_everything_listed(settled: Mirror, emulator: Emulator) -> None:
    """Who owns its rows now must see them as they are to it, changed or not."""
    await settled.rows(queries()["compare_tokens"], ["t0"])
    emulator.log.clear()
    assert (await settled.pull()).full
    assert asked(emulator)[-1].endswith("projects")


async def test_a_cursor_that_is_too_old_has_everything_listed(settled: Mirror, emulator: Emulator) -> None:
    """The API knows no changes older than three months, and refuses."""
    await settled.rows("UPDATE syncd.scopes SET cursor = now() - interval '61 days'")
    emulator.log.clear()
    assert (await settled.pull()).result != "failed"
    assert asked(emulator)[-1].endswith("projects")


class Interference:
    """Between two pages, something happens at the source."""

    def __init__(self, emulator: Emulator, path: str) -> None:
        self._emulator, self._path = emulator, path

    def on_page(self, nth: int, deed: Any) -> None:
        async def send(exchange: Exchange) -> web.StreamResponse:
            answer = await exchange.perform()
            deed()
            return web.Response(body=answer.body, headers={"Content-Type": answer.content_type})

        self._emulator.faults.add(Mishap("interference", send), path=self._path, first=nth)


@pytest.fixture
def long(world: World) -> tuple[World, int]:
    (wid,) = world.workspaces
    fill(world, wid, 1000)
    return world, wid


def fill(world: World, wid: int, size: int) -> None:
    """So many projects, the new ones of yesterday."""
    yesterday = Clock().now().replace(microsecond=0) - timedelta(days=1)
    for number in range(size - len(world.projects)):
        world.create_project(wid, f"P {number}", at=yesterday)


async def test_a_thousand_projects_with_inserts_while_they_are_listed(
    mirror: Mirror, emulator: Emulator, long: tuple[World, int]
) -> None:
    """None missing, none twice."""
    world, wid = long
    meddle = Interference(emulator, f"/api/v9/workspaces/{wid}/projects")
    for page in range(1, 6):
        meddle.on_page(page, lambda page=page: world.create_project(wid, f"Late {page}"))
    report = await mirror.pull()
    assert (report.result, report.counts["project"].inserted) == ("changed", 1005)
    assert await live(mirror, "projects") == {row.id: row.name for row in world.projects.values()}
    assert (await mirror.pull()).full is False


async def test_a_delete_while_pages_are_listed_proves_no_absence(
    settled: Mirror, emulator: Emulator, long: tuple[World, int]
) -> None:
    """The row at the next page's edge is not shown. It is there all the same."""
    world, wid = long
    await settled.pull(full=True)
    meddle = Interference(emulator, f"/api/v9/workspaces/{wid}/projects")
    meddle.on_page(1, lambda: world.delete_project(min(world.projects)))
    report = await settled.pull(full=True)
    assert (report.result, report.reason) == ("partial", "pages_shifted")
    for _ in range(3):
        await settled.pull()
    assert await live(settled, "projects") == {row.id: row.name for row in world.projects.values()}


async def test_a_delete_that_leaves_the_second_page_empty_is_noticed(
    mirror: Mirror, emulator: Emulator, world: World
) -> None:
    """The last row has moved to the first page, behind the back of who has read that."""
    (wid,) = world.workspaces
    fill(world, wid, 201)
    meddle = Interference(emulator, f"/api/v9/workspaces/{wid}/projects")
    meddle.on_page(1, lambda: world.delete_project(min(world.projects)))
    report = await mirror.pull()
    assert (report.result, report.reason) == ("partial", "pages_shifted")
    await mirror.pull()
    assert await live(mirror, "projects") == {row.id: row.name for row in world.projects.values()}


async def test_more_changes_than_a_page_holds_prove_no_absence(
    mirror: Mirror, emulator: Emulator, world: World
) -> None:
    """The list of what changed meanwhile is not paged: it may have been cut before the deleted row."""
    (wid,) = world.workspaces
    fill(world, wid, 600)
    doomed = max(world.projects) - 150

    def touch() -> None:
        for id_ in sorted(world.projects)[:250]:
            world.update_project(id_, billable=True)
        world.delete_project(doomed)

    meddle = Interference(emulator, f"/api/v9/workspaces/{wid}/projects")
    meddle.on_page(3, touch)
    report = await mirror.pull()
    assert (report.result, report.reason) == ("partial", "pages_unchecked")
    await mirror.pull()
    assert (await live(mirror, "projects")).keys() >= world.projects.keys()


async def test_a_right_that_is_lost_hides_rows_and_proves_nothing(settled: Mirror, world: World) -> None:
    """An admin sees private projects; a member of the workspace does not."""
    (wid,) = world.workspaces
    assert any(row.is_private for row in world.projects.values())
    names = await live(settled, "projects")
    world.share("t0", wid, admin=False)
    for _ in range(5):
        await settled.pull(full=True)
    assert await live(settled, "projects") == names
    world.share("t0", wid, admin=True)
    gone = next(row.id for row in world.projects.values() if row.is_private)
    world.delete_project(gone)
    for _ in range(4):
        await settled.pull(full=True)
    assert (await live(settled, "projects")).keys() == names.keys() - {gone}
