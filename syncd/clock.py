"""The only place that reads clocks or makes randomness; everything else takes them as arguments."""

import random
import time
import uuid
from datetime import UTC, datetime


class Clock:
    """Instants and durations of this machine. Stored times come from the database's clock, not from here."""

    def now(self) -> datetime:
        """The wall clock, UTC and aware. It may jump: for log lines and Retry-After dates only."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only go forward; for durations, time-outs and pacing."""
        return time.monotonic()


class Jitter:
    """The random part of a wait."""

    def __init__(self, rng: random.Random | None = None) -> None:
        """`rng`: seeded in tests; None: fresh."""
        self._rng = rng or random.Random()

    def full(self, ceiling_s: float) -> float:
        """Uniform in [0, ceiling_s]: "full jitter", which keeps many clients from retrying in step."""
        return self._rng.uniform(0.0, ceiling_s)


def fresh_id() -> str:
    """A new id for a process or an instance: a random UUID with its dashes."""
    return str(uuid.uuid4())


def fresh_rng() -> random.Random:
    """A source of randomness that nobody can foresee; tests make their own, seeded."""
    return random.Random()
