"""Which tokens are stale, and whose turn passed: what is worth a line of it, and when it is over. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

Spell = tuple[str, str]
"""A token, and why it was skipped."""


class Turn(NamedTuple):
    """How an enabled token does, by the database's clock.

    `staleness_s`: since its last success, None: never. `bound_s`: so stale it may become. `skipped`: why its turn
    passed, None: it did not. `held_until`: it may send nothing before.
    """

    token: str
    staleness_s: float | None
    bound_s: float
    skipped: str | None = None
    held_until: datetime | None = None


class News(NamedTuple):
    """What changed since the last look. Breaches come with their staleness; `gone`: no longer stale, nor configured."""

    breached: list[Turn]
    restored: list[Turn]
    gone: list[str]
    skipped: list[Turn]


class Punctuality:
    """Remembers what was told. A token that never succeeded grows stale from when it was first seen here."""

    def __init__(self) -> None:
        self._first_seen: dict[str, float] = {}
        self._stale: frozenset[str] = frozenset()
        self._skipped: frozenset[Spell] = frozenset()

    @property
    def stale(self) -> int:
        """How many tokens were beyond their bound at the last look."""
        return len(self._stale)

    def look(self, turns: Sequence[Turn], now: float) -> News:
        """`now`: monotonic seconds."""
        new = [turn.token for turn in turns if turn.staleness_s is None]
        self._first_seen = {token: self._first_seen.get(token, now) for token in new}
        aged = [self._aged(turn, now) for turn in turns]
        late = [turn for turn in aged if (turn.staleness_s or 0.0) > turn.bound_s]
        was_stale, was_skipped = self._stale, self._skipped
        self._stale = frozenset(turn.token for turn in late)
        self._skipped = frozenset((turn.token, turn.skipped) for turn in aged if turn.skipped is not None)
        return News(
            breached=[turn for turn in late if turn.token not in was_stale],
            restored=[turn for turn in aged if turn.token in was_stale - self._stale],
            gone=sorted(was_stale - {turn.token for turn in aged}),
            skipped=[turn for turn in aged if (turn.token, turn.skipped) in self._skipped - was_skipped],
        )

    def _aged(self, turn: Turn, now: float) -> Turn:
        return turn if turn.staleness_s is not None else turn._replace(staleness_s=now - self._first_seen[turn.token])
