"""Whether a host is worth asking: pure, instants in seconds of one monotonic clock. One per host and process.

closed ──▶ open        after FAILURES failures in a row, of at least two tokens, nothing good between
open ──▶ half-open     when its time is up: one request goes through, everybody else waits
half-open ──▶ closed   that one got an answer: tokens come back one after the other
half-open ──▶ open     it did not; for twice as long

A failure is a connection that is not made, no answer in time, or 5xx. Every other answer shows that the host works,
4xx, 402 and 429 too. One token alone never opens it, whatever befalls it: the trouble may be its own. For the same
reason tokens that have not failed themselves are held back only for OPEN_FIRST_S at a time, one request of theirs after
the other, and do not wait for those that have: however many accounts are broken, the others hardly notice.
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
        self._open_s = OPEN_FIRST_S
        self._opened_at: float | None = None
        self._recovered_at = float("-inf")
        self._open_until = {True: 0.0, False: 0.0}  # by whether the token failed
        self._probing: dict[bool, str] = {}

    def wait_s(self, token: str, now: float) -> float:
        """0.0: send now, and report; else ask again after so many seconds."""
        if self._opened_at is None:
            return max(0.0, self._recovered_at - (1.0 - spread(token)) * RECOVERY_S - now)
        failed = token in self._failing
        if now < self._open_until[failed]:
            return self._open_until[failed] - now
        if failed in self._probing:
            return PROBING_S
        self._probing[failed] = token
        return 0.0

    def failed(self, token: str, now: float) -> Change | None:
        """No answer, or 5xx. The change, if it opens for the first time."""
        self._failures += 1
        self._failing.add(token)
        if self._opened_at is not None:
            if self._probing.get(True) == token:
                self._open_s = min(OPEN_MOST_S, self._open_s * 2.0)
                self._open_until[True] = now + self._open_s
            elif self._probing.get(False) == token:
                self._open_until[False] = now + OPEN_FIRST_S
            self.forget(token)
            return None
        if self._failures < FAILURES or len(self._failing) < 2:
            return None
        self._opened_at, self._open_s = now, OPEN_FIRST_S
        self._open_until = dict.fromkeys((True, False), now + OPEN_FIRST_S)
        return Change(True, self._failures, OPEN_FIRST_S)

    def answered(self, now: float) -> Change | None:
        """An answer that shows the host at work. The change, if it closes."""
        failures, opened_at = self._failures, self._opened_at
        self._failures, self._opened_at = 0, None
        self._probing.clear()
        self._failing.clear()
        if opened_at is None:
            return None
        self._recovered_at = now + RECOVERY_S
        return Change(False, failures, now - opened_at)

    def forget(self, token: str) -> None:
        """What became of a request says nothing, or nobody will know: somebody else may try."""
        self._probing = {failed: probing for failed, probing in self._probing.items() if probing != token}


def spread(name: str) -> float:
    """A number in [0, 1) that stands for a name: always the same, and evenly spread over many names."""
    return crc32(name.encode()) / 2**32
