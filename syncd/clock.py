"""The only place that reads clocks or makes randomness; everything else takes them as arguments."""

import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """Instants and durations of this machine. Stored times come from the database's clock, not from here."""

    def now(self) -> datetime:
        """The wall clock, UTC and aware. It may jump: for log lines and Retry-After dates only."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only go forward; for durations, time-outs and pacing."""
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Jitter:
    """The random part of a wait. Seeded in tests, fresh otherwise."""

    rng: random.Random = field(default_factory=random.Random)

    def full(self, ceiling_s: float) -> float:
        """Uniform in [0, ceiling_s]: "full jitter", which keeps many clients from retrying in step."""
        return self.rng.uniform(0.0, ceiling_s)


def fresh_id() -> str:
    """A new id for a process or an instance: a random UUID with its dashes."""
    return str(uuid.uuid4())


def fresh_rng() -> random.Random:
    """A source of randomness that nobody can foresee; tests make their own, seeded."""
    return random.Random()
