"""Clocks that stand still until somebody sleeps."""

import asyncio
from datetime import UTC, datetime, timedelta

from syncd.clock import Clock

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class StillClock(Clock):
    """Time passes only in `sleep`, which notes how long and lets others run."""

    def __init__(self) -> None:
        self.at = 0.0
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.at)

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)
