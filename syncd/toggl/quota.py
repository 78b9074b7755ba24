"""How many requests the hourly quota still allows: pure, instants in seconds of one monotonic clock.

Facts, from the vendor's support pages: since September 2025 requests are counted per hour, per user and organization
(30 on the free plan, 240 on Starter, 600 on Premium), and calls about the user alone (/me...) in a bucket of their
own. An hour begins with its first request. Every answer tells what is left of the bucket it drew on, and in how many
seconds that is full again; a call beyond it is answered 402.

Who is authoritative: the API. What an answer tells replaces what we thought, except that within one hour less is left
with every request, so the lower number is the later one however answers overtake one another. Requests in flight count
as spent until they are answered. A bucket that no answer spoke of has no limit. A 402 tells that an hour is used up,
not what it held: others may have used it.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from syncd.errors import QuotaExhausted

WINDOW_S = 3600.0
FREE = 30
"""Requests an hour on the smallest plan: what is assumed until the beginning of an hour tells more."""

UNTOLD = 0
"""`Level.total` while there was but a 402: nothing is assumed of the hours to come."""

FRESH_S = WINDOW_S - 60.0
"""A reset at least so far away: the hour has just begun."""

SAME_WINDOW_S = 30.0
"""Resets this close to one another are the same one, told in whole seconds by answers that took their time."""

RESET_SLACK_S = 1.5
"""Added to a reset that is told in whole seconds, so that nothing leaves a moment too early."""

RESERVE_SHARE = 0.1
"""Of each hour's requests this share, and at least one, is kept for changes that a person makes."""


class Key(NamedTuple):
    """A bucket: whose, and for which organization; None: calls about the user alone.

    `owner`: `#` and the id of the user, so that all tokens of one user meet here, or the token's name until that is
    known. No name holds a `#`.
    """

    owner: str
    organization: int | None


class Told(NamedTuple):
    """What an answer says about its bucket. `resets_in_s` None: it does not say. `is_refusal`: it is a 402."""

    remaining: int
    resets_in_s: float | None
    is_refusal: bool = False


class Level(NamedTuple):
    """What is known of a bucket. `total`: requests in an hour, what was left after the first of them, plus one; or
    UNTOLD."""

    remaining: int
    total: int
    resets_at: float

    @property
    def reserve(self) -> int:
        """Requests of an hour that pulls leave to changes."""
        return reserve_of(self.total)


def reserve_of(total: int) -> int:
    """Requests of an hour that pulls leave to changes, where `total` are allowed."""
    return max(1, int(total * RESERVE_SHARE))


def owner_of(user_id: int) -> str:
    """What `Key.owner` is for a user."""
    return f"#{user_id}"


