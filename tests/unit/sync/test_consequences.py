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
    outcome = consequence(error)
    assert (outcome.status, outcome.reason, outcome.hold_s) == (status, reason, hold_s)


def test_only_what_a_person_can_mend_asks_for_a_person() -> None:
    """The rest passes by itself."""
    assert consequence(errors.TokenRejected("x")).action
    assert consequence(errors.ContractChanged("x")).action
    assert consequence(errors.TogglUnavailable("x")).action is None
    assert consequence(errors.RateLimited("x", retry_after_s=1)).action is None


def test_a_rejected_token_is_tried_ever_less_often() -> None:
    """After a minute, then as long again as it has been rejected, at least every six hours."""
    holds = [consequence(errors.TokenRejected("x"), seconds).hold_s for seconds in (0.0, 60.0, 300.0, 1e6)]
    assert holds == [60.0, 60.0, 300.0, 21600.0]
