"""What a pull tells of its requests."""

from collections import Counter
from dataclasses import dataclass, field

from syncd.errors import TogglError


@dataclass(slots=True)
class Traffic:
    """What one pull cost. Waits in seconds, of pacing and Retry-After. `answers`: HTTP status -> count; None: none.

    `spent`: organization -> requests of its quota; None: of the user's own. `remaining`: what is left of each.
    """

    requests: int = 0
    retries: int = 0
    received_bytes: int = 0
    waited_s: float = 0.0
    answers: Counter[int | None] = field(default_factory=Counter)
    spent: Counter[int | None] = field(default_factory=Counter)
    remaining: dict[int | None, int] = field(default_factory=dict)

    @property
    def quota_remaining(self) -> int | None:
        """Of the bucket that has least left; None where the source has no quotas."""
        return min(self.remaining.values(), default=None)


@dataclass(frozen=True, slots=True)
class Retry:
    """One failed attempt, for the log. `wait_s` None: it was the last."""

    path: str
    attempt: int
    wait_s: float | None
    error: TogglError
