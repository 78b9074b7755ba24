"""Deletes, end to end: confirmations, the guard, a person's word, reappearance."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from syncd.clock import Clock
from syncd.emulator import mishaps, seed
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.postgres.mirror import read_workspace
from syncd.postgres.registry import Entry
from syncd.records import Snapshot, Stored, Workspace, WorkspaceSnapshot
from syncd.sync.deletes import DeleteRules
from syncd.sync.planning import Pulling
from syncd.toggl.dialect import basic_auth
from tests.integration.sync.conftest import Mirror, mirror_of, register
from tests.planned import apply

LIVE = "SELECT count(*) FROM toggl.clients_current"
DAY = timedelta(days=1)


@pytest.fixture
def world() -> World:
    """Twelve clients and as many projects: more than a small scope."""
    return seed.generate(seed=3, tokens=1, workspaces=1, clients=12, projects=1, now=Clock().now)


@pytest.fixture
async def mirror(database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World) -> Mirror:
    rules = DeleteRules(min_age=timedelta(0))
    return await mirror_of(database, session, emulator.url, dict(world.tokens), deletes=rules)


def some(world: World, count: int) -> list[int]:
    return sorted(world.clients)[:count]


async def test_two_complete_snapshots_make_a_tombstone(mirror: Mirror, world: World) -> None:
    """The row stays, with the time it went; its version is closed; the projects it had are untouched."""
    await mirror.pull()
    (gone,) = some(world, 1)
    world.delete_client(gone)
    first, second = await mirror.pull(), await mirror.pull()
    counts = [
        (report.counts["client"].deleted, report.counts["client"].delete_candidates) for report in (first, second)
    ]
    assert (counts, second.result) == ([(0, 1), (1, 0)], "changed")
    assert await mirror.rows("SELECT deleted_at > $2, name IS NOT NULL FROM toggl.clients WHERE id = $1",
                             gone, second.began_at) == [(True, True)]  # fmt: skip
    assert await mirror.rows("SELECT is_current, end_kind FROM toggl.clients_history WHERE id = $1", gone) == [
        (False, "delete")
    ]
    assert await mirror.value("SELECT count(*) FROM toggl.projects_current") == 12
    third = await mirror.pull()
    assert (third.result, third.full) == ("unchanged", False)


async def test_equal_answers_confirm_too(mirror: Mirror, world: World) -> None:
    """While something waits, the digest is not trusted; afterwards it is again."""
    await mirror.pull()
    world.delete_client(some(world, 1)[0])
    reports = [await mirror.pull() for _ in range(3)]
    assert [(r.full, r.counts["client"].deleted) for r in reports] == [(True, 0), (True, 1), (False, 0)]


async def test_min_age_is_waited_for(
    database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World
) -> None:
    """However many snapshots agree."""
    mirror = await mirror_of(database, session, emulator.url, dict(world.tokens), deletes=DeleteRules())
    await mirror.pull()
    world.delete_client(some(world, 1)[0])
    for _ in range(4):
        assert (await mirror.pull()).counts["client"].deleted == 0
    await mirror.rows(
        "UPDATE syncd.scopes SET absent = jsonb_set(absent, '{0,since}', to_jsonb(now() - interval '15 min')) "
        "WHERE absent <> '[]' RETURNING 1"
    )
    assert (await mirror.pull()).counts["client"].deleted == 1


async def test_a_row_that_comes_back_in_time_was_never_gone(mirror: Mirror, world: World) -> None:
    """A glitch of the source leaves no trace."""
    await mirror.pull()
    client = world.client(some(world, 1)[0])
    world.delete_client(client.id)
    await mirror.pull()
    world.create_client(client.workspace_id, client.name, client_id=client.id, at=client.at, notes=client.notes,
                        hrate=client.hrate, cur=client.cur)  # fmt: skip
    report = await mirror.pull()
    assert (report.counts["client"].delete_candidates, report.counts["client"].reappeared) == (0, 0)
    assert await mirror.value("SELECT count(*) FROM toggl.clients_history WHERE id = $1", client.id) == 1


async def test_a_row_that_comes_back_later_reappears(mirror: Mirror, world: World) -> None:
    """With a version of its own; the gap between the versions is when it was gone."""
    await mirror.pull()
    client = world.client(some(world, 1)[0])
    world.delete_client(client.id)
    await mirror.pull()
    await mirror.pull()
    world.create_client(client.workspace_id, client.name, client_id=client.id)
    report = await mirror.pull()
    assert (report.counts["client"].reappeared, report.result) == (1, "changed")
    assert await mirror.rows("SELECT change_kind, end_kind, is_current FROM toggl.clients_history WHERE id = $1 "
                             "ORDER BY valid_from", client.id) == [
        ("insert", "delete", False),
        ("reappear", None, True),
    ]  # fmt: skip


async def test_i05_an_answer_from_before_the_tombstone_does_not_reopen_it(mirror: Mirror, world: World) -> None:
    """Another token fetched it while it was there, and comes to apply it when it is gone."""
    await mirror.pull()
    (gone,) = some(world, 1)
    record = (await stored_clients(mirror))[gone].record
    await register(mirror.database, "t0", "slow")
    slow = await mirror.store.begin("slow", timeout=DAY, full_every=DAY)
    world.delete_client(gone)
    await mirror.pull()
    assert (await mirror.pull()).counts["client"].deleted == 1
    assert record is not None
    snapshot = WorkspaceSnapshot(
        Workspace(record.workspace_id, None),
        {"client": Snapshot("workspace", {gone: record}), "project": Snapshot("workspace", {})},
    )
    async with mirror.store.workspace(slow, record.workspace_id) as writer:
        rules = DeleteRules(min_age=timedelta(0))
        tally = (await apply(writer, snapshot, Pulling("slow", 1, slow.began_at, rules))).plan.scopes["client"].tally
    assert (tally.stale, tally.read) == (1, 1)
    assert await mirror.value("SELECT deleted_at IS NOT NULL FROM toggl.clients WHERE id = $1", gone)


async def test_the_guard_holds_back_a_mass_deletion(mirror: Mirror, world: World) -> None:
    """Upserts go on; the status asks for a person; an approval of exactly this set lets it go."""
    await mirror.pull()
    for id_ in some(world, 6):
        world.delete_client(id_)
    world.update_client(max(world.clients), name="renamed meanwhile")
    reports = [await mirror.pull() for _ in range(2)]
    assert [r.counts["client"].deleted for r in reports] == [0, 0]
    assert [n.kind for n in reports[1].notices] == ["held"]
    assert await mirror.value("SELECT count(*) FROM toggl.clients WHERE name = 'renamed meanwhile'") == 1
    assert await mirror.rows("SELECT status, deletes_held, action_required IS NOT NULL FROM toggl.sync_status") == [
        ("deletes_blocked", 6, True)
    ]
    quiet = await mirror.pull()
    assert (quiet.full, quiet.notices) == (False, [])
    ((held),) = await mirror.registry.held_deletes()
    assert (held["token"], held["resource"], len(held["ids"]), held["live"], held["reason"]) == (
        "t0", "client", 6, 12, "shrunk",
    )  # fmt: skip
    await mirror.registry.decide([held["hash"]], "approve", DAY)
    report = await mirror.pull()
    assert (report.counts["client"].deleted, [n.kind for n in report.notices]) == (6, ["deleted", "released"])
    assert await mirror.value("SELECT status FROM toggl.sync_status") == "ok"


async def test_an_approval_is_for_exactly_that_set(mirror: Mirror, world: World) -> None:
    """A person looked at eight rows; when one of them is back, seven are another matter."""
    await mirror.pull()
    back = world.client(some(world, 1)[0])
    for id_ in some(world, 8):
        world.delete_client(id_)
    await mirror.pull()
    await mirror.pull()
    await mirror.registry.decide(None, "approve", DAY)
    world.create_client(back.workspace_id, back.name, client_id=back.id)
    report = await mirror.pull()
    assert report.counts["client"].deleted == 0
    assert [len(row["ids"]) for row in await mirror.registry.held_deletes()] == [7]


async def test_an_approval_expires(mirror: Mirror, world: World) -> None:
    """What was right yesterday may be wrong today."""
    await mirror.pull()
    for id_ in some(world, 6):
        world.delete_client(id_)
    await mirror.pull()
    await mirror.pull()
    await mirror.registry.decide(None, "approve", timedelta(0))
    assert (await mirror.pull()).counts["client"].deleted == 0
    assert len(await mirror.registry.held_deletes()) == 1


async def test_a_rejection_keeps_the_rows(mirror: Mirror, world: World) -> None:
    """Nobody is asked again, and the digest is trusted again."""
    await mirror.pull()
    for id_ in some(world, 6):
        world.delete_client(id_)
    await mirror.pull()
    await mirror.pull()
    await mirror.registry.decide(None, "reject", DAY)
    await mirror.pull()
    last = await mirror.pull()
    assert (last.full, await mirror.registry.held_deletes()) == (False, [])
    assert await mirror.value(LIVE) == 12
    assert await mirror.value("SELECT status FROM toggl.sync_status") == "ok"


@pytest.mark.parametrize("max_share", [0.2, 1.0])
async def test_an_emptied_scope_always_asks(
    database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World, max_share: float
) -> None:
    """Whatever share is allowed."""
    rules = DeleteRules(min_age=timedelta(0), max_share=max_share)
    mirror = await mirror_of(database, session, emulator.url, dict(world.tokens), deletes=rules)
    await mirror.pull()
    for id_ in list(world.clients):
        world.delete_client(id_)
    for _ in range(3):
        await mirror.pull()
    assert await mirror.value(LIVE) == 12
    assert [row["reason"] for row in await mirror.registry.held_deletes()] == ["emptied"]


@pytest.mark.parametrize("mishap", [mishaps.unframed(), mishaps.unframed(0.0)], ids=["whole", "cut"])
async def test_an_answer_without_an_end_confirms_nothing(
    mirror: Mirror, emulator: Emulator, world: World, mishap: Any
) -> None:
    """It may have lost its tail."""
    await mirror.pull()
    world.delete_client(some(world, 1)[0])
    emulator.faults.add(mishap, path="/api/v8/clients", times=None)
    for _ in range(4):
        report = await mirror.pull()
        assert report.counts["client"].deleted == 0
    assert await mirror.value(LIVE) == 12


async def test_a_list_that_lacks_what_the_source_still_shows_proves_nothing(
    mirror: Mirror, emulator: Emulator, world: World
) -> None:
    """Before anything is buried it is asked for by its id; a list that lied is doubted as a whole."""
    await mirror.pull()
    hidden, gone = some(world, 2)
    authorization = {"Authorization": basic_auth(mirror.tokens["t0"])}
    async with mirror.puller.toggl.session.get(f"{emulator.url}/api/v8/clients", headers=authorization) as response:
        rows = json.loads(await response.read())
    lie = json.dumps([row for row in rows if row["id"] not in (hidden, gone)]).encode()
    world.delete_client(gone)
    fault = emulator.faults.add(mishaps.status(200, lie), path="/api/v8/clients", times=2)
    first, second = await mirror.pull(), await mirror.pull()
    assert fault.fired == 2
    assert (first.counts["client"].deleted, second.counts["client"].deleted, second.reason) == (0, 0, "contradicted")
    assert emulator.requests["/api/v8/clients/{client_id}"] == 2
    last = [await mirror.pull() for _ in range(2)]
    assert [r.counts["client"].deleted for r in last] == [1, 0]
    assert await mirror.value("SELECT deleted_at FROM toggl.clients WHERE id = $1", hidden) is None


async def test_listed_by_client_a_project_that_left_its_client_is_absent(
    database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World
) -> None:
    """It is still there, which contradicts nothing: such a list never holds it."""
    rules = DeleteRules(min_age=timedelta(0))
    mirror = await mirror_of(database, session, emulator.url, dict(world.tokens), deletes=rules, projects="client")
    await mirror.pull()
    left = min(id_ for id_, project in world.projects.items() if project.client_id is not None)
    world.update_project(left, client_id=None)
    reports = [await mirror.pull() for _ in range(3)]
    assert [(r.counts["project"].deleted, r.reason) for r in reports] == [(0, ""), (1, ""), (0, "")]
    assert emulator.requests["/api/v8/projects/{project_id}"] == 0


async def test_a_list_that_is_right_costs_one_request_per_tombstone(mirror: Mirror, world: World) -> None:
    """Up to a handful; a mass of them is the guard's business."""
    await mirror.pull()
    for id_ in some(world, 3):
        world.delete_client(id_)
    reports = [await mirror.pull() for _ in range(2)]
    assert [r.counts["client"].deleted for r in reports] == [0, 3]
    assert [r.traffic.requests for r in reports] == [3, 6]


