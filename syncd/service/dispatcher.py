"""Whose turn it is, when one process serves all tokens. Due times live in the tokens' rows: a restart forgets none."""

import asyncio

from syncd.service.runtime import Runtime

DRAIN_S = 4.0
"""How long a shutdown lets pulls finish before it rolls them back."""


class LocalDispatcher:
    """Starts a pull for every due token, at most `limit` at once, never two of one token."""

    def __init__(self, runtime: Runtime, limit: int) -> None:
        self._runtime = runtime
        self.limit = limit
        self._pulls: dict[str, asyncio.Task[None]] = {}

    @property
    def in_flight(self) -> int:
        return len(self._pulls)

    async def dispatch(self) -> None:
        """Start what is due, as far as there is room.

        Raises:
            DatabaseError: the question could not be asked; pulls at work go on.
        """
        room = self.limit - len(self._pulls)
        if room <= 0:
            return
        for name in await self._runtime.registry.due(list(self._pulls), room):
            if name in self._runtime.subjects:  # not ours: another configuration registered it
                self._pulls[name] = asyncio.create_task(self._pull(name), name=f"pull {name}")

    async def drain(self) -> int:
        """Wait for the pulls at work, then roll back the rest; how many were rolled back."""
        if not self._pulls:
            return 0
        _, late = await asyncio.wait(self._pulls.values(), timeout=DRAIN_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(late)

    async def _pull(self, name: str) -> None:
        try:
            await self._runtime.pull(name)
        finally:
            del self._pulls[name]
