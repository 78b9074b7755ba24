"""How many pulls hold decoded records at once: that is what takes memory, not the waiting for answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PLACES = 8
"""As many as there are connections by default: more would only wait for one, with all their records in hand."""

PATIENCE_S = 2.0
"""Whoever waited so long goes in all the same: a source that hangs while it is asked for proof holds nobody up."""


class Room:
    """Places for pulls that decode and apply. A bound on memory as a rule, never a reason to be late."""

    def __init__(self, places: int = PLACES, patience_s: float = PATIENCE_S) -> None:
        self._places = asyncio.Semaphore(places)
        self._patience_s = patience_s

    @asynccontextmanager
    async def place(self) -> AsyncIterator[bool]:
        """Inside it there is a place for the caller; False: there was none, and patience ended."""
        is_given = await self._take()
        try:
            yield is_given
        finally:
            if is_given:
                self._places.release()

    async def _take(self) -> bool:
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._places.acquire()
        except TimeoutError:
            return False
