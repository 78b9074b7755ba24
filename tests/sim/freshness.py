"""What a stretch of days must show of freshness and heartbeats: pure, intervals of virtual seconds in, words out.

A token is *well* while its source answers it, nothing parks it, the database answers and the process is up. What may
pass between the beginning of one success and the end of the next is then `Bounds.steady_s`; and from the end of its
trouble to the end of its first success `Bounds.recovery_s`, whatever befalls other tokens.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from syncd.service.heartbeat import ANSWER_WITHIN_S
from syncd.service.workers import GRACE_S
from syncd.toggl.breaker import OPEN_MOST_S, PROBE_MOST_S, RECOVERY_S
from tests.sim.accounts import LATENCY_S

REQUESTS = 3
STATEMENTS_S = 1.0
HEARTBEAT_S = 60.0

Interval = tuple[float, float]


class Success(NamedTuple):
    began: float
    ended: float


class Bounds(NamedTuple):
    """How stale a token that is well may become, in seconds."""

    steady_s: float
    recovery_s: float


def bounds_of(interval_s: float, rate: float, tick_s: float, pull_timeout_s: float, tokens: int, limit: int) -> Bounds:
    """By the design.

    steady: the interval, and the tenth of it by which a phase may move; two ticks and a pull, which nothing holds up,
    once for every `limit` tokens, for all may be due together.
    recovery: a pull that began in trouble ends by its deadline or by the watchdog; so do those before it where places
    are fewer than tokens; its next turn is an interval later, and may still find the breaker open, so one more.
    """
    rounds = math.ceil(tokens / limit)
    pull_s = REQUESTS * (LATENCY_S + (1 / rate if rate else 0.0)) + STATEMENTS_S
    steady_s = 1.1 * interval_s + rounds * (2 * tick_s + pull_s)
    lasting_s = pull_timeout_s + GRACE_S
    shut_s = OPEN_MOST_S + PROBE_MOST_S + RECOVERY_S
    return Bounds(steady_s, rounds * lasting_s + 2 * steady_s + shut_s)


@dataclass
class Worst:
    """The longest that was seen, and its share of what is allowed."""

    seconds: float = 0.0
    share: float = 0.0

    def add(self, seconds: float, bound_s: float) -> bool:
        """Take one in; whether it is within the bound."""
        self.seconds, self.share = max(self.seconds, seconds), max(self.share, seconds / bound_s)
        return seconds <= bound_s

    def join(self, other: "Worst") -> None:
        self.seconds, self.share = max(self.seconds, other.seconds), max(self.share, other.share)


@dataclass
class Findings:
    """`looks`: how many times a token that was well was held against a bound."""

    steady: Worst = field(default_factory=Worst)
    recovery: Worst = field(default_factory=Worst)
    beat: Worst = field(default_factory=Worst)
    looks: int = 0
    wrongs: list[str] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        """Those of another seed."""
        self.looks += other.looks
        self.wrongs += other.wrongs
        for mine, its in ((self.steady, other.steady), (self.recovery, other.recovery), (self.beat, other.beat)):
            mine.join(its)


def complement(troubles: Iterable[Interval], length_s: float) -> list[Interval]:
    """What `troubles` leave of 0 to `length_s`."""
    left, at = [], 0.0
    for since, until in sorted(troubles):
        if since > at:
            left.append((at, min(since, length_s)))
        at = max(at, until)
    return [*left, (at, length_s)] if at < length_s else left


def judge_token(
    name: str, successes: Sequence[Success], well: Iterable[Interval], bounds: Bounds, found: Findings
) -> None:
    """Hold a token's successes, in their order, against what is promised for the times when it was well."""
    for since, until in well:
        within = [success for success in successes if since <= success.ended <= until]
        first = within[0].ended if within else until
        _look(found, found.recovery, f"{name} was well from {since:.0f} on", first - since, bounds.recovery_s)
        begun = [max(success.began, since) for success in within]
        ended = [*(success.ended for success in within[1:]), until]
        for began, end in zip(begun, ended, strict=False):
            _look(found, found.steady, f"{name} succeeded with a pull of {began:.0f}", end - began, bounds.steady_s)


def _look(found: Findings, worst: Worst, what: str, seconds: float, bound_s: float) -> None:
    found.looks += 1
    if not worst.add(seconds, bound_s):
        found.wrongs.append(f"{what}, and not again for {seconds:.0f} s; {bound_s:.0f} s are promised")


def judge_beats(beats: Sequence[float], up: Iterable[Interval], found: Findings) -> None:
    """A line a minute and `ANSWER_WITHIN_S`, from the process' start to its end."""
    bound_s = HEARTBEAT_S + ANSWER_WITHIN_S + 1e-6
    for since, until in up:
        marks = [since, *(at for at in beats if since <= at <= until), until]
        for before, after in pairwise(marks):
            if not found.beat.add(after - before, bound_s):
                found.wrongs.append(f"no heartbeat from {before:.1f} to {after:.1f}: {after - before:.1f} s")
