"""When a row is gone. Pure.

Absence is never proof by itself. A live row becomes a tombstone only if all of this holds:

1. The snapshots that lack it were complete (`syncd.sync.completeness` tells who gives the reasons why not).
2. No token that can be trusted still sees it, and those that saw it once have missed it as often.
3. As many complete snapshots agree as `confirmations` says, at least three where the scope has few rows, and the first
   and the last of them are `min_age` apart. What the source itself calls deleted needs no second opinion.
4. The guard does not object: it holds back more than max(5, `max_share` of the scope), and an emptied scope of more
   than 5 rows whatever `max_share` is. Then a person decides, about exactly that set of rows.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Literal

import msgspec

from syncd.plan import Cohort, Deletes, Held, Scope, Viewer
from syncd.records import Resource

Decision = Literal["approve", "reject"]

FEW_ROWS = 10
FEW_ROWS_CONFIRMATIONS = 3
ALWAYS_ALLOWED = 5


class DeleteRules(msgspec.Struct, frozen=True):
    """From the configuration. `max_share` 0..1 of a scope's live rows."""

    enabled: bool = True
    confirmations: int = 2
    min_age: timedelta = timedelta(minutes=15)
    max_share: float = 0.20


class ScopeName(msgspec.Struct, frozen=True):
    """Which scope: a decision about one does not hold for another."""

    token: str
    workspace_id: int
    resource: Resource


def plan_deletes(
    name: ScopeName,
    scope: Scope,
    live: Collection[int],
    seen_by_others: Collection[int],
    rules: DeleteRules,
    decisions: Mapping[str, Decision],
    unconfirmed: Collection[int] = (),
) -> Deletes:
    """What the absences of a scope come to.

    Args:
        scope: after this snapshot. Only its cohorts are evidence, so an incomplete snapshot, which confirms nothing,
            must not be brought here.
        live: ids of the live rows among all that the scope ever showed.
        seen_by_others: ids that some other trusted token sees.
        decisions: hash of a held-back set -> what a person decided about it.
        unconfirmed: ids that some other trusted token saw, and missed lately, but not often enough.
    """
    needed = max(rules.confirmations, FEW_ROWS_CONFIRMATIONS) if len(live) < FEW_ROWS else rules.confirmations
    telling = [cohort for cohort in scope.absent if not cohort.is_hidden]
    # What another token saw before it went missing here counts all the same: that one has only not looked since.
    missing = [cohort for cohort in telling if _live_ids([cohort], live, () if cohort.count else seen_by_others)]
    ripe = [cohort for cohort in missing if is_ripe(cohort, needed, rules.min_age)]
    candidates = sorted(_live_ids(missing, live, seen_by_others))
    confirmed = sorted(_live_ids(ripe, live, seen_by_others).difference(unconfirmed))
    if not rules.enabled:
        return Deletes(candidates=len(candidates))
    is_waiting = len(ripe) < len(missing) or not _live_ids(ripe, live, seen_by_others).isdisjoint(unconfirmed)
    reason = objection(len(confirmed), len(live), is_emptied=not scope.ids, max_share=rules.max_share)
    proven = frozenset(id_ for cohort in ripe if cohort.is_proven for id_ in cohort.ids).intersection(confirmed)
    if reason is None:
        return Deletes(confirmed, len(candidates), None, is_waiting, proven)
    held = Held(set_hash(name, confirmed), confirmed, len(live), reason)
    decision = decisions.get(held.hash)
    if decision == "approve":
        return Deletes(confirmed, len(candidates), None, is_waiting, proven)
    return Deletes([], len(candidates), None if decision == "reject" else held, is_waiting)


def is_ripe(cohort: Cohort, needed: int, min_age: timedelta) -> bool:
    """Enough complete snapshots, far enough apart, lacked it."""
    return cohort.is_proven or (cohort.count >= needed and cohort.last - cohort.since >= min_age)


def unconfirmed_by(viewers: Iterable[Viewer], rules: DeleteRules) -> frozenset[int]:
    """Ids that other tokens saw later than they missed them often enough: their opinion is still to come.

    A cohort that counts nothing has no opinion: it was hidden from its token while another saw it.
    """
    cohorts = [cohort for viewer in viewers for cohort in viewer.absent if cohort.count]
    unripe = [cohort for cohort in cohorts if not is_ripe(cohort, rules.confirmations, rules.min_age)]
    return frozenset(id_ for cohort in unripe for id_ in cohort.ids)


def objection(candidates: int, live: int, *, is_emptied: bool, max_share: float) -> Literal["shrunk", "emptied"] | None:
    """Why the guard holds back `candidates` of `live` rows; None: it does not."""
    if candidates <= ALWAYS_ALLOWED and not (is_emptied and live > ALWAYS_ALLOWED):
        return None
    if candidates and is_emptied:
        return "emptied"
    return "shrunk" if candidates > max(ALWAYS_ALLOWED, max_share * live) else None


def set_hash(name: ScopeName, ids: Iterable[int]) -> str:
    """12 hex digits that stand for exactly this set of ids of this scope."""
    text = f"{name.token}\n{name.workspace_id}\n{name.resource}\n{' '.join(map(str, sorted(ids)))}"
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _live_ids(cohorts: Iterable[Cohort], live: Collection[int], seen_by_others: Collection[int]) -> set[int]:
    return {id_ for cohort in cohorts for id_ in cohort.ids if id_ in live and id_ not in seen_by_others}