@pytest.fixture
async def two(mirror: Mirror, world: World) -> Mirror:
    """A second administrator's token."""
    (workspace_id,) = world.workspaces
    world.add_user("t1", "e" * 32)
    world.share("t1", workspace_id, admin=True)
    await register(mirror.database, "t0", "t1")
    return replace(mirror, tokens=dict(world.tokens))


async def test_two_tokens_need_no_more_rounds_than_one(two: Mirror, world: World) -> None:
    """Two rounds in which everybody misses it: the one who looks last in the second buries it."""
    for token in ("t0", "t1", "t0", "t1"):
        await two.pull(token)
    world.delete_client(some(world, 1)[0])
    reports = [await two.pull(token) for token in ("t0", "t1", "t0", "t1")]
    assert [r.counts["client"].deleted for r in reports] == [0, 0, 0, 1]


async def test_a_row_that_was_hidden_from_one_token_is_not_gone_once_the_other_is_taken_out(
    two: Mirror, world: World
) -> None:
    """What a member missed while somebody saw it is no evidence for the day when nobody does any more."""
    (workspace_id,) = world.workspaces
    two.puller = replace(two.puller, rules=replace(two.puller.rules, projects="client"))
    project = min(world.projects)
    world.share("t0", workspace_id, admin=False)
    for token in ("t0", "t1"):
        await two.pull(token)
    world.update_project(project, is_private=True)
    for token in ("t0", "t1") * 4:
        await two.pull(token)
    await register(two.database, "t0")
    await two.pull("t0")
    assert await two.value("SELECT deleted_at FROM toggl.projects WHERE id = $1", project) is None


async def test_another_account_behind_a_name_misses_nothing(mirror: Mirror, world: World) -> None:
    """What the old account saw is no evidence against the new one."""
    await mirror.pull()
    await mirror.registry.register([Entry("t0", 0, timedelta(minutes=5), "somebody else")])
    for id_ in some(world, 3):
        world.delete_client(id_)
    reports = [await mirror.pull() for _ in range(3)]
    assert [r.counts["client"].deleted for r in reports] == [0, 0, 0]
    assert await mirror.value(LIVE) == 12


async def stored_clients(mirror: Mirror) -> dict[int, Stored[Any]]:
    workspace_id = await mirror.value("SELECT id FROM toggl.workspaces")
    return (await read_workspace(mirror.database, workspace_id, ["client"]))["client"]
