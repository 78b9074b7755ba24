"""A clock that moves only when told, and a small world under it."""

from datetime import UTC, datetime, timedelta

import pytest

from syncd.emulator.model import World


class HandClock:
    """An instant that a test moves by hand."""

    def __init__(self) -> None:
        self.at = datetime(2030, 1, 1, 12, 0, 0, 750_000, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def world(clock: HandClock) -> World:
    """Workspaces 1 (premium) and 2 (not); ann is admin of both, bob a member of 1, eve sees nothing."""
    world = World(clock.now)
    world.create_workspace("One", workspace_id=1, premium=True)
    world.create_workspace("Two", workspace_id=2)
    for name, digit in (("ann", "a"), ("bob", "b"), ("eve", "e")):
        world.add_user(name, digit * 32)
    world.share("ann", 1, admin=True)
    world.share("ann", 2, admin=True)
    world.share("bob", 1)
    return world
