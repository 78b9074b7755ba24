"""What wakes the daemon."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from syncd.service.ticking import ticking
from tests.processes import PATIENCE_S


async def no_house() -> None:
    """Nothing to keep."""


async def test_ticks_come_while_every_thread_waits() -> None:
    """For names that no server tells, say: they need none."""
    loop, tick, told = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    waiting = loop.run_in_executor(None, told.wait)
    try:
        async with ticking(tick, 0.05, no_house), asyncio.timeout(PATIENCE_S):
            for _ in range(3):
                await tick.wait()
                tick.clear()
    finally:
        told.set()
        await waiting
