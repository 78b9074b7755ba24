"""What a token sees of a scope from one snapshot to the next, and who of several tokens owns a row. Pure.

A row has one owner at a time: of the tokens that can be trusted and whose last snapshot holds it, the best. The mirror
shows the row as its owner sees it. Ownership is derived from what each scope holds, never stored, so it needs no
upkeep: when the owner loses the row, or is rejected, the next best owns it at its next pull.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from syncd.plan import Cohort, Regression, Scope, Viewer
from syncd.records import Snapshot

_NO_REGRESSIONS: dict[str, Regression] = {}


def next_scope(scope: Scope | None, snapshot: Snapshot[Any], began_at: datetime, *, is_admin: bool) -> Scope:
    """The scope after one more snapshot.

    A complete snapshot confirms what was missing before and begins a cohort for what is missing now. An incomplete one
    adds to what is visible, takes nothing away and confirms nothing. The same pull confirms once, however often it is
    applied (a commit's answer may be lost, and the transaction tried again). After a change of strategy the first
    complete snapshot only sets a new baseline: the other way of listing may never have shown those rows.
    """
    seen = frozenset(snapshot.records)
    gone = _cohort(snapshot.gone - seen, began_at, is_proven=True)
    if scope is None:
        return Scope(is_admin, snapshot.strategy, sorted(seen), gone)
    if snapshot.incomplete:
        ids = seen.union(scope.ids)
        return Scope(is_admin, scope.strategy, sorted(ids), _without(scope.absent, ids))
    if scope.strategy != snapshot.strategy:
        return Scope(is_admin, snapshot.strategy, sorted(seen), gone)
    confirmed = [_confirmed(cohort, began_at) for cohort in _without(_without(scope.absent, seen), snapshot.gone)]
    missing = _cohort(frozenset(scope.ids) - seen - snapshot.gone, began_at, is_proven=False)
    return Scope(is_admin, snapshot.strategy, sorted(seen), confirmed + missing + gone)


def _confirmed(cohort: Cohort, began_at: datetime) -> Cohort:
    """The cohort after one more complete snapshot lacked it."""
    if cohort.last == began_at and cohort.count:
        return cohort
    since = cohort.since if cohort.count else began_at
    return Cohort(cohort.ids, since, began_at, cohort.count + 1, cohort.is_proven)


def restart(cohorts: Iterable[Cohort], ids: frozenset[int], began_at: datetime) -> list[Cohort]:
    """The cohorts, with nothing counted yet against `ids`, which another token still sees.

    What was absent for this token while another saw it, was hidden from this token: no evidence for the day when the
    other stops seeing it too.
    """
    proven = [cohort for cohort in cohorts if cohort.is_proven]
    open_ = [cohort for cohort in cohorts if not cohort.is_proven]
    seen = sorted(ids.intersection(id_ for cohort in open_ for id_ in cohort.ids))
    return proven + _without(open_, ids) + ([Cohort(seen, began_at, began_at, 0)] if seen else [])


def owned_by_others(is_admin: bool, rank: int, viewers: Iterable[Viewer]) -> frozenset[int]:
    """Ids that a better token sees too: they are its to write."""
    better = [viewer.ids for viewer in viewers if (not viewer.is_admin, viewer.rank) < (not is_admin, rank)]
    return frozenset().union(*better)


def heirs_of(ids: frozenset[int], viewers: Sequence[Viewer]) -> dict[str, int]:
    """Tokens that see some of `ids`, and how many: those must look at them again, for one of them is the owner now."""
    counts = {viewer.token: len(ids & viewer.ids) for viewer in viewers}
    return {token: count for token, count in counts.items() if count}


def _cohort(ids: frozenset[int], began_at: datetime, *, is_proven: bool) -> list[Cohort]:
    return [Cohort(sorted(ids), began_at, began_at, 1, is_proven)] if ids else []


def _without(cohorts: Iterable[Cohort], ids: frozenset[int]) -> list[Cohort]:
    """The cohorts less `ids`; empty ones vanish."""
    rest = [
        Cohort([id_ for id_ in cohort.ids if id_ not in ids], cohort.since, cohort.last, cohort.count, cohort.is_proven)
        for cohort in cohorts
    ]
    return [cohort for cohort in rest if cohort.ids]


def keep_only(cohorts: Iterable[Cohort], ids: frozenset[int]) -> list[Cohort]:
    """The cohorts with nothing but `ids`."""
    everything = frozenset(id_ for cohort in cohorts for id_ in cohort.ids)
    return _without(cohorts, everything - ids)
