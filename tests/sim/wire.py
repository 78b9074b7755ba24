"""The HTTP session of the simulation: answers for the source, late, wrong or never, as the seed has it.

Counts politeness from the server's side: how far apart a token's requests are, and whether one comes during a hold.
"""

import asyncio
import base64
import gzip
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from random import Random
from typing import Any

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from syncd.records import Resource
from tests.sim.loop import EPOCH, SimLoop
from tests.sim.source import World

ORIGIN = "https://source.invalid"

PULL: ContextVar[int] = ContextVar("PULL")
"""The number of the pull that a request belongs to; the store sets it when it begins."""

FAULTS = (
    "500", "503", "429", "429_date", "429_bare", "402", "401", "403", "404", "hang", "refused", "reset", "cut",
    "gzip_cut", "unframed", "html", "redirect", "bad_row", "twin", "alien", "short", "empty", "null", "slow",
)  # fmt: skip
"""What can be wrong with an answer."""

SILENCE_S = 30.0
"""After so long without a byte the client's own time-out strikes."""


@dataclass
class Trouble:
    """How an account is served. `share` of its answers suffer one of `kinds`; during `rejected` all are 401.

    `latency_s`: between the request and the answer, at most.
    """

    rng: Random
    share: float = 0.0
    kinds: tuple[str, ...] = FAULTS
    latency_s: float = 1.0
    rejected: tuple[float, float] = (0.0, 0.0)
    glitched: set[str] = field(default_factory=set)

    def draw(self, path: str, now: float) -> str:
        """The fault of one answer, '' for none. No list is short twice in a row: that would be a fact, not a fault."""
        if self.rejected[0] <= now < self.rejected[1]:
            return self.rng.choice(["401", "403"])
        fault = self.rng.choice(self.kinds) if self.rng.random() < self.share else ""
        if fault in ("short", "empty", "null"):
            if path in self.glitched:
                return ""
            self.glitched.add(path)
        elif not fault:
            self.glitched.discard(path)
        return fault


@dataclass
class Wire:
    """All that happens between syncd and the source. `served`: pull -> what it was shown, and when.
    `called_deleted`: what a list said to be deleted, and when last.

    `holds`: (line, token) -> from when until when no request may come. A line is what must be polite as one: a process
    and its successors.
    """

    loop: SimLoop
    world: World
    note: Callable[[str], None]
    rate: float
    secrets: dict[str, str] = field(default_factory=dict)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)
    served: dict[int, dict[tuple[Resource, int], float]] = field(default_factory=dict)
    called_deleted: dict[tuple[Resource, int], float] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)
    holds: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)
    last: dict[tuple[str, str], float] = field(default_factory=dict)
    requests: int = 0
    calm: bool = False
    is_stored: Callable[[Resource, int], bool] = lambda _kind, _id: False

    def ask(self, line: str, token: str, path: str) -> str:
        """Note a request; the fault that its answer will have."""
        now = self.loop.time()
        self.requests += 1
        key = line, token
        gap = now - self.last.get(key, -1e9)
        if self.rate and gap < 1 / self.rate - 1e-6:
            self.wrongs.append(f"I13 {token}: two requests {gap:.3f} s apart, {self.rate} per second allowed")
        for since, until in self.holds.get(key, []):
            if since + 1e-6 < now < until - 1e-6:
                self.wrongs.append(
                    f"I13 {token}: {path} asked {now - since:.3f} s into a hold of {until - since:.0f} s"
                )
        self.last[key] = now
        fault = "" if self.calm else self.troubles[token].draw(path, now)
        if fault:
            self.fired[f"http {fault}"] += 1
        self.note(f"ask {line} {token} {path} {fault}")
        return fault

    def hold(self, line: str, token: str, seconds: float) -> None:
        """The client was just told to be silent."""
        self.fired["hold"] += 1
        now = self.loop.time()
        self.holds.setdefault((line, token), []).append((now, now + seconds))

    def rows(self, token: str, path: str) -> list[dict[str, Any]] | None:
        """What a v8 source answers; None: there is no such thing."""
        world, parts = self.world, path.removeprefix("/api/v8/").split("/")
        mine = world.tokens[token]
        match parts:
            case ["workspaces"]:
                return [{"id": w, "name": world.names[w], "admin": mine[w].admin} for w in sorted(mine)]
            case ["clients"]:
                rows = [*world.of("client", token), *world.buried("client", token)]
            case ["workspaces", wid, "projects"] if int(wid) in mine:
                if world.admins_only and not mine[int(wid)].admin:
                    return None
                rows = [*world.of("project", token, int(wid)), *world.buried("project", token, int(wid))]
            case ["workspaces", wid, "tags"] if int(wid) in mine:
                rows = [*world.of("tag", token, int(wid)), *world.buried("tag", token, int(wid))]
            case ["clients", cid, "projects"]:
                client = world.rows.get(("client", int(cid)))
                if client is None or not world.sees(token, client):
                    return None
                rows = world.projects_of(client, token)
            case _:
                return None
        return [world.json(row, token) for row in rows]

    def single(self, token: str, path: str) -> dict[str, Any] | None:
        """One client or project by its id; None: it is not there, or this is another question."""
        match path.removeprefix("/api/v8/").split("/"):
            case ["clients" | "projects" as plural, id_]:
                kind: Resource = "client" if plural == "clients" else "project"
                row = self.world.rows.get((kind, int(id_)))
                self.fired["asked for one"] += 1
                return self.world.json(row, token) if row is not None and self.world.sees(token, row) else None
        return None

    def show(self, path: str, rows: list[dict[str, Any]]) -> None:
        """Note what the answer to this pull really shows."""
        kind = kind_of(path)
        if path.endswith("/workspaces"):
            return
        shown = self.served.setdefault(PULL.get(), {})
        for row in rows:
            seen = self.called_deleted if "server_deleted_at" in row else shown
            seen[kind, row["id"]] = self.loop.time()


