"""One pull's budget: what it may cost, and what it has spent."""

from collections import Counter
from dataclasses import dataclass, field

from syncd.postgres.quotas import StoredBudget
from syncd.sync.planner import Appetite, Cost
from syncd.toggl.traffic import Traffic


@dataclass(slots=True, eq=False)
class Sheet:
    """A pull's own, not its token's: one that was given up may still be at work beside the next one.

    `expected`: what it will probably cost; `overhead`: what it spent on other questions.
    """

    name: str
    stored: StoredBudget
    expected: Cost
    traffic: Traffic = field(default_factory=Traffic)
    overhead: Counter[int | None] = field(default_factory=Counter)

    @property
    def appetites(self) -> dict[str, Appetite]:
        return {name: Appetite(s.interval_s, s.full, s.usual) for name, s in self.stored.sharers.items()}

    def outstanding(self, bucket: int) -> int:
        """Requests that the pull is still expected to make."""
        return max(0, self.expected.get(bucket, 0) - self.traffic.spent[bucket or None])
