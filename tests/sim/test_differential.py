"""The simulated store means what the SQL does: any story ends in the same rows, versions, scopes and tokens."""

import asyncio
import os
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from syncd.postgres.database import Database
from syncd.postgres.pool import open_pool
from syncd.records import Reject, Resource, Snapshot, Strategy, Tag, Workspace, WorkspaceSnapshot
from tests.model import a_client, a_project, a_tag
from tests.sim.both import Decide, Pull, Real, Register, Simulated, Step, by_order

STORIES = 300 if os.environ.get("SYNCD_TEST_DEEP") else 12
STEPS = 30
SOURCE = datetime(2025, 1, 1, tzinfo=UTC)

NAMES = ["t0", "t1", "t2"]
IDS = {1: range(1, 10), 2: range(9, 13)}
"""Of each workspace; one id is in both, which the database refuses."""

CURSORS = [None, datetime(2024, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)]
"""None, one that is too old to ask for changes from, and one that will do."""

SIGHTS: list[list[int]] = [[1], [1], [1, 2], [2], []]
ENDS = ["finish"] * 5 + ["rejected", "failed", "none"]


def a_sight(rng: Random, wid: int) -> WorkspaceSnapshot:
    """What some account may see of a workspace: most of it, now and then little."""
    share = rng.choice([0.9, 0.9, 0.5, 0.1])
    there = [[id_ for id_ in IDS[wid] if rng.random() < share] for _ in range(2)]
    clients = {id_: a_client(id_, rng.randrange(3), workspace_id=wid, name=rng.choice("ab")) for id_ in there[0]}
    projects = {
        id_: a_project(
            id_,
            rng.randrange(3),
            workspace_id=wid,
            name=rng.choice("ab"),
            client_id=rng.choice([None, 1, 5, 100 + wid]),
            actual_seconds=rng.choice([0, 60]),
        )
        for id_ in there[1]
    }
    strategy: Strategy = rng.choice(["workspace", "workspace", "workspace", "client"])
    workspace = Workspace(wid, rng.choice(["One", None]), rng.random() < 0.3)
    seen = Snapshot(strategy, projects, _why(rng), _gone(rng, wid, projects), rng.random() < 0.4, rng.choice(CURSORS))
    scopes: dict[Resource, Snapshot[Any]] = {
        "client": Snapshot("workspace", clients, _why(rng), _gone(rng, wid, clients)),
        "project": seen,
    }
    if rng.random() < 0.7:  # else they are not to be mirrored
        tags = {id_: _a_tag(rng, id_, wid) for id_ in IDS[wid] if rng.random() < share}
        scopes["tag"] = Snapshot("workspace", tags, _why(rng), _gone(rng, wid, tags))
    return WorkspaceSnapshot(workspace, scopes)


def _a_tag(rng: Random, id_: int, wid: int) -> Tag:
    at = rng.choice([None, 0, 1, 2])
    return a_tag(id_, at, workspace_id=wid, name=rng.choice("ab"), creator_id=rng.choice([None, 7]))


def _why(rng: Random) -> tuple[str, ...]:
    return rng.choice([(), (), (), (), ("rejects",)])


def _gone(rng: Random, wid: int, records: dict[int, Any]) -> frozenset[int]:
    absent = [id_ for id_ in IDS[wid] if id_ not in records]
    return frozenset(rng.sample(absent, 1)) if absent and rng.random() < 0.2 else frozenset()


def a_step(rng: Random) -> Step:
    """Mostly pulls."""
    if rng.random() < 0.1:
        names = rng.sample(NAMES, rng.randint(1, 3))
        return Register([(name, rng.choice(["x", "x", "y"]) if name == "t0" else "x") for name in names])
    if rng.random() < 0.1:
        return Decide(rng.choice(["approve", "reject"]))
    return Pull(
        rng.choice(NAMES),
        [a_sight(rng, wid) for wid in rng.choice(SIGHTS)],
        rng.choice(ENDS),
        [Reject("client", key, 1, "malformed", "why", "{}") for key in ("50", "51") if rng.random() < 0.15],
        rng.random() < 0.1,
    )


@pytest.mark.parametrize("seed", range(STORIES))
async def test_both_stores_tell_the_same_story(migrated_url: str, seed: int) -> None:
    """Step by step, and in the end; instants by their order."""
    rng = Random(f"story {seed}")
    pool = await asyncio.wait_for(open_pool(migrated_url, size=2, connect_timeout_s=10), 20)
    try:
        real, simulated = Real(Database(pool, "differential")), Simulated()
        for step in [Register([(name, "x") for name in NAMES]), *(a_step(rng) for _ in range(STEPS))]:
            await real.tell([step])
            await simulated.tell([step])
            assert real.told[-1:] == simulated.told[-1:]
        assert by_order(await real.state(), SOURCE) == by_order(await simulated.state(), SOURCE)
    finally:
        await pool.close()
