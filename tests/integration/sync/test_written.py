"""Writes of ours against pulls: what was listed before a write cannot undo it, whoever listed it, however late."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from syncd.emulator.faults import Exchange, Mishap
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.service.clients import Clients
from syncd.sync.deletes import DeleteRules
from syncd.sync.report import PullReport
from syncd.toggl.v8_writes import V8Clients
from syncd.toggl.writes import ClientFields
from syncd.tokens import Token
from tests.integration.sync.conftest import Mirror, register

BIG, SMALL = 1239455, 1239456
STRICT = DeleteRules(confirmations=1, min_age=timedelta(0))
"""One absence is enough to ask the source for a row by its id."""


def clients_of(mirror: Mirror, name: str = "t0") -> Clients:
    """The commands' way to write, as the token called `name`."""
    secret = mirror.tokens[name]
    conversation = mirror.puller.toggl.conversation(name, secret, lambda _: None)
    token = Token(name, SecretStr(secret), (), timedelta(minutes=5), 0)
    return Clients(V8Clients(), token, conversation, mirror.database, "")


async def create(clients: Clients) -> None:
    await clients.create(777, ClientFields(name="New"))


async def rename(clients: Clients) -> None:
    await clients.update(None, BIG, ClientFields(name="Renamed"))


async def delete(clients: Clients) -> None:
    await clients.delete(None, BIG)


Write = Callable[[Clients], Coroutine[Any, Any, None]]
EXPECTED: dict[Write, list[str]] = {
    create: ["New", "Small Startup", "Very Big Company"],
    rename: ["Renamed", "Small Startup"],
    delete: ["Small Startup"],
}
EACH_WRITE = pytest.mark.parametrize("write", list(EXPECTED), ids=["create", "rename", "delete"])


async def names(mirror: Mirror) -> list[str]:
    return [name for (name,) in await mirror.rows("SELECT name FROM toggl.clients_current ORDER BY name")]


async def share(mirror: Mirror, world: World, *order: str) -> None:
    """A second token on the workspace; both pull once, in this order of rank."""
    world.add_user("t1", "t1-token")
    world.share("t1", 777, admin=True)
    mirror.tokens["t1"] = "t1-token"
    await register(mirror.database, *order)
    for name in order:
        assert (await mirror.pull(name)).is_fresh


@asynccontextmanager
async def late_pull(mirror: Mirror, emulator: Emulator, name: str) -> AsyncIterator["asyncio.Task[PullReport]"]:
    """A pull whose lists are answered before the block, and arrive after it."""
    answered, delivered = asyncio.Event(), asyncio.Event()

    async def send(exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.perform()
        answered.set()
        await delivered.wait()
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})

    fault = Mishap("late", send)
    emulator.faults.add(fault, path="/api/v8/workspaces/777/projects")
    pull = asyncio.create_task(mirror.pull(name, full=True))
    await answered.wait()
    try:
        yield pull
    finally:
        delivered.set()
        await pull


@EACH_WRITE
async def test_i05_a_list_from_before_the_write_is_fenced_out(mirror: Mirror, emulator: Emulator, write: Write) -> None:
    """Of the token that wrote. The pull is due again at once, and then finds nothing to do."""
    await mirror.pull()
    async with late_pull(mirror, emulator, "t0") as pull:
        await write(clients_of(mirror))
    assert pull.result().reason == "fenced_out"
    assert await names(mirror) == EXPECTED[write]
    assert await mirror.value("SELECT absent FROM syncd.scopes WHERE resource = 'client'") == []
    assert await mirror.registry.due([], 1, 0) == {"t0": False}
    stamps = await mirror.stamps()
    assert (await mirror.pull()).result == "unchanged"
    assert await mirror.stamps() == stamps


@pytest.mark.parametrize("order", [("t0", "t1"), ("t1", "t0")], ids=["of a worse token", "of a better token"])
@EACH_WRITE
async def test_i05_a_list_of_another_token_cannot_undo_a_write(
    mirror: Mirror, emulator: Emulator, world: World, write: Write, order: tuple[str, str]
) -> None:
    """It knows no client that it could miss, and what it shows is older. What a better one owns, it shows later."""
    object.__setattr__(mirror.puller.rules, "deletes", STRICT)
    await share(mirror, world, *order)
    is_owned = write is rename and order[0] == "t1"
    async with late_pull(mirror, emulator, "t1") as pull:
        clients = clients_of(mirror)
        await write(clients)
        assert len(clients.notes) == is_owned
    assert pull.result().is_fresh
    assert await names(mirror) == (["Small Startup", "Very Big Company"] if is_owned else EXPECTED[write])
    for name in (*order, *order):
        assert (await mirror.pull(name)).is_fresh
    assert await names(mirror) == EXPECTED[write]
    assert await mirror.value("SELECT count(*) FROM toggl.projects_current WHERE client_id = $1", BIG) == (
        0 if write is delete else 2
    )
    versions = await mirror.rows("SELECT name, change_kind, end_kind FROM toggl.clients_history WHERE id = $1", BIG)
    assert len(versions) == (2 if write is rename else 1)


async def test_a_write_says_nothing_about_the_rest(mirror: Mirror, world: World) -> None:
    """What was missing stays as long missing, what was held back stays so, and when the token last looked stays."""
    await mirror.pull()
    world.delete_client(SMALL)
    await mirror.pull()
    query = "SELECT absent, seen_at, complete_at, incomplete, held_hash FROM syncd.scopes ORDER BY resource"
    before = await mirror.rows(query)
    assert before[0][0][0]["ids"] == [SMALL]
    await create(clients_of(mirror))
    assert await mirror.rows(query) == before
    assert "Small Startup" in await names(mirror)


async def test_a_lost_workspace_stays_lost(mirror: Mirror, world: World) -> None:
    """A single row is no reason to trust the others again."""
    await share(mirror, world, "t0", "t1")
    await mirror.rows("UPDATE syncd.scopes SET lost_at = now() WHERE token = 't0'")
    clients = clients_of(mirror)
    await create(clients)
    assert clients.notes == ["the mirror shows it after the next pull"]
    assert await mirror.value("SELECT count(*) FROM syncd.scopes WHERE lost_at IS NOT NULL") == 2


async def test_a_deleted_client_takes_itself_out_of_everybodys_projects(mirror: Mirror, world: World) -> None:
    """Whoever owns them; their `at` does not move, and the next pulls find nothing to do."""
    await share(mirror, world, "t1", "t0")
    ats: list[tuple[datetime]] = await mirror.rows("SELECT at FROM toggl.projects ORDER BY id")
    await delete(clients_of(mirror))
    assert await mirror.rows("SELECT at FROM toggl.projects ORDER BY id") == ats
    assert await mirror.rows("SELECT DISTINCT client_id FROM toggl.projects_current") == [(None,)]
    stamps = await mirror.stamps()
    for name in ("t0", "t1"):
        await mirror.pull(name)
    assert await mirror.stamps() == stamps
