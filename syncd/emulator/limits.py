"""How much one may ask: the hourly quotas and the rate limit, and a ledger of who asked when. Pure.

Two limits stand one behind the other (vendor pages):

- A leaky bucket per token: one request a second is safe; how many may come at once is not published. Beyond: 429.
- A quota per hour of each user in each organization (by the plan), and one of each user for calls that belong to no
  organization. The hour begins with the first request and ends 60 minutes later, whatever came between. Beyond: 402.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

HOUR = timedelta(minutes=60)
PLANS = {"free": 30, "starter": 240, "premium": 600}
"""Requests an hour of a user in an organization."""
USER_PER_HOUR = 30
"""Requests an hour that belong to no organization, on any plan."""

Over = Literal["", "rate", "quota"]


class Bucket(NamedTuple):
    """What a quota is counted for: a user (by id) in an organization, or without one the user's own calls."""

    user_id: int
    organization_id: int | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed; None is no limit.

    Attributes:
        organization_per_hour: of one user in one organization.
        user_per_hour: of one user, calls that belong to no organization.
        by_organization: organization id -> another number for those that have another plan.
        per_second: of one token, in the long run.
        burst: how many requests a token may send at once; at least 1.
    """

    organization_per_hour: int | None = None
    user_per_hour: int | None = None
    by_organization: Mapping[int, int] = field(default_factory=dict)
    per_second: float | None = None
    burst: int = 5

    def total(self, bucket: Bucket) -> int | None:
        """Requests an hour of a bucket."""
        if bucket.organization_id is None:
            return self.user_per_hour
        return self.by_organization.get(bucket.organization_id, self.organization_per_hour)


def plan(name: str, *, per_second: float | None = None, burst: int = 5) -> Limits:
    """The limits of a plan (free, starter, premium), with a rate limit or without. Raises KeyError."""
    return Limits(PLANS[name], USER_PER_HOUR, per_second=per_second, burst=burst)


class Standing(NamedTuple):
    """How a bucket stands. `remaining` is below zero if more was asked for than it held."""

    total: int
    remaining: int
    resets_in_s: int


class Entry(NamedTuple):
    """One request in the ledger. `bucket` None: it counted for none. `remaining`: in that bucket, after it."""

    at: datetime
    token: str
    bucket: Bucket | None
    over: Over
    remaining: int | None = None


@dataclass(slots=True)
class _Window:
    began: datetime
    used: int = 0


@dataclass(slots=True)
class _Level:
    """What is in a leaky bucket as of `at`, in requests."""

    at: datetime
    requests: float = 0.0


class Meter:
    """Counts requests against limits. Instants (aware) are passed in; where they go back, it begins anew.

    Args:
        limits: what is allowed.
        refused_count: whether requests beyond a quota count, too.
        ledger_size: how many of the latest requests `ledger` keeps; None for all.
    """

    def __init__(self, limits: Limits, *, refused_count: bool = True, ledger_size: int | None = 10_000) -> None:
        self.limits = limits
        self.ledger: deque[Entry] = deque(maxlen=ledger_size)
        self._refused_count = refused_count
        self._windows: dict[Bucket, _Window] = {}
        self._levels: dict[str, _Level] = {}

    def take(self, at: datetime, token: str, bucket: Bucket | None) -> Over:
        """Count a request of a token for a bucket (None: for none), and tell which limit it is beyond, if any. What
        the rate limit turns away uses up no quota."""
        if not self._flows(at, token):
            self.ledger.append(Entry(at, token, bucket, "rate", self._remaining(at, bucket)))
            return "rate"
        over: Over = "" if bucket is None or self._counts(at, bucket) else "quota"
        self.ledger.append(Entry(at, token, bucket, over, self._remaining(at, bucket)))
        return over

    def standing(self, at: datetime, bucket: Bucket) -> Standing | None:
        """How a bucket stands; None if it has no limit. One that is untouched would last a whole hour from now."""
        total = self.limits.total(bucket)
        if total is None:
            return None
        window = self._open_window(at, bucket)
        if window is None:
            return Standing(total, total, int(HOUR.total_seconds()))
        return Standing(total, total - window.used, math.ceil((window.began + HOUR - at).total_seconds()))

    def wait_s(self, at: datetime, token: str) -> float:
        """After how many seconds the rate limit lets the next request of a token through."""
        level = self._levels.get(token)
        if level is None or self.limits.per_second is None:
            return 0.0
        excess = level.requests + 1 - self.limits.burst - (at - level.at).total_seconds() * self.limits.per_second
        return max(0.0, excess / self.limits.per_second)

    def _flows(self, at: datetime, token: str) -> bool:
        """Let a request into the leaky bucket, unless it would overflow."""
        rate = self.limits.per_second
        if rate is None:
            return True
        level = self._levels.setdefault(token, _Level(at))
        elapsed_s = (at - level.at).total_seconds()
        level.requests = max(0.0, level.requests - elapsed_s * rate) if elapsed_s >= 0 else 0.0
        level.at = at
        if level.requests + 1 > self.limits.burst + 1e-4:  # instants are whole microseconds
            return False
        level.requests += 1
        return True

    def _counts(self, at: datetime, bucket: Bucket) -> bool:
        """Count a request in its hour; False if it is beyond the quota."""
        total = self.limits.total(bucket)
        if total is None:
            return True
        window = self._open_window(at, bucket)
        if window is None:
            window = self._windows[bucket] = _Window(at)
        if window.used < total:
            window.used += 1
            return True
        window.used += self._refused_count
        return False

    def _open_window(self, at: datetime, bucket: Bucket) -> _Window | None:
        window = self._windows.get(bucket)
        return window if window is not None and window.began <= at < window.began + HOUR else None

    def _remaining(self, at: datetime, bucket: Bucket | None) -> int | None:
        standing = None if bucket is None else self.standing(at, bucket)
        return None if standing is None else standing.remaining
