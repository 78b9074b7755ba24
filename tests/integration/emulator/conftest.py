"""A running emulator over the documented world, and plain aiohttp clients for it."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import pytest

from syncd.emulator import seed
from syncd.emulator.model import World
from syncd.emulator.server import Emulator


class HandClock:
    """An instant that a test moves by hand."""

    def __init__(self) -> None:
        self.at = datetime(2013, 3, 27, 9, 0, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Got(NamedTuple):
    """An answer as it came."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """Plain requests as a named user. `session` is aiohttp's own, with nothing of ours around it."""

    prefix = "/api/v8"

    def __init__(self, session: aiohttp.ClientSession, emulator: Emulator) -> None:
        self.session = session
        self.emulator = emulator

    def headers(self, who: str) -> dict[str, str]:
        token = self.emulator.world.user(who).token
        return {"Authorization": "Basic " + base64.b64encode(f"{token}:api_token".encode()).decode()}

    async def __call__(self, method: str, path: str, *, who: str = "t0", **options: Any) -> Got:
        headers = {**self.headers(who), **options.pop("headers", {})}
        url = f"{self.emulator.url}{self.prefix}{path}"
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **options) as answer:
            return Got(answer.status, answer.headers, await answer.read())


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def world(clock: HandClock) -> World:
    """The documented world, with a member "bob" of workspace 777 who is no admin."""
    world = seed.documented(clock.now)
    world.add_user("bob", "b" * 32)
    world.share("bob", 777)
    return world


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A new connection per request, so that no test meets what an earlier request left of a connection."""
    connector = aiohttp.TCPConnector(force_close=True)
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield session


@pytest.fixture
async def emulator(world: World) -> AsyncIterator[Emulator]:
    async with Emulator(world) as emulator:
        yield emulator


@pytest.fixture
def call(session: aiohttp.ClientSession, emulator: Emulator) -> Callable[..., Any]:
    return Caller(session, emulator)
