"""The process dies without a word, at every named place of a pull."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from syncd import failpoints
from tests.chaos.kit import IS_DEEP, TOKEN, Databases, configured, looking_at
from tests.chaos.stages import Name, Stage, staged
from tests.processes import Syncd

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

TWICE = ("before_workspace_commit", "after_workspace_commit")
"""Places that a pull reaches once per workspace."""

PLACES: dict[Name, list[tuple[str, int]]] = {
    "first": [(place, 1) for place in failpoints.PLACES if place != "after_lost_workspaces"],
    "changes": [
        (place, nth)
        for place in failpoints.PLACES
        if place != "after_lost_workspaces"
        for nth in ((1, 2) if place in TWICE else (1,))
    ],
    "unchanged": [("after_begin", 1), ("after_fetch", 1), ("before_finish", 1), ("after_finish", 1)],
    "lost": [("after_lost_workspaces", 1)],
}


@pytest.fixture
def syncd(tmp_path: Path) -> Syncd:
    return Syncd(tmp_path, secrets=(TOKEN,))


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=PLACES if IS_DEEP else [name for name in PLACES if name != "unchanged"]
)
async def stage(request: pytest.FixtureRequest, databases: Databases, migrated_template: str) -> AsyncIterator[Stage]:
    async with staged(request.param, databases, migrated_template) as stage:
        yield stage


async def test_i10_a_kill_at_any_place_harms_nothing(stage: Stage, syncd: Syncd) -> None:
    """Before or after in every workspace; then one clean pull, and all is as if nothing had happened."""
    for nth, (place, times) in enumerate(PLACES[stage.name]):
        async with stage.databases.copy(stage.before) as url:
            configured(syncd, stage.base_url, url)
            killed = await syncd("once", environ={"SYNCD_TEST_KILL_AT": f"{place}:{times}"})
            assert killed.exit_code == -signal.SIGKILL, f"{place}:{times} was not reached\n{killed.stderr}"
            await stage.databases.backends_gone(url)
            await stage.done(url, f"killed {place}:{times}")
            if IS_DEEP or nth == 0:
                clean = await syncd("once", "--json")
                assert (clean.exit_code, [report["error"] for report in clean.answer]) == (0, [None])
            else:  # the same in this process, which saves starting another one
                await stage.recover(url)
            await stage.assert_done(url)
            async with looking_at(url) as connection:
                assert await connection.fetchval("SELECT status FROM toggl.sync_status") == "ok"
    print(f"\n{stage.name} pull: {len(PLACES[stage.name])} kills at named places")


async def test_every_place_is_killed_at() -> None:
    """A new one must be put into a scenario that reaches it."""
    assert {place for places in PLACES.values() for place, _ in places} == set(failpoints.PLACES)
