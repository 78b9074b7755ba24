"""What a pull will cost, and what the hour holds, before the first one."""

import pytest

from syncd.toggl import v9
from syncd.toggl.dialect import Cost, ListingPlan
from tests.unit.toggl.answers import drive

WORKSPACES = "/api/v9/me/workspaces"
QUOTA = "/api/v9/me/quota"


def test_the_price_counts_each_organization_for_itself() -> None:
    """A list of clients and the pages of projects, as far as active projects tell."""
    rows = [
        {"id": 1, "name": "a", "organization_id": 10, "active_project_count": 450},
        {"id": 2, "name": "b", "organization_id": 10},
        {"id": 3, "name": "c"},
    ]
    cost, asked = drive(v9.price(ListingPlan()), {WORKSPACES: rows})
    assert cost == Cost(3, 9, is_lower_bound=True, by_organization={10: 6, v9.ELSEWHERE: 2})
    assert asked == [WORKSPACES]
    only, _ = drive(v9.price(ListingPlan(only=frozenset({2}))), {WORKSPACES: rows})
    assert (only.workspaces, only.requests) == (1, 3)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            [{"organization_id": 10, "total": 240, "remaining": 3}, {"organization_id": None, "total": 30}],
            {10: 240, 0: 30},
        ),
        (None, {}),
        (b"<html>", {}),
        ([{"organization_id": 10}], {}),
    ],
)
def test_what_an_hour_holds_is_told_or_is_not(answer: object, expected: dict[int, int]) -> None:
    assert drive(v9.allowance(), {QUOTA: answer})[0] == expected


def test_a_server_that_knows_no_quotas_has_none() -> None:
    assert drive(v9.allowance(), {})[0] == {}
