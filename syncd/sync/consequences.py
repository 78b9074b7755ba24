"""What a failed pull means for its token: its status, what a person should do, how long to keep still. Pure."""

from typing import Literal, NamedTuple

from syncd.errors import (
    ContractChanged,
    DatabaseError,
    FencedOut,
    InvariantViolated,
    QuotaExhausted,
    RateLimited,
    SyncdError,
    TokenRejected,
    Unforeseen,
)

REJECTED_FIRST_S = 60.0
REJECTED_MOST_S = 6 * 3600.0
"""A rejected token is tried again after a minute, then when it has been rejected for twice as long, and so on, but at
least every six hours. Not by the number of failures: they may have been of another kind."""


class Consequence(NamedTuple):
    """`hold_s`: send nothing for this token for so many seconds; None: its next turn is as usual."""

    status: Literal["rate_limited", "rejected", "failed"]
    reason: str
    action: str | None = None
    hold_s: float | None = None


def consequence(error: SyncdError, rejected_s: float = 0.0) -> Consequence:
    """`rejected_s`: for how long the token has been rejected already."""
    match error:
        case TokenRejected():
            hold_s = min(REJECTED_MOST_S, max(REJECTED_FIRST_S, rejected_s))
            return Consequence("rejected", "token_rejected", "replace the token: the API refuses it", hold_s)
        case RateLimited():
            reason = "quota_exhausted" if isinstance(error, QuotaExhausted) else "rate_limited"
            return Consequence("rate_limited", reason, None, error.retry_after_s)
        case ContractChanged():
            action = "check [toggl] base_url and api: the answer is not what this API version gives"
            return Consequence("failed", "contract_changed", action)
        case FencedOut():
            return Consequence("failed", "fenced_out")
        case DatabaseError():
            return Consequence("failed", "database")
        case InvariantViolated() | Unforeseen():
            reason = "invariant" if isinstance(error, InvariantViolated) else "unforeseen"
            return Consequence("failed", reason, "report the lines of this pull in the log: this is a bug")
        case _:
            return Consequence("failed", "unavailable")
