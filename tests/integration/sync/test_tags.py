"""Tags, from the source into the mirror: mirrored where they are wanted, frozen where they no longer are."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import aiohttp
import pytest

from syncd.clock import Clock
from syncd.emulator import mishaps, seed
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.records import ALWAYS, Resource
from syncd.sync.deletes import DeleteRules
from syncd.sync.pull import Rules
from syncd.toggl import v8, v9
from syncd.toggl.dialect import Dialect
from tests.integration.sync.conftest import Mirror, mirror_of, register

WITH_TAGS: tuple[Resource, ...] = (*ALWAYS, "tag")
AT_ONCE = DeleteRules(min_age=timedelta(0))
LIVE = "SELECT id, name FROM toggl.tags_current"
HELD = "SELECT deletes_held FROM toggl.sync_status"


@pytest.fixture
def world() -> World:
    """Two workspaces of one account, with 12 tags each."""
    return seed.generate(seed=3, tokens=1, workspaces=2, clients=1, projects=1, tags=12, now=Clock().now)


@pytest.fixture(params=[v8.DIALECT, v9.DIALECT], ids=["v8", "v9"])
async def mirror(
    request: Any, database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World
) -> Mirror:
    dialect: Dialect = request.param
    more = {"deletes": AT_ONCE, "resources": WITH_TAGS}
    return await mirror_of(database, session, emulator.url, dict(world.tokens), dialect, **more)


async def mirrors(mirror: Mirror, resources: tuple[Resource, ...]) -> None:
    """The configuration says something else now."""
    rules: Rules = replace(mirror.puller.rules, resources=resources)
    mirror.puller = replace(mirror.puller, rules=rules)
    await register(mirror.database, *mirror.tokens, resources=resources)


async def settle(mirror: Mirror) -> None:
    """Pull until nothing is compared: whole, then by what changed, then once more."""
    assert not [await mirror.pull() for _ in range(3)][-1].is_compared


def at_source(world: World) -> dict[int, str]:
    return {tag.id: tag.name for tag in world.tags.values()}


async def live(mirror: Mirror) -> dict[Any, Any]:
    return dict(await mirror.rows(LIVE))


async def test_tags_live_and_die_as_clients_do(mirror: Mirror, world: World) -> None:
    """New, renamed, missing, back: each is a version, and a line of the feed."""
    first = await mirror.pull()
    assert (first.result, first.counts["tag"].inserted, await live(mirror)) == ("changed", 24, at_source(world))
    stamps = await mirror.stamps()
    assert (await mirror.pull(full=True)).counts["tag"].unchanged == 24
    assert await mirror.stamps() == stamps
    kept = world.tags_of(next(iter(world.workspaces)))
    world.update_tag(kept[0].id, name="renamed")
    world.delete_tag(kept[1].id)
    reports = [await mirror.pull() for _ in range(3)]
    assert [(report.counts["tag"].updated, report.counts["tag"].deleted) for report in reports] == [
        (1, 0),
        (0, 1),
        (0, 0),
    ]
    assert await live(mirror) == at_source(world)
    world.create_tag(kept[1].workspace_id, "again", tag_id=kept[1].id)
    assert (await mirror.pull()).counts["tag"].reappeared == 1
    assert await live(mirror) == at_source(world)
    history = "SELECT change_kind, end_kind, is_current FROM toggl.tags_history WHERE id = $1 ORDER BY valid_from"
    assert await mirror.rows(history, kept[0].id) == [("insert", "update", False), ("update", None, True)]
    assert await mirror.rows(history, kept[1].id) == [("insert", "delete", False), ("reappear", None, True)]
    feed = "SELECT change_kind FROM toggl.changes WHERE relation = 'tags' AND id = $1 ORDER BY position"
    assert await mirror.rows(feed, kept[1].id) == [("insert",), ("delete",), ("reappear",)]
    assert await mirror.registry.expire_versions(timedelta(0)) == 2
    assert await mirror.value("SELECT bool_and(is_current) FROM toggl.tags_history")


async def test_tags_are_the_source_s_whatever_happens(mirror: Mirror, world: World) -> None:
    """A long random life: made, renamed, deleted, given back, refused. In the end the mirror is the source."""
    rng = Random(7)
    gone: list[Any] = []
    for step in range(40):
        rows = list(world.tags.values())
        match rng.choice(["make", "rename", "delete", "restore", "swap"]):
            case "make":
                world.create_tag(rng.choice(list(world.workspaces)), f"new {step}")
            case "rename":
                world.update_tag(rng.choice(rows).id, name=f"other {step}")
            case "delete":
                gone.append(rng.choice(rows))
                world.delete_tag(gone[-1].id)
            case "restore" if gone:
                back = gone.pop(rng.randrange(len(gone)))
                world.create_tag(back.workspace_id, f"back {step}", tag_id=back.id)
            case _:  # a name that is free now is given to another one
                old, heir = rng.sample(world.tags_of(rng.choice(list(world.workspaces))), 2)
                world.delete_tag(old.id)
                world.update_tag(heir.id, name=old.name)
        report = await mirror.pull(full=rng.random() < 0.2)
        seen = await live(mirror)
        assert report.is_fresh
        assert at_source(world).items() <= seen.items()
    for _ in range(4):
        await mirror.pull()
    assert await live(mirror) == at_source(world)
    overlaps = """SELECT id FROM (SELECT id, valid_to, end_kind, lead(valid_from) OVER w AS next FROM toggl.tags_history
                  WINDOW w AS (PARTITION BY id ORDER BY valid_from)) v
                  WHERE next < valid_to OR (end_kind = 'update' AND next IS DISTINCT FROM valid_to)"""
    assert await mirror.rows(overlaps) == []


@pytest.mark.parametrize("http_status", [403, 404, 405])
async def test_refused_tags_cost_nothing_but_themselves(
    mirror: Mirror, emulator: Emulator, world: World, http_status: int
) -> None:
    """The rest is mirrored, no tag is buried, and the line says why."""
    await mirror.pull()
    kept = at_source(world)
    wid = next(iter(world.workspaces))
    for tag in world.tags_of(wid):
        world.delete_tag(tag.id)
    world.update_client(next(iter(world.clients)), name="renamed")
    version = "v8" if mirror.puller.dialect is v8.DIALECT else "v9"
    emulator.faults.add(mishaps.status(http_status), path=f"/api/{version}/workspaces/{wid}/tags", times=None)
    reports = [await mirror.pull() for _ in range(4)]
    assert {(report.result, report.reason) for report in reports} == {("partial", f"http_{http_status}")}
    assert [report.counts["client"].updated for report in reports] == [1, 0, 0, 0]
    assert (reports[0].counts["client"].complete, reports[0].counts["tag"].complete) == (True, False)
    assert await live(mirror) == kept


async def test_without_tags_nothing_is_asked_and_nothing_written(
    mirror: Mirror, emulator: Emulator, world: World
) -> None:
    """Not one request, row, scope or count."""
    await mirrors(mirror, ALWAYS)
    report = await mirror.pull()
    assert list(report.counts) == list(ALWAYS)
    assert [line.path_qs for line in emulator.log if "tags" in line.path_qs] == []
    assert await live(mirror) == {}
    assert await mirror.rows("SELECT DISTINCT resource FROM syncd.scopes ORDER BY 1") == [("client",), ("project",)]
    assert report.row_count == len(world.clients) + len(world.projects)


async def test_another_list_of_resources_makes_the_next_pull_compare(mirror: Mirror, world: World) -> None:
    """And what pulls cost is learnt anew. What is not mirrored any more stays as it was; nothing waits for a person."""
    await mirrors(mirror, ALWAYS)
    await settle(mirror)
    await mirror.rows("UPDATE syncd.tokens SET full_cost = '{\"0\": 3}'")
    await mirrors(mirror, WITH_TAGS)
    assert await mirror.value("SELECT full_cost FROM syncd.tokens") is None
    report = await mirror.pull()
    assert (report.is_compared, report.counts["tag"].inserted) == (True, 24)
    kept = await live(mirror)
    for tag in list(world.tags.values()):
        world.delete_tag(tag.id)
    for _ in range(3):
        await mirror.pull()
    assert await mirror.value(HELD) == 24
    await mirrors(mirror, ALWAYS)
    assert await mirror.value(HELD) == 0
    assert (await mirror.pull()).is_compared
    await settle(mirror)
    assert await live(mirror) == kept
    assert await mirror.value("SELECT min(last_success_at) = max(last_success_at) FROM toggl.workspace_freshness")


async def test_the_same_list_of_resources_changes_nothing(mirror: Mirror) -> None:
    """A restart is no reason to compare."""
    await settle(mirror)
    await mirrors(mirror, WITH_TAGS)
    assert not (await mirror.pull()).is_compared
