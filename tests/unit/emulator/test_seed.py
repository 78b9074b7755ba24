"""Worlds by seed are equal for equal arguments; the documented world is the documentation's."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.emulator import seed
from syncd.emulator.dialect import Ask
from syncd.emulator.dice import Dice
from syncd.emulator.model import World
from syncd.emulator.v8 import V8

SIZES: dict[str, int] = {"seed": 1, "tokens": 3, "workspaces": 2, "clients": 70, "projects": 4}


def generate(**sizes: int) -> World:
    return seed.generate(**{**SIZES, **sizes}, now=lambda: datetime(2030, 1, 1, tzinfo=UTC))


def content(world: World) -> tuple[bytes, dict[str, str]]:
    """All rows as bytes, and all tokens."""
    rows = [list(kind.values()) for kind in (world.workspaces, world.clients, world.projects)]
    return msgspec.json.encode([rows, [user.access for user in world.users.values()]]), world.tokens


def test_equal_arguments_give_equal_worlds_whatever_the_time() -> None:
    later = seed.generate(**SIZES, now=lambda: datetime(2040, 1, 1, tzinfo=UTC))
    assert content(generate()) == content(later)
    for mine, other in zip(content(generate()), content(generate(seed=2)), strict=True):
        assert mine != other


def test_dice_are_the_published_splitmix64() -> None:
    """First values of the reference implementation for seed 1234567."""
    dice = Dice(1234567)
    assert [dice.randrange(2**64) for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@settings(deadline=None, database=None)
@given(
    tokens=st.integers(0, 3), workspaces=st.integers(0, 2), clients=st.integers(0, 8), projects=st.integers(0, 3),
    loose_projects=st.integers(0, 3),
)  # fmt: skip
def test_sizes_are_exact(tokens: int, workspaces: int, clients: int, projects: int, loose_projects: int) -> None:
    """Workspaces per token, clients per workspace, projects per client, and loose ones on top."""
    world = generate(
        tokens=tokens, workspaces=workspaces, clients=clients, projects=projects, loose_projects=loose_projects
    )
    assert [f"t{n}" for n in range(tokens)] == list(world.tokens)
    assert tokens * workspaces == len(world.workspaces)
    for row in world.workspaces.values():
        assert clients == len(world.clients_of(row.id))
        assert clients * projects + loose_projects == len(world.projects_of(row.id))
        assert loose_projects == sum(project.client_id is None for project in world.projects_of(row.id))
    for client in world.clients.values():
        assert projects == len(world.projects_of_client(client.id))


def test_tokens_are_32_hex_digits_and_their_users_admins_of_their_own() -> None:
    world = generate()
    assert all(re.fullmatch("[0-9a-f]{32}", token) for token in world.tokens.values())
    assert len(set(world.tokens.values())) == 3
    owned = [set(user.access) for user in world.users.values()]
    assert [len(ids) for ids in owned] == [2, 2, 2]
    assert set(world.workspaces) == set.union(*owned)
    assert all(admin for user in world.users.values() for admin in user.access.values())


@pytest.mark.parametrize(
    ("kinds", "rows"),
    [
        ({"premium", "free"}, lambda w: ["premium" if r.premium else "free" for r in w.workspaces.values()]),
        ({True, False}, lambda w: [r.notes is None for r in w.clients.values()]),
        ({(True, True), (False, True), (False, False)}, lambda w: [
            (r.hrate is not None, w.workspaces[r.workspace_id].premium) for r in w.clients.values()]),
        ({True, False}, lambda w: [r.active for r in w.projects.values()]),
        ({True, False}, lambda w: [r.is_private for r in w.projects.values()]),
        ({True, False}, lambda w: [r.billable for r in w.projects.values()]),
        ({True, False}, lambda w: [r.rate is None for r in w.projects.values()]),
        ({True, False}, lambda w: [r.name.isascii() for r in w.clients.values()]),
    ],
)  # fmt: skip
def test_rows_are_of_every_kind(kinds: set[object], rows: Callable[[World], list[object]]) -> None:
    """Absent and present notes and rates, archived and private projects; rates in premium workspaces alone."""
    assert kinds == set(rows(generate()))


def test_generated_names_are_unique_beyond_the_stock_of_words() -> None:
    """700 clients with 40 projects each: more than there are words."""
    world = generate(tokens=1, workspaces=1, clients=700, projects=40)
    assert len({row.name for row in world.clients.values()}) == 700
    (client, *_) = world.clients.values()
    assert len({row.name for row in world.projects_of_client(client.id)}) == 40


DOCUMENTED_CLIENTS = [
    {
        "id": 1239455,
        "wid": 777,
        "name": "Very Big Company",
        "notes": "something about the client",
        "at": "2013-02-26T08:55:28+00:00",
    },
    {
        "id": 1239456,
        "wid": 777,
        "name": "Small Startup",
        "notes": "Really cool people",
        "at": "2013-03-26T08:55:28+00:00",
    },
]
DOCUMENTED_PROJECTS = [
    {
        "id": 909,
        "wid": 777,
        "cid": 1239455,
        "name": "Very lucrative project",
        "billable": False,
        "is_private": True,
        "active": True,
        "at": "2013-03-06T09:15:18+00:00",
    },
    {
        "id": 32143,
        "wid": 777,
        "cid": 1239455,
        "name": "Factory server infrastructure",
        "billable": True,
        "is_private": True,
        "active": True,
        "at": "2013-03-06T09:16:06+00:00",
    },
]


def test_documented_world_is_exactly_the_documentations() -> None:
    """Byte for byte what the page shows, but for the project's client, which the page has wrong."""
    world = seed.documented()
    assert world.tokens == {"t0": "1971800d4d82861d8f2c1651fea4d212"}
    dialect = V8(world)

    def get(path: str, key: str = "", query: str = "") -> Any:
        route, _ = dialect.find("/api/v8" + path)
        assert route is not None
        return json.loads(route.calls["GET"](Ask(world.user("t0"), key, query)).body)

    assert get("/clients") == DOCUMENTED_CLIENTS
    assert get("/clients/1239455/projects", "1239455") == DOCUMENTED_PROJECTS
    assert get("/workspaces/777/projects", "777", "active=both") == DOCUMENTED_PROJECTS
    assert [row["id"] for row in get("/workspaces")] == [777]
