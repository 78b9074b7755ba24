"""The pulls at work: how many there may be, and what becomes of one that does not end.

A pull that works is quick; one that is slow waits for somebody else. So there are two lanes with `limit` places each,
and those who hang can only fill one of them: a pull begins in the prompt lane, unless its token failed last time, and
counts as slow once it has taken SLOW_S. Then it gives its prompt place back even where the slow lane is full, for when
many tokens begin to hang at once, the others would wait for them; but there is an end to it, for memory's sake: slow
ones beyond SLOW_MOST times `limit` keep their prompt places.

A pull has a deadline of its own. The watchdog is for those that outlive it: logged, cancelled, and their place is free,
whether they react or not. What they might still write, the fence on the token's row refuses.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from syncd.clock import Clock
from syncd.telemetry import events
from syncd.telemetry.logs import Log

SLOW_S = 10.0
SLOW_MOST = 3
GRACE_S = 30.0
"""What a pull may take beyond its deadline, to write down that it failed."""

DRAIN_S = 4.0
"""How long a shutdown lets pulls finish before it rolls them back."""


class Room(NamedTuple):
    """Free places for tokens that did well last time, and for those that did not."""

    prompt: int
    slow: int


class Work(NamedTuple):
    """A pull at work; instants are monotonic."""

    name: str
    task: "asyncio.Task[None]"
    since: float
    until: float
    is_suspect: bool


def room_of(works: Iterable[tuple[float, bool]], limit: int, now: float) -> Room:
    """Free places, given since when each pull is at work and whether it is suspect."""
    lanes = [is_suspect or now - since >= SLOW_S for since, is_suspect in works]
    slow = sum(lanes)
    prompt = len(lanes) - slow + max(0, slow - SLOW_MOST * limit)
    return Room(max(0, limit - prompt), max(0, limit - slow))


class Workers:
    """Runs pulls, never two of one token, and keeps watch over them."""

    def __init__(self, pull: Callable[[str], Awaitable[object]], limit: int, clock: Clock, log: Log) -> None:
        """`limit`: places of a lane."""
        self.limit = limit
        self._pull = pull
        self._clock = clock
        self._log = log
        self._works: dict[str, Work] = {}
        self._given_up: set[asyncio.Task[None]] = set()
        self._stuck: set[str] = set()

    @property
    def in_flight(self) -> int:
        return len(self._works)

    @property
    def names(self) -> list[str]:
        """Whose pulls are at work."""
        return list(self._works)

    @property
    def stuck(self) -> list[str]:
        """Tokens whose last pull had to be given up."""
        return list(self._stuck)

    def room(self) -> Room:
        """Free places now."""
        works = ((work.since, work.is_suspect) for work in self._works.values())
        return room_of(works, self.limit, self._clock.monotonic())

    def start(
        self,
        name: str,
        *,
        within_s: float,
        is_suspect: bool = False,
        after: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Begin a pull of a token that has none at work. `within_s`: its deadline; `after`: done when it has ended."""
        now = self._clock.monotonic()
        task = asyncio.create_task(self._run(name, after), name=f"pull {name}")
        self._works[name] = Work(name, task, now, now + within_s + GRACE_S, is_suspect)

    def give_up_stuck(self) -> None:
        """The watchdog; call it now and then."""
        now = self._clock.monotonic()
        for work in [work for work in self._works.values() if now > work.until]:
            self._stuck.add(work.name)
            duration = round((now - work.since) * 1e9)
            self._log.emit(events.PULL_STUCK, {"syncd.token.id": work.name, "event.duration": duration})
            self._give_up(work)

    def cancel(self, names: Iterable[str]) -> None:
        """End these pulls now, for another process has them; their places are free."""
        for work in [self._works[name] for name in names if name in self._works]:
            self._tell_rolled_back(work, "taken_over")
            self._give_up(work)

    async def drain(self) -> int:
        """Wait for the pulls at work, then roll back the rest; how many were rolled back."""
        if not self._works:
            return 0
        _, late = await asyncio.wait([work.task for work in self._works.values()], timeout=DRAIN_S)
        for work in [work for work in self._works.values() if work.task in late]:
            self._tell_rolled_back(work, "shutdown")
            work.task.cancel()
        if late:  # one that does not react must not hold up the exit
            await asyncio.wait(late, timeout=DRAIN_S)
        return len(late)

    def _tell_rolled_back(self, work: Work, reason: str) -> None:
        self._log.emit(events.PULL_SKIPPED, {"syncd.token.id": work.name, "syncd.skip.reason": reason})

    def _give_up(self, work: Work) -> None:
        del self._works[work.name]
        self._given_up.add(work.task)
        work.task.add_done_callback(self._given_up.discard)
        work.task.cancel()

    async def _run(self, name: str, after: Callable[[str], Awaitable[None]] | None) -> None:
        mine = asyncio.current_task()
        try:
            await self._pull(name)
            self._stuck.discard(name)
            if after is not None:
                await after(name)
        finally:
            work = self._works.get(name)
            if work is not None and work.task is mine:
                del self._works[name]
