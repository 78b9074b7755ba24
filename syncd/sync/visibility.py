"""What a token sees of a scope from one snapshot to the next, and who of several tokens owns a row. Pure.

A row has one owner at a time: of the tokens that can be trusted and whose last snapshot holds it, the best. The mirror
shows the row as its owner sees it. Ownership is derived from what each scope holds, never stored, so it needs no
upkeep: when the owner loses the row, or is rejected, the next best owns it at its next pull.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from syncd.plan import Cohort, Regression, Scope, Viewer
from syncd.records import Snapshot

_NO_REGRESSIONS: dict[str, Regression] = {}


def next_scope(
    scope: Scope | None,
    snapshot: Snapshot[Any],
    began_at: datetime,
    *,
    is_admin: bool,
    private: frozenset[int] = frozenset(),
) -> Scope:
    """The scope after one more snapshot.

    A complete snapshot confirms what was missing before and begins a cohort for what is missing now. An incomplete one
    adds to what is visible, takes nothing away and confirms nothing; nor does one that holds only changes confirm
    anything. The same pull confirms once, however often it is applied (a commit's answer may be lost, and the
    transaction tried again). After a change of strategy the first complete snapshot only sets a new baseline, for the
    other way of listing may not show what is missing: see `_rebased`. Of what is missing since the token's owner is no
    admin any more, the `private` rows, which only admins see, wait until it is one again.
    """
    seen = frozenset(snapshot.records)
    gone = _cohort(snapshot.gone - seen, began_at, is_proven=True)
    if scope is None:
        return Scope(is_admin, snapshot.strategy, sorted(seen), gone)
    if snapshot.is_delta:
        return _moved_on(scope, snapshot, gone, is_admin=is_admin)
    if snapshot.incomplete:
        ids = seen.union(scope.ids)
        return Scope(is_admin, scope.strategy, sorted(ids), _without(scope.absent, ids))
    if scope.strategy != snapshot.strategy:
        return Scope(is_admin, snapshot.strategy, sorted(seen), _rebased(scope, snapshot, began_at) + gone)
    known = _without(_without(scope.absent, seen), snapshot.gone)
    if is_admin and not scope.is_admin and snapshot.strategy == "workspace":
        known = [_in_sight(cohort, began_at) for cohort in known]
    confirmed = [_confirmed(cohort, began_at) for cohort in known]
    missing = frozenset(scope.ids) - seen - snapshot.gone
    hidden = missing & private if scope.is_admin and not is_admin else frozenset()
    out_of_sight = [Cohort(sorted(hidden), began_at, began_at, 0, is_hidden=True)] if hidden else []
    absent = confirmed + _cohort(missing - hidden, began_at, is_proven=False) + out_of_sight + gone
    return Scope(is_admin, snapshot.strategy, sorted(seen), absent)


def _moved_on(scope: Scope, snapshot: Snapshot[Any], gone: list[Cohort], *, is_admin: bool) -> Scope:
    """The scope after an answer that holds only changes: it adds, takes away what was deleted, and confirms nothing."""
    ids = frozenset(scope.ids).union(snapshot.records) - snapshot.gone
    absent = _without(_without(scope.absent, ids), snapshot.gone)
    return Scope(is_admin, scope.strategy, sorted(ids), absent + gone)


def _rebased(scope: Scope, snapshot: Snapshot[Any], began_at: datetime) -> list[Cohort]:
    """What the first complete snapshot of another strategy lacks, with nothing counted against it yet.

    The listing by workspace shows all that the one by client does, so its next snapshots count. The one by client may
    hide what the other showed: those rows wait, hidden, until the token lists by workspace again. Without a strategy
    another account is behind the token, which can miss nothing that the old one saw.
    """
    if not scope.strategy:
        return []
    here = snapshot.gone.union(snapshot.records)
    proven = _without((cohort for cohort in scope.absent if cohort.is_proven), here)
    known = frozenset(scope.ids).union(*(cohort.ids for cohort in scope.absent if not cohort.is_proven))
    missing = sorted(known - here)
    is_hidden = snapshot.strategy == "client"
    return proven + ([Cohort(missing, began_at, began_at, 0, is_hidden=is_hidden)] if missing else [])


def _in_sight(cohort: Cohort, began_at: datetime) -> Cohort:
    """The cohort, no longer hidden from the token; this snapshot is the baseline."""
    return Cohort(cohort.ids, began_at, began_at, 0) if cohort.is_hidden else cohort


def _confirmed(cohort: Cohort, began_at: datetime) -> Cohort:
    """The cohort after one more complete snapshot lacked it."""
    if cohort.is_hidden or cohort.last == began_at:
        return cohort
    since = cohort.since if cohort.count else began_at
    return Cohort(cohort.ids, since, began_at, cohort.count + 1, cohort.is_proven)


def restart(
    cohorts: Iterable[Cohort], viewers: Sequence[Viewer], began_at: datetime, *, only_proven: bool = False
) -> list[Cohort]:
    """The cohorts, with nothing counted yet against ids that another token saw while this one missed them.

    Such rows are hidden from this token: no evidence for the day when the other stops seeing them too. A viewer that
    has not looked since they went missing says nothing yet. Ids against which nothing is counted stay so for as long as
    somebody sees them: `cohorts` are those before this pull, which then counts against none that it started over.

    A viewer that started over since did so because somebody saw them, who need not see them any more; one that now
    lists in a way that hides them saw them before. That is handed on with its own instant, and this pull counts: were
    it taken for news, many tokens would start one another over for ever.

    So it is with what the source called deleted and another token saw later: it came back, and the proof was of an
    earlier end. `only_proven`: the snapshot holds changes only, so that nothing else is counted or started over.
    """
    kept: list[Cohort] = []
    hidden: set[int] = set()
    none_counted = [other for viewer in viewers for other in viewer.absent if not other.count]
    for cohort in cohorts:
        if cohort.is_hidden or (only_proven and not cohort.is_proven):
            kept.append(cohort)
            continue
        later = [viewer.ids for viewer in viewers if viewer.seen_at is not None and viewer.seen_at > cohort.since]
        seen = frozenset().union(*later).intersection(cohort.ids)
        hidden |= seen
        begun_anew = [other for other in none_counted if cohort.count and other.since > cohort.since]
        told = frozenset(id_ for other in begun_anew for id_ in other.ids).intersection(cohort.ids) - seen
        if told:
            last = max(other.since for other in begun_anew)
            kept.append(Cohort(sorted(told), last, last, 0))
        kept += _without([cohort], seen | told)
    return kept + ([Cohort(sorted(hidden), began_at, began_at, 0)] if hidden else [])


def owned_by_others(is_admin: bool, rank: int, viewers: Iterable[Viewer]) -> frozenset[int]:
    """Ids that a better token sees too: they are its to write."""
    better = [viewer.ids for viewer in viewers if (not viewer.is_admin, viewer.rank) < (not is_admin, rank)]
    return frozenset().union(*better)


def heirs_of(ids: frozenset[int], viewers: Sequence[Viewer]) -> dict[str, int]:
    """Tokens that see some of `ids`, and how many: those must look at them again, for one of them is the owner now."""
    counts = {viewer.token: len(ids & viewer.ids) for viewer in viewers}
    return {token: count for token, count in counts.items() if count}


def witnesses_of(before: Scope | None, scope: Scope, viewers: Iterable[Viewer]) -> frozenset[str]:
    """Tokens that missed what this one has just lost sight of, without counting that against it.

    They let it live because this token saw it, and are the only ones left to tell: they must look again.
    """
    counted = frozenset(id_ for cohort in scope.absent if cohort.count for id_ in cohort.ids)
    untold = frozenset(before.ids if before else ()) - frozenset(scope.ids) - counted
    telling = [(viewer.token, cohort.ids) for viewer in viewers for cohort in viewer.absent if not cohort.is_hidden]
    return frozenset(token for token, missed in telling if not untold.isdisjoint(missed))


def _cohort(ids: frozenset[int], began_at: datetime, *, is_proven: bool) -> list[Cohort]:
    return [Cohort(sorted(ids), began_at, began_at, 1, is_proven)] if ids else []


def _without(cohorts: Iterable[Cohort], ids: frozenset[int]) -> list[Cohort]:
    """The cohorts less `ids`; empty ones vanish."""
    rest = [msgspec.structs.replace(cohort, ids=[id_ for id_ in cohort.ids if id_ not in ids]) for cohort in cohorts]
    return [cohort for cohort in rest if cohort.ids]


def keep_only(cohorts: Iterable[Cohort], ids: frozenset[int]) -> list[Cohort]:
    """The cohorts with nothing but `ids`."""
    everything = frozenset(id_ for cohort in cohorts for id_ in cohort.ids)
    return _without(cohorts, everything - ids)
