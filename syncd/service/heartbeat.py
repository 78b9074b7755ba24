"""The dead-man switch: one line a minute while we live, changed or not, with how stale the mirror is.

It waits for nobody: not for a database that has not come yet, and not for one that went away without a word.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from syncd.clock import Clock
from syncd.errors import DatabaseError
from syncd.postgres.registry import Registry
from syncd.service.measuring import MeasuringReporter
from syncd.service.overview import count_states
from syncd.service.punctuality import Punctuality, Turn
from syncd.service.runtime import Runtime
from syncd.telemetry import events

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


ANSWER_WITHIN_S = 10.0
"""How long a line waits for the database, and so how late it may be."""


class Heartbeat:
    """Measures and emits `syncd.heartbeat`."""

    def __init__(self, reporter: MeasuringReporter, clock: Clock) -> None:
        self._reporter = reporter
        self._clock = clock
        self._started = clock.monotonic()
        self._lag_s = 0.0
        self._punctuality = Punctuality()
        self._runtime: Runtime | None = None
        self._opened = asyncio.Event()
        self._asking: asyncio.Task[dict[str, Any]] | None = None

    def open(self, runtime: Runtime) -> None:
        """The database has come; lines tell of tokens from now on."""
        self._runtime = runtime
        self._opened.set()

    async def beat_every(self, seconds: float) -> None:
        """For ever, and at once when the database has come."""
        try:
            while not await self._opens_within(seconds):
                await self.beat()
            while True:
                began = self._clock.monotonic()
                await self.beat()
                await self._sleep(began + seconds - self._clock.monotonic())
        finally:
            if self._asking is not None:
                self._asking.cancel()

    async def beat(self) -> None:
        """One line. A database that is away costs the line its token fields, not its being."""
        fields: dict[str, Any] = {
            "syncd.uptime_seconds": round(self._clock.monotonic() - self._started, 1),
            "syncd.tasks": len(asyncio.all_tasks()),
            "syncd.rss_bytes": resident_bytes(),
            "syncd.loop_lag_ms": round(max(0.0, self._lag_s) * 1000, 1),
        }
        if self._runtime is not None:
            pool = self._runtime.database.pool
            fields["syncd.pool_in_use"] = pool.get_size() - pool.get_idle_size()
            fields |= await self._answer(self._runtime)
        self._reporter.log.emit(events.HEARTBEAT_EVENT, fields)

    async def _opens_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._opened.wait()
        except TimeoutError:
            return False

    async def _sleep(self, seconds: float) -> None:
        asked = self._clock.monotonic()
        await asyncio.sleep(seconds)
        self._lag_s = self._clock.monotonic() - asked - max(0.0, seconds)

    async def _answer(self, runtime: Runtime) -> dict[str, Any]:
        """What the database says in time. A question that it leaves open is not asked a second time meanwhile."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(runtime.registry), name="heartbeat asks")
        # A connection that is being given up may take longer than any time-out around it: we do not wait for that.
        done, _ = await asyncio.wait({self._asking}, timeout=ANSWER_WITHIN_S)
        return self._asking.result() if done else {}

    async def _ask(self, registry: Registry) -> dict[str, Any]:
        try:
            fields = self._tokens(await registry.health())
            self._tell([Turn(**turn) for turn in await registry.turns()])
        except DatabaseError:
            return {}
        return {**fields, "syncd.tokens.stale": self._punctuality.stale}

    def _tell(self, turns: list[Turn]) -> None:
        """Say which tokens became stale or fresh again, and whose turns pass."""
        news, log = self._punctuality.look(turns, self._clock.monotonic()), self._reporter.log
        for turn in news.breached:
            log.emit(events.FRESHNESS_BREACHED, _freshness(turn))
        for turn in news.restored:
            log.emit(events.FRESHNESS_RESTORED, _freshness(turn))
        for token in news.gone:
            log.emit(events.FRESHNESS_RESTORED, {"syncd.token.id": token})
        for turn in news.skipped:
            self._reporter.skipped(turn.token, turn.skipped or "", turn.held_until)
        self._reporter.metrics.set_stale(self._punctuality.stale)

    def _tokens(self, health: dict[str, Any]) -> dict[str, Any]:
        metrics, states = self._reporter.metrics, count_states(health["by_status"])
        for state, tokens in states.items():
            metrics.set_tokens(state, tokens)
        metrics.set_quarantined(health["quarantined"])
        fields: dict[str, Any] = {f"syncd.tokens.{state}": tokens for state, tokens in states.items()}
        worst = health["worst"]
        if worst is None:
            return fields
        staleness = worst["staleness_seconds"]
        if staleness is not None:
            metrics.set_staleness_max(staleness)
        return {**fields, "syncd.worst_token": worst["token"], "syncd.staleness_max_seconds": staleness}


def _freshness(turn: Turn) -> dict[str, Any]:
    staleness = round(turn.staleness_s or 0.0, 1)
    return {"syncd.token.id": turn.token, "syncd.staleness_seconds": staleness, "syncd.bound_seconds": turn.bound_s}


def resident_bytes() -> int | None:
    """Memory of this process; None where the system has no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return None
