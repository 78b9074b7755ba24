"""What a pull leaves behind that did not come to its end, or not alone."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from syncd.emulator import mishaps
from syncd.emulator.server import Emulator
from syncd.postgres.writer import Begun
from syncd.records import RESOURCES, Snapshot, Workspace, WorkspaceSnapshot
from syncd.sync.deletes import DeleteRules
from syncd.sync.planning import Pulling
from tests.integration.sync.conftest import Mirror
from tests.planned import apply

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def leave_unfinished(mirror: Mirror, workspace_id: int) -> Begun:
    """A pull that saw an empty workspace, committed that, and died."""
    begun = await mirror.store.begin("t0", timeout=HOUR, full_every=DAY)
    nothing: Snapshot[Any] = Snapshot("workspace", {})
    snapshot = WorkspaceSnapshot(Workspace(workspace_id, "Seen"), dict.fromkeys(RESOURCES, nothing))
    async with mirror.store.workspace(begun, workspace_id) as writer:
        pulling = Pulling("t0", 0, begun.began_at, DeleteRules())
        await apply(writer, snapshot, pulling)
    return begun


async def test_a_digest_does_not_outlive_what_was_written_after_it(mirror: Mirror) -> None:
    """The source shows again what it showed before the pull that died: that is news to the mirror."""
    await mirror.pull()
    assert (await mirror.pull()).full is False
    await leave_unfinished(mirror, 777)
    assert await mirror.value("SELECT sum(cardinality(ids)) FROM syncd.scopes") == 0
    report = await mirror.pull()
    assert (report.result, report.full) == ("unchanged", True)
    assert await mirror.value("SELECT sum(cardinality(ids)) FROM syncd.scopes") == 4
    assert (await mirror.pull()).full is False


async def test_a_workspace_that_only_an_unfinished_pull_saw_can_be_lost(mirror: Mirror) -> None:
    """Or its token would be taken to see its rows for ever."""
    await mirror.pull()
    await leave_unfinished(mirror, 999)
    report = await mirror.pull()
    assert (report.gained, report.lost) == ([], [999])
    assert await mirror.rows("SELECT DISTINCT workspace_id FROM syncd.scopes WHERE lost_at IS NOT NULL") == [(999,)]


async def test_a_hold_outlives_an_interrupted_pull(mirror: Mirror, emulator: Emulator) -> None:
    """It waits out a Retry-After when the shutdown comes; the next process must know."""
    entered = asyncio.Event()

    async def wait(_seconds: float) -> None:
        entered.set()
        await asyncio.Event().wait()

    emulator.faults.add(mishaps.status(429, headers={"Retry-After": "50"}), times=1)
    mirror.puller.toggl.sleep = wait
    pull = asyncio.create_task(mirror.pull())
    await entered.wait()
    pull.cancel()
    await asyncio.gather(pull, return_exceptions=True)
    assert 30 < (await mirror.registry.held(["t0"]))["t0"] <= 50


async def test_a_hold_outlives_a_pull_that_went_well(mirror: Mirror) -> None:
    """A refused request that the pull could do without binds the next process too."""
    await mirror.pull()
    toggl = mirror.puller.toggl
    toggl._pacers["t0"].hold_until(toggl.clock.monotonic() + 600)
    assert (await mirror.pull()).result == "unchanged"
    assert 500 < (await mirror.registry.held(["t0"]))["t0"] <= 600


async def test_a_rejected_token_is_left_alone_for_a_while(mirror: Mirror, emulator: Emulator) -> None:
    """That is written down; but nobody asked us to wait, so it holds up no person who asks."""
    emulator.faults.add(mishaps.status(401))
    await mirror.pull()
    wait_s = await mirror.value("SELECT extract(epoch FROM not_before - now())::float8 FROM syncd.tokens")
    assert 50 < wait_s <= 60
    assert await mirror.registry.held(["t0"]) == {}


@pytest.mark.parametrize("end", ["well", "badly"])
async def test_a_hold_that_another_process_was_told_of_is_kept(mirror: Mirror, end: str) -> None:
    """It came while this pull was at work, which knows nothing of it."""
    begun = await mirror.store.begin("t0", timeout=HOUR, full_every=DAY)
    await mirror.store.hold("t0", 600)
    if end == "well":
        await mirror.store.finish_changed(begun, 1, None, None, 0, [], is_whole=True)
    else:
        await mirror.store.finish_failed(begun, "failed", "why", None, 60)
    assert 500 < (await mirror.registry.held(["t0"]))["t0"] <= 600
