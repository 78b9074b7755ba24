"""Scenarios to break: a database before a pull, a source that has changed since, and what the pull makes of both."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.sync.report import PullReport
from tests.chaos.kit import (
    WORKSPACES,
    Databases,
    Source,
    Success,
    assert_mirrors,
    change,
    doom,
    looking_at,
    register,
    rules,
    small_world,
    sourced,
    state_of,
    success_of,
    tombstones_of,
    versions_of,
)
from tests.chaos.proxy import Proxy, Side
from tests.postgres_fixture import name_of

Name = Literal["first", "changes", "unchanged", "lost"]
LOST = 3
"""The workspace, without rows, that the token loses in scenario `lost`."""


@dataclass
class Stage:
    """A scenario. `before` is the database to be copied; `base_url` of the source.

    `messages`: what the whole pull says to PostgreSQL and hears from it, connecting included; `commits` among the
    client's, by number.
    """

    name: Name
    databases: Databases
    source: Source
    base_url: str
    world: World
    before: str
    state_before: dict[int, Any]
    state_after: dict[int, Any]
    success_before: Success
    versions: Counter[tuple[str, int]]
    messages: Counter[Side]
    commits: list[int]

    async def done(self, url: str, where: object) -> tuple[int, bool]:
        """After an accident: how many workspaces are applied, and whether the token's success is noted.

        Raises AssertionError if one is half applied, or the success is noted without all rows.
        """
        async with looking_at(url) as connection:
            state, success = await state_of(connection), await success_of(connection)
        done = [w for w in WORKSPACES if state[w] == self.state_after[w]]
        for w in WORKSPACES:
            assert state[w] in (self.state_before[w], self.state_after[w]), f"workspace {w} is half applied: {where}"
        if success != self.success_before:
            assert done == list(WORKSPACES), f"a success is noted without its rows: {where}"
        return len(done), success.last_success_at != self.success_before.last_success_at

    async def assert_done(self, url: str) -> None:
        """Everything is as if nothing had happened: no row is missing, no version doubled."""
        async with looking_at(url) as connection:
            await assert_mirrors(connection, self.world)
            assert await versions_of(connection) == self.versions
            assert await state_of(connection) == self.state_after

    async def recover(self, url: str) -> PullReport:
        """A pull without any accident."""
        report = await self.source.pull(url)
        assert report is not None
        assert report.is_fresh, report.error
        return report


@asynccontextmanager
async def staged(name: Name, databases: Databases, template: str) -> AsyncIterator[Stage]:
    """A scenario on copies of *template*, an empty database with the schema."""
    world = small_world()
    async with (
        Emulator(world) as emulator,
        sourced(emulator.url, rules()) as source,
        databases.copy(template) as before,
    ):
        await register(before)
        await _bring_forward(name, source, world, before)
        await databases.backends_gone(before)
        yield await _rehearsed(name, databases, source, emulator.url, world, before)


async def _bring_forward(name: Name, source: Source, world: World, url: str) -> None:
    """Up to the pull that is to be broken."""
    if name == "first":
        return
    if name == "lost":
        world.create_workspace("Lost", workspace_id=LOST)
        world.share("t0", LOST, admin=True)
        await source.pull(url)
        world.unshare("t0", LOST)
        change(world)
        return
    await source.pull(url)
    doom(world)
    await source.pull(url)
    await source.pull(url)
    change(world)
    if name == "unchanged":
        await source.pull(url)
        await source.pull(url)


async def _rehearsed(
    name: Name, databases: Databases, source: Source, base_url: str, world: World, before: str
) -> Stage:
    """The scenario without any accident, through the proxy, which counts; judged by what the scenario is about."""
    async with looking_at(before) as connection:
        state_before, success_before = await state_of(connection), await success_of(connection)
    async with databases.copy(name_of(before)) as url, Proxy(url) as proxy:
        report = await source.pull(proxy.url)
        messages, commits = Counter(proxy.counts), proxy.commits
        await databases.backends_gone(url)
        async with looking_at(url) as connection:
            await assert_mirrors(connection, world)
            after, versions = await state_of(connection), await versions_of(connection)
            buried = await tombstones_of(connection)
    results = {"unchanged": "unchanged", "lost": "partial"}
    assert report is not None
    assert report.result == results.get(name, "changed"), report.error
    doomed = [("client", 13), ("client", 23), ("project", 103), ("project", 203)]
    assert buried == (doomed if name in ("changes", "unchanged") else [])
    edited = {("client", 12), ("client", 22), ("project", 102), ("project", 202)}
    assert {key for key, number in versions.items() if number != 1} == (set() if name == "first" else edited)
    return Stage(
        name, databases, source, base_url, world, name_of(before), state_before, after, success_before, versions,
        messages, commits,
    )  # fmt: skip
