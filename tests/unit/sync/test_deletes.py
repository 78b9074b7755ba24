"""When a row is gone: every rule, at its boundary."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from syncd.plan import Cohort, Deletes, Held, Scope, Viewer
from syncd.sync.deletes import DeleteRules, ScopeName, objection, plan_deletes, set_hash, unconfirmed_by
from tests.model import EPOCH

NAME = ScopeName("acme", 7, "client")
QUARTER = timedelta(minutes=15)


def cohort(ids: list[int], count: int = 2, age: timedelta = QUARTER, **more: Any) -> Cohort:
    return Cohort(ids, EPOCH, EPOCH + age, count, **more)


def decided(
    *absent: Cohort, live: int = 100, others: tuple[int, ...] = (), decisions: Any = None, **rules: Any
) -> Deletes:
    """A scope of `live` rows, 1 to `live`, of which those in `absent` are missing."""
    missing = {id_ for c in absent for id_ in c.ids}
    everything = range(1, live + 1)
    scope = Scope(False, "workspace", [id_ for id_ in everything if id_ not in missing], list(absent))
    return plan_deletes(NAME, scope, frozenset(everything), others, DeleteRules(**rules), decisions or {})


def test_nothing_missing_nothing_gone() -> None:
    """The usual case."""
    assert decided() == Deletes()


def test_a_confirmed_absence_is_a_tombstone() -> None:
    """Two complete snapshots, a quarter of an hour apart."""
    assert decided(cohort([5, 3])) == Deletes([3, 5], 2)


@pytest.mark.parametrize(
    ("count", "age", "is_gone"),
    [
        (1, QUARTER, False),
        (2, QUARTER - timedelta(seconds=1), False),
        (2, QUARTER, True),
        (9, timedelta(minutes=14), False),
    ],
)
def test_confirmations_and_age_are_both_needed(count: int, age: timedelta, is_gone: bool) -> None:
    """Many snapshots in a minute prove as little as one."""
    made = decided(cohort([1], count, age))
    assert (made.tombstones == [1], made.is_waiting) == (is_gone, not is_gone)


@pytest.mark.parametrize(("live", "count", "is_gone"), [(9, 2, False), (9, 3, True), (10, 2, True)])
def test_small_scopes_need_three(live: int, count: int, is_gone: bool) -> None:
    """A glitch empties them more easily."""
    assert bool(decided(cohort([1], count), live=live).tombstones) is is_gone


def test_more_confirmations_may_be_asked() -> None:
    """By the configuration, also for small scopes."""
    assert decided(cohort([1], 4), live=5, confirmations=5).tombstones == []
    assert decided(cohort([1], 5), live=5, confirmations=5).tombstones == [1]


def test_what_the_source_calls_deleted_goes_at_once() -> None:
    """No second snapshot, no age."""
    assert decided(cohort([1], 1, timedelta(0), is_proven=True)).tombstones == [1]


def test_what_another_token_sees_stays() -> None:
    """It is not even a candidate; its cohort is ripe, so nothing waits."""
    assert decided(cohort([1, 2]), others=(2,)) == Deletes([1], 1)


def test_a_token_that_saw_it_must_have_missed_it_as_often() -> None:
    """Ours missed it long ago, for it was hidden from us; the other one sees it no longer, but has yet to confirm."""
    other = Viewer("other", False, 0, frozenset(), [cohort([5], count=1)])
    everything = frozenset(range(1, 101))
    scope = Scope(False, "workspace", sorted(everything - {5}), [cohort([5], count=9)])

    def gone(viewer: Viewer) -> Deletes:
        return plan_deletes(NAME, scope, everything, (), DeleteRules(), {}, unconfirmed_by([viewer], DeleteRules()))

    assert gone(other) == Deletes([], 1, None, is_waiting=True)
    assert gone(msgspec.structs.replace(other, absent=[cohort([5])])) == Deletes([5], 1)
    assert gone(msgspec.structs.replace(other, absent=[cohort([5], count=0)])) == Deletes([5], 1)


def test_a_tombstone_is_not_buried_twice() -> None:
    """Only live rows count."""
    made = plan_deletes(NAME, Scope(False, "workspace", [2], [cohort([1])]), frozenset({2}), (), DeleteRules(), {})
    assert made == Deletes()


def test_disabled_deletes_only_count() -> None:
    """[sync.deletes] enabled = false."""
    assert decided(cohort([1, 2]), enabled=False) == Deletes(candidates=2)


@pytest.mark.parametrize(
    ("candidates", "live", "is_emptied", "max_share", "expected"),
    [
        (5, 6, False, 0.2, None),
        (6, 100, False, 0.05, "shrunk"),
        (20, 100, False, 0.2, None),
        (21, 100, False, 0.2, "shrunk"),
        (100, 100, False, 1.0, None),
        (5, 5, True, 0.2, None),
        (6, 6, True, 1.0, "emptied"),
        (1, 6, True, 1.0, "emptied"),
        (0, 6, True, 1.0, None),
    ],
)
def test_the_guard(candidates: int, live: int, is_emptied: bool, max_share: float, expected: str | None) -> None:
    """More than max(5, share), or an emptied scope of more than five rows."""
    assert objection(candidates, live, is_emptied=is_emptied, max_share=max_share) == expected


def test_the_guard_holds_back_everything_it_objects_to() -> None:
    """Not the part above the limit: nobody knows which part is real."""
    made = decided(cohort(list(range(1, 31))))
    assert (made.tombstones, made.candidates) == ([], 30)
    assert made.held == Held(set_hash(NAME, range(1, 31)), list(range(1, 31)), 100, "shrunk")


def test_an_approval_holds_for_exactly_that_set() -> None:
    """One id more, and a person has to look again."""
    ids = list(range(1, 31))
    approved = {set_hash(NAME, ids): "approve"}
    assert decided(cohort(ids), decisions=approved).tombstones == ids
    assert decided(cohort([*ids, 31]), decisions=approved).tombstones == []
    assert decided(cohort(ids[:-1]), decisions=approved).held is not None


def test_a_rejection_keeps_the_rows_and_the_peace() -> None:
    """They stay live, and nobody is asked again about this set."""
    ids = list(range(1, 31))
    made = decided(cohort(ids), decisions={set_hash(NAME, ids): "reject"})
    assert (made.tombstones, made.held, made.candidates) == ([], None, 30)


def test_a_decision_is_about_one_scope() -> None:
    """Equal ids of another token, workspace or resource have another hash."""
    names = [NAME, ScopeName("other", 7, "client"), ScopeName("acme", 8, "client"), ScopeName("acme", 7, "project")]
    assert len({set_hash(name, [1, 2]) for name in names}) == 4
    assert set_hash(NAME, [2, 1]) == set_hash(NAME, [1, 2])


def test_ripe_and_unripe_absences_are_told_apart() -> None:
    """What is confirmed goes, what is not waits."""
    made = decided(cohort([1]), cohort([2], 1, timedelta(0)))
    assert (made.tombstones, made.candidates, made.is_waiting) == ([1], 2, True)
