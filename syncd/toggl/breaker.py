"""Whether a host is worth asking: pure, instants in seconds of one monotonic clock. One per host and process.

closed ──▶ open        after FAILURES failures in a row, of at least two tokens, nothing good between
open ──▶ half-open     when its time is up: one request of a failing token goes through, the other failing ones wait
half-open ──▶ closed   that one got an answer: failing tokens come back one after the other
half-open ──▶ open     it did not; for twice as long

A failure is a connection that is not made, no answer in time, or 5xx. Every other answer shows that the host works,
4xx, 402 and 429 too. One token alone never opens it, whatever befalls it: the trouble may be its own. For the same
reason a token that has not failed is never held back: it asks a host that is down once, and then it has failed; and a
token that went on failing while others were answered does not count until it is answered itself. However many accounts
are broken, the others do not notice.
"""

from typing import NamedTuple
from zlib import crc32

FAILURES = 5
OPEN_FIRST_S = 5.0
OPEN_MOST_S = 60.0
RECOVERY_S = 10.0
"""Over so long the tokens come back after the host did."""

PROBING_S = 1.0
"""How long others wait before they look again whether the one request came back."""

PROBE_MOST_S = 60.0
"""No request takes longer; after that another one may go through."""


class Change(NamedTuple):
    """It opened or closed. `failures` in a row; `seconds`: until the next attempt, or that it was open."""

    is_open: bool
    failures: int
    seconds: float


class Breaker:
    """Ask `wait_s` before each request that may leave at once, and tell what became of it."""

    def __init__(self) -> None:
        self._failures = 0
        self._failing: set[str] = set()
        self._fresh: set[str] = set()
        """Of those that fail: who began since the last answer to anybody."""
        self._returning: frozenset[str] = frozenset()
        self._open_s = OPEN_FIRST_S
        self._open_until = 0.0
        self._opened_at: float | None = None
        self._recovered_at = float("-inf")
        self._probe: str | None = None
        self._probe_until = 0.0

    def wait_s(self, token: str, now: float) -> float:
        """0.0: send now, and report; else ask again after so many seconds."""
        if self._opened_at is None:
            if token not in self._returning:
                return 0.0
            returns_at = self._recovered_at - (1.0 - spread(token)) * RECOVERY_S
            return max(0.0, returns_at - now)
        if token not in self._failing:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        if self._probe is not None and now < self._probe_until:
            return PROBING_S
        self._probe, self._probe_until = token, now + PROBE_MOST_S
        return 0.0

    def failed(self, token: str, now: float) -> Change | None:
        """No answer, or 5xx. The change, if it opens for the first time."""
        if token not in self._failing:
            self._failing.add(token)
            self._fresh.add(token)
        self._failures += token in self._fresh
        if self._opened_at is not None:
            if self._probe == token:
                self._open_s = min(OPEN_MOST_S, self._open_s * 2.0)
                self._open_until = now + self._open_s
            self.forget(token)
            return None
        if self._failures < FAILURES or len(self._fresh) < 2:
            return None
        self._opened_at, self._open_s, self._open_until = now, OPEN_FIRST_S, now + OPEN_FIRST_S
        return Change(True, self._failures, OPEN_FIRST_S)

    def answered(self, token: str, now: float) -> Change | None:
        """An answer that shows the host at work. The change, if it closes."""
        failures, opened_at = self._failures, self._opened_at
        if opened_at is not None:
            self._returning, self._recovered_at = frozenset(self._failing - {token}), now + RECOVERY_S
            if token in self._failing:  # the trouble was the host's
                self._failing.clear()
        self._failures, self._opened_at, self._probe = 0, None, None
        self._failing.discard(token)
        self._fresh.clear()
        return None if opened_at is None else Change(False, failures, now - opened_at)

    def forget(self, token: str) -> None:
        """What became of a request says nothing, or nobody will know: somebody else may try."""
        if self._probe == token:
            self._probe = None


def spread(name: str) -> float:
    """A number in [0, 1) that stands for a name: always the same, and evenly spread over many names."""
    return crc32(name.encode()) / 2**32
