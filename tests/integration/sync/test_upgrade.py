"""From the first schema to the newest, with rows of every kind in it: first_schema.sql says which."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from syncd.clock import Clock
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.postgres.migrate import migrate
from syncd.postgres.pool import open_pool
from syncd.postgres.sql import migrations
from syncd.sync.deletes import DeleteRules
from syncd.toggl import v8, v9
from syncd.toggl.dialect import Dialect
from tests.integration.sync.conftest import Mirror, mirror_of

ROWS = Path(__file__).with_name("first_schema.sql").read_text(encoding="utf-8")
ROUNDS = 4
"""Pulls of each token after which nothing is left to confirm."""

COLUMNS = """
SELECT table_name, string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
WHERE table_schema = 'toggl' AND column_name <> 'staleness_seconds' GROUP BY 1 ORDER BY 1"""
VERSIONS = """
SELECT resource, id, valid_from, end_kind,
       (version - ARRAY['valid_to', 'valid_to_date', 'is_current', 'end_kind'])::text
FROM (SELECT 'client' AS resource, id, valid_from, end_kind, to_jsonb(h) AS version FROM toggl.clients_history h
      UNION ALL SELECT 'project', id, valid_from, end_kind, to_jsonb(h) FROM toggl.projects_history h) versions"""
BROKEN = """
SELECT * FROM (SELECT id, valid_from, change_kind, lag(valid_to) OVER w AS ended_at, lag(end_kind) OVER w AS ended_by
               FROM toggl.{}s_history WINDOW w AS (PARTITION BY id ORDER BY valid_from)) version
