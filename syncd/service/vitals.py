"""What the daemon knows of itself, for those who ask from outside: whether it turns, whether it leads.

The daemon writes, the pages read. None of it is authoritative: what must survive a restart is in the database.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from syncd.clock import Clock
from syncd.postgres.registry import Registry
from syncd.tokens import Token

TICK_WITHIN_S = 30.0
"""So soon after a turn the next one begins. The system was asleep for longer? Its monotonic clock was, too."""

TURN_WITHIN_S = 300.0
"""A turn asks the database, which may take its time-outs to say that it is away: that is not our death."""

Role = Literal["starting", "leader", "standby"]


class Vitals:
    """The daemon's own state. `registry` is None while the database has not come yet."""

    def __init__(self, clock: Clock, tokens: Iterable[Token]) -> None:
        self._clock = clock
        self.started_at: datetime = clock.now()
        self._started = clock.monotonic()
        self.registry: Registry | None = None
        self.leads = False
        self.in_flight = 0
        self.names: frozenset[str] = frozenset()
        self._resting_since: float | None = None
        self._turning_since: float | None = None
        self.configure(tokens)

    def configure(self, tokens: Iterable[Token]) -> None:
        """These tokens are ours; the pages show no others that the database may know."""
        self.names = frozenset(token.name for token in tokens)

    @property
    def role(self) -> Role:
        """Only the leader pulls."""
        if self.registry is None:
            return "starting"
        return "leader" if self.leads else "standby"

    @property
    def uptime_s(self) -> float:
        return self._clock.monotonic() - self._started

    def open(self, registry: Registry) -> None:
        """The database is there; from now on ticks and turns are expected."""
        self.registry = registry
        self._resting_since = self._clock.monotonic()

    def ticked(self) -> None:
        """The scheduler woke us: a turn begins."""
        self._resting_since, self._turning_since = None, self._clock.monotonic()

    def turned(self, *, leads: bool, in_flight: int) -> None:
        """What was due has been looked for, successfully or not."""
        self._resting_since, self._turning_since = self._clock.monotonic(), None
        self.leads, self.in_flight = leads, in_flight

    def ailment(self) -> str | None:
        """Why a restart would help; None: alive. Says nothing about the database: restarting us would not mend it."""
        return ailment_of(self._clock.monotonic(), self._resting_since, self._turning_since)


def ailment_of(now: float, resting_since: float | None, turning_since: float | None) -> str | None:
    """Instants on the monotonic clock, in seconds: a tick ends the rest between two turns; None: not so now."""
    if turning_since is not None and now - turning_since > TURN_WITHIN_S:
        return f"a turn of the dispatcher has not ended for {now - turning_since:.0f} s"
    if resting_since is not None and now - resting_since > TICK_WITHIN_S:
        return f"no tick of the scheduler for {now - resting_since:.0f} s"
    return None
