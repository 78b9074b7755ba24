"""When the next request of a token may leave: pure, instants in and out, in seconds of one monotonic clock.

The API limits requests per second by token and address, not by user (support pages, "leaky bucket"), so two tokens of
one user have a pacer each; what they share is the hourly quota, see syncd.toggl.quota.
"""

WIDEN = 1.5
"""How much further apart requests leave after each 429."""

WIDEST = 8.0
"""As a multiple of the configured interval."""

NARROW = 0.95
"""What each good answer makes of a widened interval: about 14 of them undo half of it."""


class Pacer:
    """GCRA with a burst of one: requests leave at least `interval_s` apart, however many wait.

    One pacer per token. It never sleeps: `reserve` takes the next free slot and says when that is, so concurrent
    requests line up behind one another without a queue. A 429 says that the rate is too high, whatever its Retry-After:
    the interval widens, and goes back to the configured one slowly.
    """

    __slots__ = ("_configured_s", "_free_at", "_held_until", "_left_at", "_written_at", "interval_s")

    def __init__(self, requests_per_second: float) -> None:
        """`requests_per_second` 0 = no pacing, and nothing to widen."""
        self._free_at = self._held_until = self._left_at = self._written_at = float("-inf")
        self.configure(requests_per_second)

    def configure(self, requests_per_second: float) -> None:
        """Another rate, from the next slot but one. What was widened begins anew; a hold stays."""
        self.interval_s = self._configured_s = 1.0 / requests_per_second if requests_per_second else 0.0

    def reserve(self, now: float) -> float:
        """Take the next slot; the seconds to wait for it, 0.0 or more."""
        slot = max(now, self._free_at)
        self._free_at = slot + self.interval_s
        return slot - now

    def leave(self, now: float) -> float:
        """At one's slot: 0.0, and the request leaves; or the seconds still missing since the last one did.

        Who wakes late keeps the distance all the same: after a machine's sleep, all slots that were given are past.
        """
        missing_s = self._missing_s(max(self._left_at, self._written_at), now)
        if not missing_s:
            self._left_at = now
        return missing_s

    def write(self, now: float) -> float:
        """At the connection: 0.0, and the request is written; or the seconds still missing since the last one was.

        Between its slot and the wire a request may be held up, by a connection or by a machine's sleep, until the next
        one has caught up with it.
        """
        missing_s = self._missing_s(self._written_at, now)
        if not missing_s:
            self._written_at = now
        return missing_s

    def _missing_s(self, last_at: float, now: float) -> float:
        missing_s = last_at + self.interval_s - now
        return missing_s if missing_s > 1e-6 else 0.0

    def rested(self, now: float, seconds: float) -> None:
        """Somebody else sent the last request at least so long ago: our next slot keeps the distance from it."""
        self._free_at = max(self._free_at, now + self.interval_s - seconds)

    def refused(self, now: float, retry_after_s: float) -> None:
        """A 429: hold, and widen. Those that come during a hold were sent before it, and say nothing new."""
        if now >= self._held_until:
            self.interval_s = min(self.interval_s * WIDEN, self._configured_s * WIDEST)
        self.hold_until(now + retry_after_s)

    def welcomed(self) -> None:
        """A good answer: back towards the configured interval."""
        self.interval_s = max(self.interval_s * NARROW, self._configured_s)

    def hold_until(self, instant: float) -> None:
        """No further slot before `instant` (Retry-After). Never brings a slot forward."""
        self._free_at = max(self._free_at, instant)
        self._held_until = max(self._held_until, instant)

    def held_s(self, now: float) -> float:
        """What is left of the longest hold, 0.0 if nothing is."""
        return max(0.0, self._held_until - now)

    def is_held(self, slot: float) -> bool:
        """Whether a slot that was taken earlier lies in a hold that came since, and another must be taken."""
        return slot < self._held_until - 1e-6
