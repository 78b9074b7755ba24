"""What wakes the daemon.

APScheduler only wakes us. It never runs a pull: its executor cancels running coroutines at shutdown, and a pull must
be able to finish its transaction.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from syncd.service.housekeeping import EVERY

AT_ONCE = 3
"""Ticks that may be noted as running: one that has just ended still is, when a standstill of the process is over."""


@asynccontextmanager
async def ticking(
    tick: asyncio.Event, every_s: float, keep_house: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Set `tick` at once and again and again, and keep house now and then."""

    async def wake() -> None:
        """A coroutine runs in the loop; a function would wait for a thread, and those may all wait for names."""
        tick.set()

    scheduler = AsyncIOScheduler(timezone="UTC")
    usual = {"coalesce": True, "misfire_grace_time": None}
    scheduler.add_job(wake, "interval", seconds=every_s, max_instances=AT_ONCE, **usual)
    scheduler.add_job(keep_house, "interval", seconds=EVERY.total_seconds(), max_instances=1, **usual)
    scheduler.start()
    tick.set()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
