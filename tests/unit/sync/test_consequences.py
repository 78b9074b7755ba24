"""What a failed pull means for its token."""

import pytest

from syncd import errors
from syncd.sync.consequences import consequence


@pytest.mark.parametrize(
    ("error", "status", "reason", "hold_s"),
    [
        (errors.TokenRejected("x", http_status=403), "rejected", "token_rejected", 60.0),
        (errors.RateLimited("x", retry_after_s=90), "rate_limited", "rate_limited", 90),
        (errors.QuotaExhausted("x", retry_after_s=900), "rate_limited", "quota_exhausted", 900),
        (errors.TogglUnavailable("x"), "failed", "unavailable", None),
        (errors.ContractChanged("x"), "failed", "contract_changed", None),
        (errors.FencedOut("x"), "failed", "fenced_out", None),
        (errors.DatabaseUnavailable("x"), "failed", "database", None),
        (errors.Unforeseen("x"), "failed", "unforeseen", None),
    ],
)
def test_consequences(error: errors.SyncdError, status: str, reason: str, hold_s: float | None) -> None:
    """By whose fault it is."""
    outcome = consequence(error, failures=0)
    assert (outcome.status, outcome.reason, outcome.hold_s) == (status, reason, hold_s)


def test_only_what_a_person_can_mend_asks_for_a_person() -> None:
    """The rest passes by itself."""
    assert consequence(errors.TokenRejected("x"), 0).action
    assert consequence(errors.ContractChanged("x"), 0).action
    assert consequence(errors.TogglUnavailable("x"), 0).action is None
    assert consequence(errors.RateLimited("x", retry_after_s=1), 0).action is None


def test_a_rejected_token_is_tried_ever_less_often() -> None:
    """Doubling from a minute to six hours, whatever the number of failures."""
    holds = [consequence(errors.TokenRejected("x"), n).hold_s for n in (0, 1, 2, 9, 5000)]
    assert holds == [60.0, 120.0, 240.0, 21600.0, 21600.0]