def kind_of(path: str) -> Resource:
    """What a list holds."""
    return "tag" if path.endswith("/tags") else "project" if path.endswith("/projects") else "client"


class FakeSession:
    """What syncd uses of aiohttp.ClientSession. `line`: see Wire."""

    def __init__(self, wire: Wire, line: str) -> None:
        self._wire = wire
        self._line = line

    def request(self, method: str, url: str, **more: Any) -> "Exchange":
        assert method == "GET"
        assert more["allow_redirects"] is False
        secret = base64.b64decode(more["headers"]["Authorization"].removeprefix("Basic ")).decode().split(":")[0]
        return Exchange(self._wire, self._line, self._wire.secrets[secret], URL(url).path)


class Exchange:
    """One request and its answer."""

    def __init__(self, wire: Wire, line: str, token: str, path: str) -> None:
        self.wire, self.line, self.token, self.path = wire, line, token, path
        self.fault = ""

    async def __aenter__(self) -> "FakeResponse":
        wire = self.wire
        self.fault = wire.ask(self.line, self.token, self.path)
        trouble = wire.troubles[self.token]
        before, after = (trouble.rng.uniform(0.01, trouble.latency_s / 2) for _ in range(2))
        await asyncio.sleep(before)
        if self.fault == "hang":
            await asyncio.sleep(SILENCE_S)
            raise aiohttp.SocketTimeoutError("silence")
        if self.fault == "refused":
            raise aiohttp.ClientConnectionError("refused")
        response = self._answer(trouble.rng)
        await asyncio.sleep(after + (25.0 if self.fault == "slow" else 0.0))
        if response.hold_s:
            wire.hold(self.line, self.token, response.hold_s)
        return response

    async def __aexit__(self, *_error: object) -> None:
        pass

    def _answer(self, rng: Random) -> "FakeResponse":
        """The answer as it is at this instant."""
        wire, fault = self.wire, self.fault
        if fault in ("500", "503", "401", "403", "404"):
            return FakeResponse(self.path, int(fault), b'["no"]')
        if fault == "redirect":
            return FakeResponse(self.path, 302, b"", {"Location": "https://elsewhere.invalid/"})
        if fault in ("429", "429_date", "429_bare", "402"):
            return self._refusal(rng)
        if (single := wire.single(self.token, self.path)) is not None:
            return FakeResponse(self.path, 200, msgspec.json.encode({"data": single}))
        rows = wire.rows(self.token, self.path)
        if rows is None:
            return FakeResponse(self.path, 403 if self.path.endswith("/projects") else 404, b'["no"]')
        return self._spoilt(rows, rng)

    def _refusal(self, rng: Random) -> "FakeResponse":
        if self.fault == "402":
            seconds = rng.choice([60, 600, 1800])
            more = {"X-Toggl-Quota-Remaining": "0", "X-Toggl-Quota-Resets-In": str(seconds)}
            return FakeResponse(self.path, 402, b'"quota"', more, hold_s=seconds)
        seconds = 60 if self.fault == "429_bare" else rng.choice([2, 20, 60, 300])
        until = EPOCH + timedelta(seconds=int(self.wire.loop.time()) + seconds)
        headers = {"429": {"Retry-After": str(seconds)}, "429_date": {"Retry-After": format_datetime(until, True)}}
        hold_s = 0 if self.fault == "429_date" else seconds  # a date is read by a wall clock, which may be wrong
        return FakeResponse(self.path, 429, b"", headers.get(self.fault, {}), hold_s=hold_s)

    def _aliens(self, rng: Random) -> list[dict[str, Any]]:
        """A row that claims the id of one that is mirrored under another workspace."""
        wire, kind = self.wire, kind_of(self.path)
        here = self.path.split("/")[-2]
        wids = [int(here)] if here.isdecimal() else sorted(wire.world.tokens[self.token])
        others = [row for (k, _), row in sorted(wire.world.rows.items()) if k == kind and wire.is_stored(k, row.id)]
        others = [row for row in others if row.wid not in wids[:1]]
        if not others or not wids or self.path.endswith("/workspaces") or "/clients/" in self.path:
            return []
        other = rng.choice(others)
        return [{"id": other.id, "wid": wids[0], "name": "alien", "at": "2026-03-01T00:00:00+00:00"}]

    def _spoilt(self, rows: list[dict[str, Any]], rng: Random) -> "FakeResponse":
        fault, body = self.fault, msgspec.json.encode(rows)
        some = rng.randrange(len(rows)) if rows else 0
        shown: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        match fault:
            case "cut" | "reset":
                body, more = body[: len(body) // 2], {"breaks": fault == "reset"}
            case "gzip_cut":
                body, more = gzip.compress(body)[:-9], {"headers": {"Content-Encoding": "gzip"}}
            case "html":
                body, more = b"<html>", {"content_type": "text/html"}
            case "bad_row" if rows:
                shown = [row for row in rows if row is not rows[some]]
                body = msgspec.json.encode([*shown, {**rows[some], "name": 7}])
            case "twin" if rows:
                shown = rows
                body = msgspec.json.encode([*rows, {**rows[some], "name": "another"}])
            case "alien":
                shown = rows
                body = msgspec.json.encode([*rows, *self._aliens(rng)])
            case "unframed" | "short":
                shown, more = rows[:some], {"is_framed": fault == "short"}
                body = msgspec.json.encode(shown)
            case "empty" | "null":
                body = b"[]" if fault == "empty" else b"null"
            case _:
                shown = rows
        self.wire.show(self.path, shown)
        return FakeResponse(self.path, 200, body, **more)


class Pieces:
    """A body as it arrives.

    No async generator: one that is left alone is closed when the garbage is collected, and that moment is in no seed.
    """

    def __init__(self, pieces: list[bytes], *, breaks: bool) -> None:
        self._pieces = [piece for piece in pieces if piece]
        self._breaks = breaks

    def __aiter__(self) -> "Pieces":
        return self

    async def __anext__(self) -> bytes:
        if self._pieces:
            return self._pieces.pop(0)
        if self._breaks:
            raise aiohttp.ClientPayloadError("reset")
        raise StopAsyncIteration


class FakeResponse:
    """What syncd uses of aiohttp.ClientResponse."""

    def __init__(
        self,
        path: str,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        content_type: str = "application/json",
        is_framed: bool = True,
        breaks: bool = False,
        hold_s: float = 0.0,
    ) -> None:
        self.hold_s = hold_s
        self.status = status
        self.headers = CIMultiDict(headers or {})
        if is_framed:
            self.headers["Content-Length"] = str(len(body))
        self.content_type = content_type
        self.content = self
        self.url = URL(ORIGIN + path)
        self._body = body
        self._breaks = breaks

    def iter_any(self) -> "Pieces":
        """The body in two pieces."""
        middle = len(self._body) // 2
        return Pieces([self._body[:middle], self._body[middle:]], breaks=self._breaks)

    def close(self) -> None:
        pass
