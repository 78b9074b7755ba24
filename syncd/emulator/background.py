"""An emulator in a thread of its own, for programs and tests that know no event loop.

with running(seed.documented) as toggl:
    requests.get(f"{toggl.url}/api/v9/me/clients", auth=(toggl.token, "api_token"))
    toggl.call(World.create_client, 777, "New")
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from syncd.clock import Clock
from syncd.emulator.control_calls import start_over
from syncd.emulator.faults import Fault, Faults, Mishap
from syncd.emulator.model import World
from syncd.emulator.server import Line
from syncd.emulator.stand import Begin, Stand, Wanted, standing

P = ParamSpec("P")
T = TypeVar("T")

_AS_USUAL = Wanted()


class Running:
    """A running emulator, seen from another thread. Whatever touches it is done in the emulator's thread, between
    two requests, so that no request ever meets half a change."""

    def __init__(self, stand: Stand, loop: asyncio.AbstractEventLoop) -> None:
        self._stand = stand
        self._loop = loop
        self.url = stand.emulator.url
        self.faults = RemoteFaults(stand.emulator.faults, self.within)

    def call(self, change: Callable[Concatenate[World, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `change(world, …)` returns or raises: `toggl.call(World.create_client, 777, "New")`, or a function of
        one's own. Rows are frozen and may be kept; dictionaries of the world should be copied within."""
        return self.within(lambda: change(self._stand.emulator.world, *args, **kwargs))

    def within(self, work: Callable[[], T]) -> T:
        """What `work()` returns or raises, done in the emulator's thread."""

        async def done() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result()

    @property
    def tokens(self) -> dict[str, str]:
        """Name -> API token of every user whose token is good."""
        return self.call(lambda world: world.tokens)

    @property
    def token(self) -> str:
        """The first user's API token."""
        return next(iter(self.tokens.values()))

    @property
    def requests(self) -> dict[str, int]:
        """Path template -> requests so far; "*" stands for unknown paths."""
        return self.within(lambda: dict(self._stand.emulator.requests))

    @property
    def log(self) -> list[Line]:
        """The latest requests, oldest first."""
        return self.within(lambda: list(self._stand.emulator.log))

    @property
    def env(self) -> dict[str, str]:
        """The variables that lead other programs through the proxy; empty if this is none."""
        if self._stand.ca_path is None:
            return {}
        from syncd.emulator.proxy import environment

        return environment(self.url, str(self._stand.ca_path))

    def now(self) -> datetime:
        """The present as the emulator has it."""
        return self.within(self._stand.timepiece.now)

    def set_clock(self, at: datetime) -> None:
        """Make it `at` (aware) now; time goes on from there."""
        self.within(lambda: self._stand.timepiece.set(at))

    def advance(self, seconds: float) -> None:
        """Put the emulator's clock forward."""
        self.within(lambda: self._stand.timepiece.advance(seconds))

    def reset(self) -> None:
        """As in the beginning: world, clock, faults, counts and log."""
        stand = self._stand
        self.within(lambda: start_over(stand.emulator, stand.timepiece, stand.begin))


class RemoteFaults:
    """The faults of a running emulator (see `syncd.emulator.faults`), from another thread."""

    def __init__(self, faults: Faults, within: Callable[[Callable[[], Any]], Any]) -> None:
        self._faults = faults
        self._within = within

    def add(self, mishap: Mishap, **options: Any) -> Fault:
        """Arm a fault; the options are those of `Faults.add`: name, method, path, token, first, times."""
        fault: Fault = self._within(lambda: self._faults.add(mishap, **options))
        return fault

    @property
    def fired(self) -> dict[str, int]:
        """Name -> how often faults of that name struck."""
        counts: dict[str, int] = self._within(lambda: self._faults.fired)
        return counts

    def clear(self) -> None:
        """Disarm all; the counts stay."""
        self._within(self._faults.clear)


@contextmanager
def running(
    begin: Begin, wanted: Wanted = _AS_USUAL, *, now: Callable[[], datetime] | None = None
) -> Iterator[Running]:
    """An emulator of the world that `begin` makes, until the end of the block; `now` (None: this machine's clock) is
    the true present. Raises what `standing` does."""
    ready: Future[Running] = Future()
    stops: Future[Callable[[], object]] = Future()

    async def serve() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with standing(begin, now or Clock().now, wanted) as stand:
                stops.set_result(lambda: loop.call_soon_threadsafe(stopped.set))
                ready.set_result(Running(stand, loop))
                await stopped.wait()
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    with ThreadPoolExecutor(1, "toggl-emulator") as threads:
        served = threads.submit(lambda: asyncio.run(serve()))
        toggl = ready.result()
        try:
            yield toggl
        finally:
            stops.result()()
            served.result()
