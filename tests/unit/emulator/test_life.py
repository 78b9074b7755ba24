"""Living data: it changes, deterministically, and nothing is ever lost by it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.emulator import seed
from syncd.emulator.dice import Dice
from syncd.emulator.life import live
from syncd.emulator.model import World


def lively_world(clock: Any) -> World:
    return seed.generate(seed=1, tokens=1, workspaces=2, clients=5, projects=2, now=clock.now)


def test_every_kind_of_edit_occurs_and_none_loses_a_row(clock: Any) -> None:
    """300 edits: all six kinds are told, ids only get more, and every change carries the present second."""
    world = lively_world(clock)
    clients, projects = dict(world.clients), dict(world.projects)
    told = live(world, Dice(1), 300)
    for words in (
        "client ",
        "project ",
        "notes",
        " an hour",
        "has a new project",
        " is now ",
        "archived",
        "active again",
    ):
        assert any(words in line for line in told), words
    assert clients.keys() == world.clients.keys()
    assert projects.keys() < world.projects.keys()
    at = clock.at.replace(microsecond=0)
    changed = [row for key, row in world.clients.items() if row != clients[key]]
    changed_projects = [row for key, row in world.projects.items() if row != projects.get(key)]
    assert {at} == {row.at for row in changed} | {row.at for row in changed_projects}


def test_equal_dice_live_equal_lives(clock: Any) -> None:
    first, second = lively_world(clock), lively_world(clock)
    assert live(first, Dice(7), 50) == live(second, Dice(7), 50)
    assert (first.clients, first.projects) == (second.clients, second.projects)


def test_names_do_not_grow(clock: Any) -> None:
    """An edit replaces the ending of an earlier one."""
    world = lively_world(clock)
    live(world, Dice(3), 2000)
    assert max(len(row.name) for row in world.clients.values()) < 60


def test_world_without_clients_stays_as_it_is() -> None:
    world = World(lambda: datetime(2030, 1, 1, tzinfo=UTC) + timedelta(0))
    assert live(world, Dice(1), 3) == []
