"""Several real daemons on one database and one source; and what must be true whatever befell them."""

import asyncio
import signal
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from aiohttp import web

from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from tests.processes import Process, Syncd

JITTER_S = 0.25
"""How much closer two requests may arrive than they were sent: both processes share a busy machine with the test."""

LOOK_S = 0.02
"""Between two looks of the source at the clock."""


class Stall(NamedTuple):
    """A time in which the source did not look: what came meanwhile was noticed at its end."""

    since: float
    until: float


class Source(Emulator):
    """A source that notes when each token asked."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.arrivals: dict[str, list[float]] = defaultdict(list)
        self.stalls: list[Stall] = []

    async def watch_itself(self) -> None:
        """Note the stalls, for ever. One that follows another at once goes on with it: what came waits for both."""
        while True:
            asked = time.monotonic()
            await asyncio.sleep(LOOK_S)
            if (now := time.monotonic()) - asked > 2 * LOOK_S:
                goes_on = self.stalls and asked - self.stalls[-1].until < LOOK_S
                since = self.stalls.pop().since if goes_on else asked
                self.stalls.append(Stall(since, now))

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.arrivals[request.headers.get("Authorization", "")].append(time.monotonic())
        return await super()._serve(request)

    @property
    def asked(self) -> int:
        """Requests so far."""
        return sum(map(len, self.arrivals.values()))

    @property
    def least_gap_s(self) -> float:
        """Between two requests of one token."""
        gaps = [b - a for times in self.arrivals.values() for a, b in pairwise(times)]
        return min(gaps, default=float("inf"))

    def bursts(self, rate: float) -> int:
        """Requests that came before their slot, at so many a second with no burst; in doubt they did not."""
        found = 0
        for times in self.arrivals.values():
            slot = float("-inf")
            for at in times:
                found += at < slot - JITTER_S
                slot = max(self._earliest(at), slot) + 1 / rate
        return found

    def _earliest(self, at: float) -> float:
        """When a request may have come that was noticed at an instant."""
        number = bisect_right(self.stalls, at, key=lambda stall: stall.since) - 1
        is_late = number >= 0 and at <= self.stalls[number].until + LOOK_S
        return self.stalls[number].since if is_late else at


class Size(NamedTuple):
    """So many accounts, each with a workspace of its own, so many clients there, and projects of each client."""

    tokens: int
    clients: int = 2
    projects: int = 1


def world_of(size: Size) -> World:
    """The first client of the account number n has the id n * step + 1, where step is 10 or the number of clients."""
    world, step = World(lambda: datetime.now(UTC)), max(10, size.clients)
    for n in range(size.tokens):
        world.add_user(f"t{n}", f"fleet-token-{n:06d}")
        world.create_workspace(f"W{n}", workspace_id=n + 1)
        world.share(f"t{n}", n + 1, admin=True)
        for c in range(size.clients):
            client = world.create_client(n + 1, f"C{n}.{c}", "", None, None, client_id=step * n + c + 1)
            for p in range(size.projects):
                world.create_project(n + 1, f"P{n}.{c}.{p}", client.id)
    return world


_STALE = """
    SELECT name, status, now() - last_success_at, now() - last_attempt_at, next_due_at - now(), not_before - now(),
           running_until - now(), last_error, failures
    FROM syncd.tokens WHERE last_success_at IS NULL OR last_success_at <= $1"""
"""What is known of tokens that are not fresh."""


class Fleet:
    """Daemons by number, and their one database."""

    def __init__(self, syncd: Syncd, url: str, source: Source, stack: AsyncExitStack) -> None:
        self.source = source
        self.daemons: list[Process] = []
        self._syncd = syncd
        self._url = url
        self._stack = stack

    async def start(self, count: int = 1) -> None:
        """More daemons, ready."""
        more = [await self._stack.enter_async_context(self._syncd.running("run")) for _ in range(count)]
        self.daemons += more
        for daemon in more:
            await daemon.event("syncd.ready")

    async def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self._url)
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def until_fresh(self, tokens: int, patience_s: float) -> float:
        """Wait until every token has had a pull that began after now; seconds that took."""
        ((since,),) = await self.rows("SELECT now()")
        started = time.monotonic()
        while True:
            query = "SELECT count(*) FROM syncd.tokens WHERE last_success_at > $1"
            ((fresh,),) = await self.rows(query, since)
            if fresh == tokens:
                return time.monotonic() - started
            if time.monotonic() - started > patience_s:
                raise TimeoutError("\n".join(map(str, await self.rows(_STALE, since))))
            await asyncio.sleep(0.1)

    async def doubled_versions(self) -> int:
        """Neighbouring versions that say the same, or overlap, or a row with two open ones."""
        total = 0
        for table, content in (
            ("clients", "name, notes, hourly_rate, currency, archived, workspace_id"),
            ("projects", "name, client_id, active, color, billable, workspace_id"),
        ):
            query = f"""
                SELECT count(*) FROM (
                    SELECT row({content}) AS content, valid_from, is_current,
                           lag(row({content})) OVER past AS content_before, lag(valid_to) OVER past AS ended,
                           count(*) FILTER (WHERE is_current) OVER (PARTITION BY id) AS open
                    FROM toggl.{table}_history WINDOW past AS (PARTITION BY id ORDER BY valid_from)
                ) v WHERE content = content_before AND ended = valid_from OR valid_from < ended OR open > 1"""
            ((count,),) = await self.rows(query)
            total += count
        return total

    async def is_mirror(self) -> bool:
        """Whether names at the source and in the mirror are the same."""
        rows = await self.rows("SELECT id, name FROM toggl.clients_current")
        return dict(rows) == {client.id: client.name for client in self.source.world.clients.values()}

    def pulls(self, number: int) -> int:
        """How many pulls a daemon has ended."""
        return sum(event["event.action"] == "syncd.pull.finish" for event in self.daemons[number].events)


@asynccontextmanager
async def fleet_of(
    home: Path, url: str, size: Size, *, dispatcher: str, interval_s: int, settings: Mapping[str, Any] | None = None
) -> AsyncIterator[Fleet]:
    """A source with so many tokens, and a configuration for daemons that are yet to be started."""
    world = world_of(size)
    secrets = home / "tokens"
    secrets.mkdir()
    for user in world.users.values():
        (secrets / user.name).write_text(user.token)
        (secrets / user.name).chmod(0o600)
    async with Source(world) as source, AsyncExitStack() as stack:
        watching = asyncio.create_task(source.watch_itself())
        stack.callback(watching.cancel)
        syncd = Syncd(home, secrets=())
        syncd.configure(
            database={"url": url, "pool_size": 8},
            toggl={"base_url": source.url, "requests_per_second": 1, "token_dir": str(secrets)},
            sync={"interval": f"{interval_s}s", **(settings or {})},
            service={"dispatcher": dispatcher},
        )
        yield Fleet(syncd, url, source, stack)


async def freeze(daemon: Process, seconds: float) -> None:
    """As a machine that is suspended."""
    daemon.send(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    daemon.send(signal.SIGCONT)
