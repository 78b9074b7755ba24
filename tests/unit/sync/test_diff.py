"""The merge rule, line by line of its table."""

from decimal import Decimal
from typing import Any

import pytest

from syncd.plan import Tally
from syncd.sync.diff import Verdict, decide, diff
from syncd.sync.planning import count
from tests.model import a_client, a_project, a_tag, instant, stored

LATER = instant(1_000_000)


@pytest.mark.parametrize(
    ("incoming", "row", "verdict"),
    [
        (a_client(at=5), stored(None), "insert"),
        (a_client(at=5), stored(a_client(at=5), deleted_at=instant(999_999)), "reappear"),
        (a_client(at=5), stored(a_client(at=5), deleted_at=LATER), "stale"),
        (a_client(at=9), stored(a_client(at=5), deleted_at=instant(1_000_001)), "stale"),
        (a_client(at=5), stored(a_client(at=5)), "unchanged"),
        (a_client(at=6), stored(a_client(at=5)), "update"),
        (a_client(at=6, name="New"), stored(a_client(at=5)), "update"),
        (a_client(at=5, name="New"), stored(a_client(at=5)), "update"),
        (a_client(at=4, name="New"), stored(a_client(at=5)), "stale"),
        (a_client(at=5), stored(a_client(at=5, notes="cleared since")), "update"),
        (a_client(hourly_rate=Decimal("12.0")), stored(a_client(hourly_rate=Decimal("12.0000"))), "unchanged"),
        (a_client(extra={"mood": "good"}), stored(a_client()), "update"),
        (a_project(actual_seconds=7), stored(a_project(actual_seconds=5)), "volatile"),
        (a_project(actual_seconds=7, name="New"), stored(a_project(actual_seconds=5)), "update"),
        (a_project(at=4, actual_seconds=7), stored(a_project(at=5, actual_seconds=5)), "stale"),
        (a_project(client_id=None), stored(a_project(client_id=3)), "update"),
        (a_tag(at=None), stored(a_tag(at=None)), "unchanged"),
        (a_tag(at=None, name="New"), stored(a_tag(at=None)), "update"),
        (a_tag(at=None, name="New"), stored(a_tag(at=5)), "update"),
        (a_tag(at=5), stored(a_tag(at=None)), "update"),
        (a_tag(at=4, name="New"), stored(a_tag(at=5)), "stale"),
    ],
)
def test_the_table(incoming: Any, row: Any, verdict: Verdict) -> None:
    """One line each."""
    assert decide(incoming, row, LATER) == verdict


def test_a_record_without_a_row_is_inserted() -> None:
    """Whatever else is stored."""
    plan = diff([a_client(2)], {1: stored(a_client(1))}, LATER)
    assert ([r.id for r in plan.inserts], plan.changes) == ([2], [])


def test_what_is_stored_and_not_seen_is_left_alone() -> None:
    """Absence decides nothing here."""
    assert diff([], {1: stored(a_client(1))}, LATER).is_empty


def test_changes_come_in_the_order_of_ids() -> None:
    """Two writers that lock in one order cannot block each other for ever."""
    rows = {n: stored(a_client(n)) for n in (1, 2, 3)}
    plan = diff([a_client(n, at=1) for n in (3, 1, 6, 2, 5, 4)], rows, LATER)
    assert [r.id for r in plan.inserts] == [4, 5, 6]
    assert [r.id for r, _ in plan.changes] == [1, 2, 3]


def test_counts() -> None:
    """A filled stub counts as an insert."""
    rows = {1: stored(None), 2: stored(a_client(2, at=9)), 3: stored(a_client(3))}
    changes = diff([a_client(1), a_client(2, name="old"), a_client(3), a_client(4)], rows, LATER)
    tally = count(Tally(), changes, rows, None, LATER, is_complete=True)
    assert (tally.inserted, tally.updated, tally.stale, tally.unchanged, tally.read) == (2, 0, 1, 1, 4)
    assert list(tally.regressions) == ["2"]
