"""The mirror's state as the pages show it: read in bounded time, and the last one known while the database is away."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from syncd.clock import Clock
from syncd.errors import DatabaseError, DatabaseUnusable
from syncd.postgres.registry import Registry
from syncd.service.vitals import Vitals
from syncd.telemetry.metrics import TokenState

ANSWER_WITHIN_S = 2.0
"""How long a page waits for the database."""

REUSED_FOR_S = 1.0
"""However many ask, the database is asked once in this time."""

LINES_SHOWN = 50

STARTING = "the database has not answered yet"
AWAY = "the database does not answer"

_PLACE = re.compile(r"^PostgreSQL at \S+: ")
"""Where the database is belongs into the log, not onto a page."""


@dataclass(frozen=True, slots=True)
class Overview:
    """`tokens`: rows of toggl.sync_status; `bounds_s`: how stale each may become.

    `age_s`: since it was read. `problem`: why it is not of now; None: it is.
    """

    problem: str | None = STARTING
    read_at: datetime | None = None
    age_s: float = 0.0
    tokens: list[dict[str, Any]] = field(default_factory=list)
    bounds_s: dict[str, float] = field(default_factory=dict)
    held: list[dict[str, Any]] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    schema_version: int | None = None
    server_version: str | None = None

    def staleness_s(self, row: Mapping[str, Any]) -> float | None:
        """Of one of `tokens`, now: what was read has aged since. None: never pulled."""
        staleness = row["staleness_seconds"]
        return None if staleness is None else max(0.0, float(staleness)) + self.age_s

    def is_fresh(self, row: Mapping[str, Any]) -> bool:
        """Whether a token's rows are as new as its interval, and the quota, let one expect; see the query `turns`."""
        staleness_s, bound_s = self.staleness_s(row), self.bounds_s.get(row["token"])
        return staleness_s is not None and bound_s is not None and staleness_s <= bound_s


class Lookout:
    """Reads overviews; one reading at a time, whoever asks."""

    def __init__(self, vitals: Vitals, clock: Clock) -> None:
        self._vitals = vitals
        self._clock = clock
        self._last = Overview()
        self._read = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def look(self) -> Overview:
        """Within ANSWER_WITHIN_S, more or less. Never raises for the database's sake."""
        age_s = self._clock.monotonic() - self._read
        if self._last.problem is None and age_s < REUSED_FOR_S:
            return self._ours(age_s)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._refresh(), name="overview")
        # A connection that is being given up may take longer than that: whoever asked does not wait for it.
        _, late = await asyncio.wait({self._reading}, timeout=ANSWER_WITHIN_S + 0.5)
        if late:
            self._last = replace(self._last, problem=AWAY)
        return self._ours(self._clock.monotonic() - self._read if self._last.read_at else 0.0)

    def _ours(self, age_s: float) -> Overview:
        """What was read last, without tokens that a new configuration has dropped since."""
        last, names = self._last, self._vitals.names
        tokens, held, quarantine = (
            [row for row in rows if row["token"] in names] for rows in (last.tokens, last.held, last.quarantine)
        )
        return replace(last, age_s=age_s, tokens=tokens, held=held, quarantine=quarantine)

    async def close(self) -> None:
        """Nobody asks any more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _refresh(self) -> None:
        registry = self._vitals.registry
        if registry is None:
            return
        began, began_at = self._clock.monotonic(), self._clock.now()
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                self._last = await _read(registry, sorted(self._vitals.names), began_at)
                self._read = began
        except DatabaseUnusable as error:
            self._last = replace(self._last, problem=_PLACE.sub("", str(error)))
        except (DatabaseError, TimeoutError):
            self._last = replace(self._last, problem=AWAY)


async def _read(registry: Registry, names: Sequence[str], at: datetime) -> Overview:
    schema, server = await registry.check_schema()
    return Overview(
        problem=None,
        read_at=at,
        tokens=await registry.status_of(names),
        bounds_s={turn["token"]: turn["bound_s"] for turn in await registry.turns()},
        held=await registry.held_summary(names, LINES_SHOWN),
        quarantine=await registry.quarantine_summary(names, LINES_SHOWN),
        schema_version=schema,
        server_version=server,
    )


def unreadiness(overview: Overview) -> str | None:
    """Why nobody should rely on the mirror now; None: ready.

    One token that its owner revoked is that token's matter, and an alert's. When not one of them is fresh, the mirror
    as a whole stands still.
    """
    if overview.problem:
        return overview.problem
    enabled = [row for row in overview.tokens if row["status"] != "disabled"]
    if not enabled or any(overview.is_fresh(row) for row in enabled):
        return None
    known = [age for row in enabled if (age := overview.staleness_s(row)) is not None]
    last = f"the last success was {min(known):.0f} s ago" if known else "none was pulled yet"
    which = "the token is not fresh" if len(enabled) == 1 else f"none of {len(enabled)} tokens is fresh"
    return f"{which}: {last}"


_STATES: dict[str, TokenState] = {
    "ok": "ok",
    "running": "ok",
    "deletes_blocked": "ok",
    "rejected": "rejected",
    "rate_limited": "parked",
    "failed": "failed",
    "late": "failed",
}


def count_states(by_status: Mapping[str, int]) -> dict[TokenState, int]:
    """How many tokens are in each of the states that metrics and heartbeat tell apart; a disabled one is in none."""
    counts: dict[TokenState, int] = {"ok": 0, "rejected": 0, "parked": 0, "failed": 0}
    for status, tokens in by_status.items():
        if status in _STATES:
            counts[_STATES[status]] += tokens
    return counts