WHERE NOT CASE ended_by WHEN 'update' THEN change_kind = 'update' AND valid_from = ended_at
                        WHEN 'delete' THEN change_kind = 'reappear' AND valid_from >= ended_at
                        ELSE change_kind = 'insert' AND ended_at IS NULL END"""
LIVE = "SELECT id FROM toggl.{}s WHERE deleted_at IS NULL AND NOT _is_stub"
TOMBSTONES = "SELECT id FROM toggl.{}s WHERE deleted_at IS NOT NULL"

STEADY = {*range(711, 717), *range(807, 813)}
APPROVED, HELD, OTHERS = set(range(801, 807)), set(range(851, 857)), set(range(857, 863))
EXPECTED = {
    ("client", LIVE): {1, 2, 4, 6, 7, 8, 901} | STEADY,
    ("client", TOMBSTONES): {3, 5} | APPROVED,
    ("project", LIVE): {11, 12, 21, 41, 71, 911} | HELD | OTHERS,
    ("project", TOMBSTONES): {31},
}
CHANGED = {("client", 2), ("client", 7), ("client", 8), ("project", 12)}
NEW_FIELDS = {"client": {1, 4, 6} | STEADY, "project": {11, 21, 41, 71} | OTHERS}
"""Whose rows look different by v9, where clients have no rates and projects have start dates."""


def at(month: int, day: int) -> datetime:
    return datetime(2025, month, day, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    """The source today: since then 2 was renamed, 7 shown, project 12 mended; 5, 801 … 806, 851 … 856 deleted."""
    world = World(Clock().now)
    world.create_workspace("My Company Inc", workspace_id=777, at=at(1, 1), premium=True)
    world.create_workspace("Their Company", workspace_id=778, at=at(1, 1), premium=True)
    for name, workspace_id, admin in (("t0", 777, True), ("t0", 778, True), ("t1", 777, False)):
        if name not in world.users:
            world.add_user(name, name[1] * 32)
        world.share(name, workspace_id, admin=admin)
    world.create_client(777, "Steady", "Contact: reception", 50.0, "EUR", client_id=1, at=at(1, 1))
    world.create_client(777, "Renamed again", client_id=2, at=at(5, 1))
    world.create_client(777, "Back", client_id=4, at=at(2, 19))
    for id_, title in ((6, "Blinking"), (7, "Shown"), (8, "As at the source")):
        world.create_client(777, title, client_id=id_, at=at(1, 1))
    for id_ in STEADY:
        world.create_client(id_ // 100 + 770, f"Client {id_}", client_id=id_, at=at(1, 1))
    public: dict[str, Any] = {"is_private": False, "created_at": at(1, 1)}
    website: dict[str, Any] = {"billable": True, "color": "5", "rate": 12.5}
    world.create_project(777, "Website", 1, project_id=11, at=at(1, 1), **public, **website)
    world.create_project(777, "Mended", project_id=12, at=at(1, 1), **public)
    world.create_project(777, "Archived", 2, project_id=21, at=at(2, 9), active=False, **public)
    world.create_project(777, "Of no client", project_id=41, at=at(1, 1), created_at=at(1, 1))
    world.create_project(777, "Of a stub", 7, project_id=71, at=at(1, 1), **public)
    for id_ in OTHERS:
        world.create_project(778, f"Project {id_}", 812, project_id=id_, at=at(1, 1), **public)
    return world


@pytest.fixture
async def first(database_url: str) -> AsyncIterator[Any]:
    """A connection to a database of the first schema."""
    connection = await asyncpg.connect(database_url)
    try:
        await migrate(connection, known=migrations()[:1])
        await connection.execute(ROWS)
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def upgraded(first: Any, database_url: str) -> AsyncIterator[Database]:
    await migrate(first)
    async with await open_pool(database_url, size=4, connect_timeout_s=10) as pool:
        yield Database(pool, "the upgraded database")


async def test_no_migration_changes_what_reports_read(first: Any) -> None:
    """After each: every relation and column of the first schema, with the same rows."""
    relations = [f"SELECT {columns} FROM toggl.{name} ORDER BY 1, 2" for name, columns in await first.fetch(COLUMNS)]
    before = [await first.fetch(query) for query in relations]
    assert [len(rows) for rows in before if not rows] == []
    for count in range(2, len(migrations()) + 1):
        assert await migrate(first, known=migrations()[:count]) == 1
        assert [await first.fetch(query) for query in relations] == before, migrations()[count - 1].name


@pytest.mark.parametrize("dialect", [v8.DIALECT, v9.DIALECT], ids=["v8", "v9"])
async def test_pulls_go_on_where_the_first_release_stopped(
    upgraded: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World, dialect: Dialect
) -> None:
    """Also for those who change to v9 on the way: no version is lost, none begins but for a change, and of what is
    gone only what enough snapshots, of before and after, agree on and the guard or a person allows."""
    rules = DeleteRules(min_age=timedelta(0))
    mirror = await mirror_of(upgraded, session, emulator.url, dict(world.tokens), dialect, deletes=rules)
    before = set(await mirror.rows(VERSIONS))
    for _ in range(ROUNDS):
        assert [(await mirror.pull(token)).error for token in ("t1", "t0")] == [None, None]
    assert {key: await ids(mirror, *key) for key in EXPECTED} == EXPECTED
    assert [await mirror.rows(BROKEN.format(resource)) for resource in NEW_FIELDS] == [[], []]

    after = set(await mirror.rows(VERSIONS))
    ended, still_open = {v for v in before if v[3]}, {without_end(v) for v in before if not v[3]}
    assert (ended - after, still_open - {without_end(v) for v in after}) == (set(), set())
    begun = sorted(v[:2] for v in {without_end(v) for v in after} - {without_end(v) for v in before})
    dressed = {(resource, id_) for resource, ids_ in NEW_FIELDS.items() for id_ in ids_ if dialect is v9.DIALECT}
    assert begun == sorted(CHANGED | dressed)

    stamps = await mirror.stamps()
    assert [(await mirror.pull(token)).result for token in ("t1", "t0")] == ["unchanged", "unchanged"]
    assert await mirror.stamps() == stamps
    assert await mirror.rows("SELECT token, status, deletes_held, quarantined FROM toggl.sync_status ORDER BY 1") == [
        ("former", "disabled", 0, 0), ("t0", "deletes_blocked", 6, 0), ("t1", "ok", 0, 0),
    ]  # fmt: skip


async def ids(mirror: Mirror, resource: str, query: str) -> set[int]:
    return {id_ for (id_,) in await mirror.rows(query.format(resource))}


def without_end(version: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the version was from its beginning on."""
    resource, id_, valid_from, _, content = version
    return resource, id_, valid_from, content
