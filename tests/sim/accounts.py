"""A source of small accounts that hardly change, and that answer as the spells have it. For long stretches of time."""

import asyncio
import base64
import gzip
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from tests.sim.loop import SimLoop
from tests.sim.spells import Spell
from tests.sim.wire import ORIGIN, SILENCE_S, FakeResponse

TOTAL_S = 60.0
"""The client's own limit of a whole exchange, and of how long it waits for a byte: see SILENCE_S."""

LATENCY_S = 0.5
DEAF_S = 2400.0
"""For so long a request hears of no cancellation: what the watchdog is for."""

BODY_LIMIT_BYTES = 4096
"""What a body may have here, so that one that has too much costs the simulation little."""

RETRY_AFTER_S = {"429": 20, "429 long": 900, "402": 1800}


class Source:
    """`spells`: those at work. `parked`: (token, until): how long the source told it to be silent."""

    def __init__(self, loop: SimLoop, names: list[str], seed: object) -> None:
        self.loop = loop
        self.spells: list[Spell] = []
        self.fired: Counter[str] = Counter()
        self.requests = 0
        self.on_parked: Callable[[str, float], None] = lambda _name, _until: None
        self._rngs = {name: Random(f"latency {seed} {name}") for name in names}
        self._bodies = {name: _bodies(n + 1) for n, name in enumerate(names)}

    def request(self, _method: str, url: str, **more: Any) -> "Exchange":
        """What syncd uses of aiohttp.ClientSession; a token's secret is its name."""
        self.requests += 1
        name = base64.b64decode(more["headers"]["Authorization"].removeprefix("Basic ")).decode().split(":")[0]
        return Exchange(self, name, URL(url).path)

    def fault(self, name: str) -> str:
        """What befalls a request of a token that begins now; '' for nothing."""
        return next((spell.kind for spell in self.spells if name in spell.tokens), "")

    def body(self, name: str, path: str) -> bytes:
        return self._bodies[name][path.removeprefix("/api/v8/").split("/")[-1]]

    def latency_s(self, name: str) -> float:
        return self._rngs[name].uniform(0.05, LATENCY_S)


def _bodies(wid: int) -> dict[str, bytes]:
    at = "2026-02-01T00:00:00+00:00"
    rows: dict[str, list[dict[str, Any]]] = {
        "workspaces": [{"id": wid, "name": f"W{wid}", "admin": True}],
        "clients": [{"id": wid, "wid": wid, "name": "client", "at": at}],
        "projects": [{"id": wid, "wid": wid, "cid": wid, "name": "project", "at": at}],
    }
    return {name: msgspec.json.encode(listed) for name, listed in rows.items()}


class Exchange:
    """One request and its answer."""

    def __init__(self, source: Source, name: str, path: str) -> None:
        self._source, self._name, self._path = source, name, path

    async def __aenter__(self) -> FakeResponse:
        source, name = self._source, self._name
        fault = source.fault(name)
        if fault:
            source.fired[fault] += 1
        await asyncio.sleep(source.latency_s(name))
        match fault:
            case "hang":
                await asyncio.sleep(SILENCE_S)
                raise aiohttp.SocketTimeoutError("silence")
            case "deaf":
                await _hear_nothing(source.loop)
                raise aiohttp.ServerDisconnectedError
            case "drip":
                await asyncio.sleep(TOTAL_S)
                raise TimeoutError
            case "refused":
                raise aiohttp.ClientConnectionError("refused")
            case "slow":
                await asyncio.sleep(25.0)
        return self._answer(fault)

    async def __aexit__(self, *_error: object) -> None:
        pass

    def _answer(self, fault: str) -> FakeResponse:
        path, body = self._path, self._source.body(self._name, self._path)
        if fault in RETRY_AFTER_S:
            seconds = RETRY_AFTER_S[fault]
            self._source.on_parked(self._name, self._source.loop.time() + seconds)
            headers = {"Retry-After": str(seconds)}
            if fault == "402":
                headers = {"X-Toggl-Quota-Remaining": "0", "X-Toggl-Quota-Resets-In": str(seconds)}
            return FakeResponse(path, int(fault.split()[0]), b"", headers)
        match fault:
            case "503" | "401":
                return FakeResponse(path, int(fault), b'["no"]')
            case "redirect":
                return FakeResponse(path, 302, b"", {"Location": f"{ORIGIN}{path}"})
            case "html":
                return FakeResponse(path, 200, b"<html>", content_type="text/html")
            case "cut":
                return FakeResponse(path, 200, gzip.compress(body)[:-9], {"Content-Encoding": "gzip"})
            case "flood":
                return FakeResponse(path, 200, b" " * (2 * BODY_LIMIT_BYTES + 2))
        return FakeResponse(path, 200, body)


async def _hear_nothing(loop: SimLoop) -> None:
    until = loop.time() + DEAF_S
    while loop.time() < until:
        try:
            await asyncio.sleep(until - loop.time())
        except asyncio.CancelledError:
            continue
