"""What a scope shows from one snapshot to the next."""

from typing import Any

import msgspec

from syncd.plan import Cohort, Scope, Viewer
from syncd.records import Snapshot
from syncd.sync.visibility import heirs_of, next_scope, owned_by_others, restart, witnesses_of
from tests.model import a_client, instant

T1, T2, T3 = instant(1), instant(2), instant(3)


def snapshot(*ids: int, **more: Any) -> Snapshot[Any]:
    return Snapshot(**{"strategy": "workspace", "records": {n: a_client(n) for n in ids}, **more})


def after(scope: Scope | None, shown: Snapshot[Any], at: Any = T3) -> Scope:
    return next_scope(scope, shown, at, is_admin=False)


def scope_of(ids: list[int], *absent: Cohort) -> Scope:
    return Scope(False, "workspace", ids, list(absent))


def test_the_first_snapshot_is_what_is_visible() -> None:
    """Nothing was there to be missing."""
    assert after(None, snapshot(3, 1)) == scope_of([1, 3])


def test_what_goes_missing_together_is_counted_together() -> None:
    """Each further complete snapshot confirms the older cohorts and may begin a new one."""
    first = after(scope_of([1, 2, 3, 4]), snapshot(1, 3, 4), T1)
    assert first == scope_of([1, 3, 4], Cohort([2], T1, T1, 1))
    second = after(first, snapshot(1, 3), T2)
    assert second == scope_of([1, 3], Cohort([2], T1, T2, 2), Cohort([4], T2, T2, 1))
    assert after(second, snapshot(1, 2, 3), T3) == scope_of([1, 2, 3], Cohort([4], T2, T3, 2))


def test_a_snapshot_that_is_applied_twice_confirms_once() -> None:
    """The answer to its commit was lost, and the transaction tried again."""
    once = after(scope_of([1, 2], Cohort([3], T1, T1, 1)), snapshot(1), T2)
    assert after(once, snapshot(1), T2) == once


def test_an_incomplete_snapshot_takes_nothing_away_and_confirms_nothing() -> None:
    """It may add, and what it shows is no longer absent."""
    before = scope_of([1, 2], Cohort([4, 5], T1, T1, 1))
    assert after(before, snapshot(2, 3, 4, incomplete=("rejects",))) == scope_of([1, 2, 3, 4], Cohort([5], T1, T1, 1))


def test_a_listing_that_hides_rows_says_nothing_about_them() -> None:
    """By client one cannot see projects without client: they are not absent, but not forgotten either."""
    before = scope_of([1, 2], Cohort([3], T1, T1, 1))
    hidden = Cohort([2, 3], T2, T2, 0, is_hidden=True)
    once = after(before, snapshot(1, strategy="client"), T2)
    assert once == Scope(False, "client", [1], [hidden])
    assert after(once, snapshot(1, strategy="client"), T3) == once


def test_a_listing_that_shows_more_counts_from_its_second_snapshot() -> None:
    """What an account that lists by client again missed meanwhile, or had hidden from it, is missed from now on."""
    before = Scope(False, "client", [1, 2], [Cohort([3], T1, T1, 0, is_hidden=True), Cohort([4], T1, T1, 2)])
    once = after(before, snapshot(1, 5), T2)
    assert once == scope_of([1, 5], Cohort([2, 3, 4], T2, T2, 0))
    assert after(once, snapshot(1, 5), T3) == scope_of([1, 5], Cohort([2, 3, 4], T3, T3, 1))


def test_another_account_cannot_miss_what_the_old_one_saw() -> None:
    """Its scopes were rebased: they have no strategy."""
    assert after(Scope(False, "", [1, 2]), snapshot(1)) == scope_of([1])


def test_an_incomplete_snapshot_does_not_change_the_strategy() -> None:
    """The baseline waits for a complete one."""
    shown = snapshot(1, strategy="client", incomplete=("http_404",))
    assert after(scope_of([1, 2]), shown) == scope_of([1, 2])


def test_what_the_source_calls_deleted_needs_no_second_opinion() -> None:
    """Also if it was never seen alive."""
    found = after(scope_of([1, 2]), snapshot(1, gone=frozenset({2, 9})))
    assert found == scope_of([1], Cohort([2, 9], T3, T3, 1, is_proven=True))


