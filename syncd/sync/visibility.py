"""What a token sees of a scope from one snapshot to the next. Pure."""

from typing import Any

from syncd.plan import Scope
from syncd.records import Snapshot


def next_scope(scope: Scope | None, snapshot: Snapshot[Any]) -> Scope:
    """The scope after one more snapshot.

    An incomplete snapshot adds to what is visible and takes nothing away. After a change of strategy the first complete
    snapshot only sets a new baseline: the other way of listing may never have shown those rows.
    """
    seen = snapshot.records.keys()
    if scope is None:
        return Scope(snapshot.strategy, sorted(seen), sorted(snapshot.gone - seen))
    if snapshot.incomplete:
        ids = seen | set(scope.ids)
        return Scope(scope.strategy, sorted(ids), sorted(set(scope.absent_ids) - ids))
    before = {*scope.ids, *scope.absent_ids} if scope.strategy == snapshot.strategy else set()
    return Scope(snapshot.strategy, sorted(seen), sorted((before | snapshot.gone) - seen))
