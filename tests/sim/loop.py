"""An event loop without a world: time jumps to the next timer, and chance decides which ready callback runs next.

Chance is a seeded `Random`, so a seed is one schedule, and another seed is another. Nothing here waits, and no socket,
thread or process can be used.
"""

import asyncio
import contextvars
import heapq
import itertools
from collections import deque
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from syncd.clock import Clock

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)
"""When virtual time is 0.0."""


class Stuck(Exception):
    """Everybody waits and no timer is set: a deadlock."""


class SimTask(asyncio.Task[Any]):
    """A task whose hash is its number, for sets of tasks are walked in the order of hashes, which must not be chance's
    other source: addresses."""

    def __init__(self, number: int, *arguments: Any, **more: Any) -> None:
        self.number = number
        super().__init__(*arguments, **more)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimLoop(asyncio.BaseEventLoop):
    """Virtual time and seeded order. `steps` callbacks have run."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _timer_cancelled_count: int

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self.steps = 0
        self._now = 0.0
        self._rng = rng
        self._numbers = itertools.count(1)
        self.set_task_factory(self._task)  # type: ignore[arg-type]

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def _task(
        self,
        _loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        *,
        context: contextvars.Context | None = None,
        **more: Any,
    ) -> SimTask:
        return SimTask(next(self._numbers), coroutine, loop=self, context=context, **more)

    def _run_once(self) -> None:
        """One callback of those that are ready; time passes only where none is."""
        ready, scheduled = self._ready, self._scheduled
        if not ready:
            while scheduled and scheduled[0].cancelled():
                self._take_timer()
            if not scheduled:
                raise Stuck
            self._now = max(self._now, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._now:
            timer = self._take_timer()
            if not timer.cancelled():
                ready.append(timer)
        if ready:
            at = self._rng.randrange(len(ready))
            handle = ready[at]
            del ready[at]
            if not handle.cancelled():
                self.steps += 1
                handle._run()

    def _take_timer(self) -> asyncio.TimerHandle:
        timer = heapq.heappop(self._scheduled)
        timer._scheduled = False  # type: ignore[attr-defined]
        if timer.cancelled():
            self._timer_cancelled_count -= 1
        return timer

    def _write_to_self(self) -> None:
        """Nobody sleeps, so nobody need be woken."""


class SimClock(Clock):
    """The clock of a machine in the simulation; its wall clock may be wrong by `skew_s`."""

    def __init__(self, loop: SimLoop, skew_s: float = 0.0) -> None:
        self._loop = loop
        self._skew_s = skew_s

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time() + self._skew_s)

    def monotonic(self) -> float:
        return self._loop.time()