def test_a_viewer_that_started_over_tells_that_somebody_saw_it() -> None:
    """Though neither it nor anybody else does now. So does one from which another listing hides it since."""
    ours = Cohort([5], T1, T1, 1)

    def restarted(other: Cohort) -> list[Cohort]:
        return restart([ours], [Viewer("a", False, 0, frozenset(), [other], T3)], T3)

    assert restarted(Cohort([5], T2, T2, 0)) == [Cohort([5], T2, T2, 0)], "told of, not seen: no news for others"
    assert restarted(Cohort([5], T2, T2, 1)) == [ours]
    assert restarted(Cohort([5], T1, T1, 0)) == [ours]
    assert restarted(Cohort([5], T2, T2, 0, is_hidden=True)) == [Cohort([5], T2, T2, 0)]


def test_better_tokens_own_what_they_see() -> None:
    """Admins first, then rank."""
    viewers = [Viewer("a", True, 9, frozenset({1})), Viewer("b", False, 0, frozenset({2})),
               Viewer("c", False, 5, frozenset({3}))]  # fmt: skip
    assert owned_by_others(False, 3, viewers) == {1, 2}
    assert owned_by_others(True, 3, viewers) == frozenset()


def test_heirs_are_those_who_still_see_it() -> None:
    """With how much they inherit."""
    viewers = [Viewer("a", True, 9, frozenset({1, 2})), Viewer("b", False, 0, frozenset({3}))]
    assert heirs_of(frozenset({1, 2, 7}), viewers) == {"a": 2}


def test_a_proof_that_another_token_outlived_is_none() -> None:
    """The source called it deleted, and showed it to somebody later: it came back. An earlier look says nothing."""
    proof = Cohort([2], T2, T2, 1, is_proven=True)
    missed = Cohort([3], T2, T2, 1)
    seen_at = {at: Viewer("a", False, 0, frozenset({2, 3}), [], at) for at in (T1, T3)}
    assert restart([proof, missed], [seen_at[T1]], T3, only_proven=True) == [proof, missed]
    assert restart([proof, missed], [seen_at[T3]], T3, only_proven=True) == [missed, Cohort([2], T3, T3, 0)]
    assert restart([proof], [seen_at[T3]], T3) == [Cohort([2], T3, T3, 0)]


def test_who_missed_what_goes_out_of_sight_looks_again() -> None:
    """It lived for the token that saw it, which will not tell: but for what that counts against itself."""
    missed = [Cohort([2], T1, T1, 4), Cohort([3], T1, T1, 4)]
    started_over, hidden = [Cohort([3], T1, T1, 0)], Cohort([2], T2, T2, 0, is_hidden=True)
    viewers = [
        Viewer(token, False, 1, frozenset(), absent)
        for token, absent in {"a": missed, "b": started_over, "c": [hidden]}.items()
    ]
    before = scope_of([1, 2, 3])
    after = Scope(False, "workspace", [1], [hidden, Cohort([3], T2, T2, 1)])
    assert witnesses_of(before, after, viewers) == {"a"}
    assert witnesses_of(before, scope_of([1]), viewers) == {"a", "b"}
    assert witnesses_of(None, after, viewers) == frozenset()


def test_what_only_admins_see_waits_for_an_admin() -> None:
    """Who is no admin any more misses the private rows, which proves nothing; the others count as ever."""
    admin, member = (
        scope_of([1, 2, 3]),
        Scope(False, "workspace", [1], [Cohort([2], T1, T1, 1), Cohort([3], T1, T1, 0, is_hidden=True)]),
    )
    admin = msgspec.structs.replace(admin, is_admin=True)
    lost = next_scope(admin, snapshot(1), T1, is_admin=False, private=frozenset({3, 9}))
    assert lost == member
    again = next_scope(lost, snapshot(1), T2, is_admin=False, private=frozenset({3}))
    assert again.absent == [Cohort([2], T1, T2, 2), Cohort([3], T1, T1, 0, is_hidden=True)]
    back = next_scope(again, snapshot(1), T3, is_admin=True)
    assert back.absent == [Cohort([2], T1, T3, 3), Cohort([3], T3, T3, 0)]