class Quotas:
    """All buckets as one process knows them."""

    def __init__(self) -> None:
        self._levels: dict[Key, Level] = {}
        self._in_flight: Counter[Key] = Counter()
        self._ticket = 0
        self._lost: dict[Key, list[int]] = {}

    def left(self, key: Key, now: float, *, is_write: bool = False) -> int | None:
        """How many requests may still be sent, those in flight counted as spent; None: no limit is known."""
        level = self._levels.get(key)
        is_over = level is not None and now >= level.resets_at
        if level is None or (is_over and level.total == UNTOLD):
            return None
        remaining = level.total if is_over else level.remaining
        return max(0, remaining - self._in_flight[key] - (0 if is_write else level.reserve))

    def resets_in_s(self, key: Key, now: float) -> float:
        """Seconds until the bucket is full again; 0.0 if it is, as far as we know."""
        level = self._levels.get(key)
        return 0.0 if level is None else max(0.0, level.resets_at - now)

    def total(self, key: Key) -> int | None:
        """Requests in an hour; None: not known."""
        level = self._levels.get(key)
        return None if level is None or level.total == UNTOLD else level.total

    def reserve(self, key: Key, now: float, *, is_write: bool) -> int:
        """Count a request that is about to be sent as in flight; a ticket to `settle` it, whatever becomes of it.

        Raises:
            QuotaExhausted: it must not be sent: it would be answered 402, or draw on what is kept for changes.
        """
        wait_s = self.resets_in_s(key, now)
        begins_hour = not wait_s and not self._in_flight[key]
        if self.left(key, now, is_write=is_write) == 0 and not begins_hour:
            level = self._levels[key]
            kept = f", {level.reserve} of {level.total} are kept for changes" if level.remaining > 0 else ""
            wait_s = max(wait_s, RESET_SLACK_S)
            raise QuotaExhausted(f"the hourly quota is used up{kept}", retry_after_s=wait_s, http_status=None)
        self._in_flight[key] += 1
        self._ticket += 1
        return self._ticket

    def settle(self, ticket: int, key: Key, now: float, told: Told | None) -> None:
        """A request came to its end; `told` None: without a word on the quota, so it counts as one that was spent.

        Where the last hour was over, it counts as the one that began the next. What is told of a request that was on
        its way beside it may be from before it, and is corrected for it.
        """
        self._in_flight[key] -= 1
        lost = self._lost.pop(key, [])
        if told is not None:
            beside = sum(ticket < lost_before for lost_before in lost)
            self._learn(key, now, told, beside)
        else:
            lost = [*lost, self._ticket + 1]
            self._spend(key, now)
        if self._in_flight[key]:
            self._lost[key] = lost

    def _spend(self, key: Key, now: float) -> None:
        level = self._levels.get(key)
        if level is not None and (now < level.resets_at or level.total != UNTOLD):
            begun = level if now < level.resets_at else Level(level.total, level.total, now + WINDOW_S + RESET_SLACK_S)
            self._levels[key] = begun._replace(remaining=begun.remaining - 1)

    def close(self, key: Key, now: float, seconds: float) -> None:
        """A 402: nothing of this bucket for so long, for changes neither."""
        level = self._levels.get(key)
        resets_at = now + seconds if level is None else max(level.resets_at, now + seconds)
        self._levels[key] = Level(0, UNTOLD if level is None else level.total, resets_at)

    def remember(self, key: Key, now: float, level: Level) -> None:
        """Take over what another process, or an earlier one, knew. Of an hour that is over only its total counts."""
        known = self._levels.get(key)
        if known is None or level.resets_at > now:
            self._levels[key] = merge(known, level, now)

    def known(self, owner: str) -> Iterator[tuple[Key, Level]]:
        """All that is known of one owner's buckets, requests in flight counted as spent."""
        for key, level in self._levels.items():
            if key.owner == owner:
                yield key, level._replace(remaining=level.remaining - self._in_flight[key])

    def rename(self, old: str, new: str, now: float) -> None:
        """It turned out whose buckets these are: what they hold goes to the ones that all tokens of the user share."""
        for key in [key for key in self._levels if key.owner == old]:
            self.remember(Key(new, key.organization), now, self._levels.pop(key))

    def _learn(self, key: Key, now: float, told: Told, untold: int) -> None:
        """`untold`: requests that may have been spent since."""
        known = self._levels.get(key)
        resets_in_s = told.resets_in_s
        if resets_in_s is None:
            resets_in_s = self.resets_in_s(key, now) or WINDOW_S
        else:
            resets_in_s += RESET_SLACK_S
        is_first = resets_in_s >= FRESH_S and (known is None or now >= known.resets_at)
        total = _total(told, UNTOLD if known is None else known.total, is_first=is_first)
        self._levels[key] = merge(known, Level(max(0, told.remaining - untold), total, now + resets_in_s), now)


def _total(told: Told, before: int, *, is_first: bool) -> int:
    """Requests of an hour, after an answer: the first one of an hour tells, a later one that they are no fewer."""
    if told.is_refusal:
        return before
    least = max(1, told.remaining + 1)
    return least if is_first else max(least, before or FREE)


def merge(known: Level | None, other: Level, now: float) -> Level:
    """Of two accounts of one bucket the later one, or the more cautious if they speak of the same hour.

    How much an hour holds counts from either, if only one was told.
    """
    if known is None:
        return other
    later = _later(known, other, now)
    return later._replace(total=later.total or max(known.total, other.total))


def _later(known: Level, other: Level, now: float) -> Level:
    if now >= known.resets_at or other.resets_at > known.resets_at + SAME_WINDOW_S:
        return other
    if other.resets_at < known.resets_at - SAME_WINDOW_S:
        return known
    return Level(
        min(known.remaining, other.remaining),
        max(known.total, other.total),
        max(known.resets_at, other.resets_at),
    )
