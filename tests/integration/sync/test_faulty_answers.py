"""Three tokens with different rights over two shared workspaces, and nearly every third answer is wrong."""

from datetime import timedelta
from random import Random

import aiohttp

from syncd.clock import Clock
from syncd.emulator import mishaps, seed
from syncd.emulator.faults import Mishap
from syncd.emulator.life import live
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.sync.deletes import DeleteRules
from tests.integration.sync.conftest import Mirror, mirror_of

ROUNDS = 25
SHARE_FAULTY = 0.3
FAULTS: list[Mishap] = [
    mishaps.status(500), mishaps.status(503), mishaps.html(), mishaps.disconnect(), mishaps.garbage(),
    mishaps.truncate(), mishaps.cut_chunked(), mishaps.unframed(), mishaps.unframed(0.5), mishaps.gzip_truncated(),
    mishaps.wrong_type(), mishaps.status(200, b"null"), mishaps.status(200, b"[]"), mishaps.status(404),
    mishaps.status(429, headers={"Retry-After": "1"}),
]  # fmt: skip
"""Also an empty list that is framed and complete: the worst of liars."""


async def test_a_third_of_the_answers_faulty(database: Database, session: aiohttp.ClientSession) -> None:
    """No row that lives at the source is ever a tombstone; after two quiet full pulls the mirror is the source."""
    rng = Random(20)
    world = shared_world()
    async with Emulator(world) as emulator:
        rules = DeleteRules(min_age=timedelta(0))
        mirror = await mirror_of(database, session, emulator.url, dict(world.tokens), deletes=rules)
        await pull_all(mirror)
        for _ in range(ROUNDS):
            live(world, rng, edits=3)
            world.delete_project(rng.choice(sorted(world.projects)))
            for token in rng.sample(sorted(mirror.tokens), len(mirror.tokens)):
                arm(emulator, rng)
                await mirror.pull(token)
                emulator.faults.clear()
                assert await falsely_buried(mirror, world) == []
        assert sum(emulator.faults.fired.values()) > ROUNDS
        await pull_all(mirror)
        await pull_all(mirror)
    assert await mirrored(mirror) == source(world)


def shared_world() -> World:
    """Two workspaces; `t0` administers both, `member` neither, `mixed` one of them."""
    world = seed.generate(seed=5, tokens=1, workspaces=2, clients=12, projects=4, now=Clock().now)
    first, second = world.workspaces
    for name, secret in (("member", "a" * 32), ("mixed", "b" * 32)):
        world.add_user(name, secret)
        world.share(name, first)
        world.share(name, second, admin=name == "mixed")
    return world


def arm(emulator: Emulator, rng: Random) -> None:
    """Let nearly a third of the next answers go wrong."""
    for nth in range(1, 9):
        if rng.random() < SHARE_FAULTY:
            emulator.faults.add(rng.choice(FAULTS), first=nth)


async def pull_all(mirror: Mirror) -> None:
    for token in mirror.tokens:
        await mirror.pull(token, full=True)


async def falsely_buried(mirror: Mirror, world: World) -> list[tuple[str, int]]:
    """Tombstones of rows that are alive at the source."""
    buried = await mirror.rows("""
        SELECT 'client', id FROM toggl.clients WHERE deleted_at IS NOT NULL
        UNION ALL SELECT 'project', id FROM toggl.projects WHERE deleted_at IS NOT NULL""")
    return [(kind, id_) for kind, id_ in buried if id_ in (world.clients if kind == "client" else world.projects)]


async def mirrored(mirror: Mirror) -> dict[str, dict[int, tuple[object, ...]]]:
    clients = await mirror.rows("SELECT id, name, notes FROM toggl.clients_current")
    projects = await mirror.rows("SELECT id, name, client_id, active, is_private FROM toggl.projects_current")
    return {"clients": {row[0]: row[1:] for row in clients}, "projects": {row[0]: row[1:] for row in projects}}


def source(world: World) -> dict[str, dict[int, tuple[object, ...]]]:
    return {
        "clients": {c.id: (c.name, c.notes) for c in world.clients.values()},
        "projects": {p.id: (p.name, p.client_id, p.active, p.is_private) for p in world.projects.values()},
    }
