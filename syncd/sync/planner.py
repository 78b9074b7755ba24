"""How often a token can be pulled within the hourly quota, and whether the next pull fits into what is left. Pure.

Rounds: if every token that shares a bucket begins at most *n* pulls an hour, the bucket must hold what those cost,
full pulls included. The largest *n* that it holds gives the interval. Requests that are kept for changes do not count.
A bucket is named by its organization, OWN stands for the user's own; see syncd.toggl.quota.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from syncd.toggl.quota import FREE, WINDOW_S, reserve_of

OWN = 0
"""The bucket of calls that belong to no organization. Ids are positive."""

SLACK_S = 10.0
"""Pulls begin a moment late; so much longer than its share of the hour is an interval, and rounded to as much."""

Cost = Mapping[int, int]
"""Bucket -> requests."""


class Appetite(msgspec.Struct, frozen=True):
    """What a token would like. `interval_s`: as configured. `full`: cost of a pull that lists everything, None before
    the first; `usual`: of one that does not.

    A pull that asks for changes only was never seen to cost more than half of a full one, so that is expected until
    one was made.
    """

    interval_s: float
    full: Cost | None = None
    usual: Cost | None = None

    def cost(self, *, is_full: bool) -> Cost:
        """What the next pull is expected to cost; nothing is expected of a token that was never pulled."""
        full = self.full or {}
        if is_full:
            return full
        return {bucket: math.ceil(n / 2) for bucket, n in full.items()} if self.usual is None else self.usual

    def need(self, bucket: int, pulls: int, full_every_s: float) -> int:
        """Requests of so many pulls within one hour, as many of them full as may come due."""
        full = min(pulls, _per_hour(full_every_s))
        return full * self.cost(is_full=True).get(bucket, 0) + (pulls - full) * self.cost(is_full=False).get(bucket, 0)


class Schedule(msgspec.Struct, frozen=True):
    """`interval_s`: what the quota allows, never less than configured. `is_hopeless`: not even one full pull fits."""

    interval_s: float
    is_hopeless: bool = False


def schedule(own: Appetite, sharers: Sequence[Appetite], totals: Mapping[int, int], full_every_s: float) -> Schedule:
    """The interval of a token.

    Args:
        own: the token.
        sharers: all tokens of its user, itself included.
        totals: bucket -> requests allowed in an hour; a bucket without an entry has no limit.
        full_every_s: seconds between two full pulls of a token.
    """
    found = Schedule(own.interval_s)
    for bucket, total in totals.items():
        if own.need(bucket, 1, full_every_s):
            capacity = max(1, total - reserve_of(total))
            interval_s, is_hopeless = _interval_s(bucket, capacity, own, sharers, full_every_s)
            found = Schedule(max(found.interval_s, interval_s), found.is_hopeless or is_hopeless)
    return found


def _interval_s(
    bucket: int, capacity: int, own: Appetite, sharers: Sequence[Appetite], full_every_s: float
) -> tuple[float, bool]:
    for rounds in range(max(_per_hour(each.interval_s) for each in sharers), 0, -1):
        if _demand(bucket, rounds, sharers, full_every_s) <= capacity:
            is_free = rounds >= _per_hour(own.interval_s)
            return (own.interval_s if is_free else _rounded(WINDOW_S / rounds)), False
    hours = math.ceil(_demand(bucket, 1, sharers, full_every_s) / capacity)
    return _rounded(hours * WINDOW_S), own.cost(is_full=True).get(bucket, 0) > capacity


def _demand(bucket: int, rounds: int, sharers: Iterable[Appetite], full_every_s: float) -> int:
    """What a bucket must hold if nobody begins more than so many pulls an hour, nor more than he would like."""
    return sum(each.need(bucket, min(rounds, _per_hour(each.interval_s)), full_every_s) for each in sharers)


def _per_hour(interval_s: float) -> int:
    """How many pulls begin within any one hour, at most."""
    return max(1, math.ceil(WINDOW_S / max(interval_s, 1.0)))


def _rounded(interval_s: float) -> float:
    return math.floor(interval_s / SLACK_S + 1) * SLACK_S


def learn(known: Cost | None, spent: Cost) -> Cost:
    """The expected cost after a pull that spent so much: up at once, down by one request at a time, never flapping."""
    if known is None:
        return spent
    buckets = known.keys() | spent.keys()
    expected = {bucket: max(spent.get(bucket, 0), known.get(bucket, 0) - 1) for bucket in buckets}
    return {bucket: n for bucket, n in sorted(expected.items()) if n}


def plan_of(total: int) -> str:
    """What a vendor's plan with so many requests an hour is called."""
    return {FREE: "free", 240: "starter", 600: "premium"}.get(total, "custom")
