"""A clock that moves only when told, a small world under it, and a way to call it."""

from datetime import UTC, datetime, timedelta

import pytest

from syncd.emulator.model import World
from tests.unit.emulator.caller import Caller


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


@pytest.fixture
def call(world: World) -> Caller:
    """In workspace 1: client 1 with projects 1, 2 (archived), 3 (private), a loose project 5; client 6, archived.
    Client 4 is in workspace 2."""
    world.create_client(1, "Acme", "n", 12.0, "AUD", client_id=1, creator_id=7)
    world.create_project(1, "open", 1, project_id=1, is_private=False, rate=60.0, color="5", actual_seconds=7300)
    world.create_project(1, "archived", 1, project_id=2, is_private=False, active=False)
    world.create_project(1, "private", 1, project_id=3)
    world.create_project(1, "loose", project_id=5, is_private=False)
    world.create_client(1, "Gone", client_id=6)
    world.archive_client(6)
    world.create_client(2, "Beta", client_id=4)
    return Caller(world)
