"""The dead-man switch: one line a minute while we live, changed or not, with how stale the mirror is."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

from syncd.clock import Clock
from syncd.errors import DatabaseError
from syncd.service.reporting import Reporter
from syncd.service.runtime import Runtime
from syncd.telemetry import events
from syncd.telemetry.metrics import TokenState

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Heartbeat:
    """Measures and emits `syncd.heartbeat`."""

    def __init__(self, runtime: Runtime, reporter: Reporter, clock: Clock) -> None:
        self._runtime = runtime
        self._reporter = reporter
        self._clock = clock
        self._started = clock.monotonic()
        self._lag_s = 0.0

    async def beat_every(self, seconds: float) -> None:
        """For ever; the first beat at once."""
        while True:
            await self.beat()
            asked = self._clock.monotonic()
            await asyncio.sleep(seconds)
            self._lag_s = self._clock.monotonic() - asked - seconds

    async def beat(self) -> None:
        """One line. A database that is away costs the line its token fields, not its being."""
        pool = self._runtime.database.pool
        fields: dict[str, Any] = {
            "syncd.uptime_seconds": round(self._clock.monotonic() - self._started, 1),
            "syncd.pool_in_use": pool.get_size() - pool.get_idle_size(),
            "syncd.tasks": len(asyncio.all_tasks()),
            "syncd.rss_bytes": resident_bytes(),
            "syncd.loop_lag_ms": round(max(0.0, self._lag_s) * 1000, 1),
        }
        with contextlib.suppress(DatabaseError):
            fields |= self._tokens(await self._runtime.registry.health())
        self._reporter.log.emit(events.HEARTBEAT_EVENT, fields)

    def _tokens(self, health: dict[str, Any]) -> dict[str, Any]:
        by_status: dict[str, int] = health["by_status"]
        states: dict[TokenState, int] = {
            "ok": sum(by_status.get(status, 0) for status in ("ok", "running", "deletes_blocked")),
            "rejected": by_status.get("rejected", 0),
            "parked": by_status.get("rate_limited", 0),
            "failed": by_status.get("failed", 0) + by_status.get("late", 0),
        }
        metrics = self._reporter.metrics
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


def resident_bytes() -> int | None:
    """Memory of this process; None where the system has no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return None
