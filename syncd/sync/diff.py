"""The merge rule: what becomes of each incoming record, given the stored row. Pure.

    stored row                       incoming record                       decision
    ──────────────────────────────   ───────────────────────────────────   ─────────────────────────────────────────
    none                             any                                   insert
    stub                             any                                   insert: the stub is filled
    tombstone                        answer began after the tombstone      reappear
    tombstone                        answer began before it                stale: a late answer proves nothing
    live, equal                      any                                   unchanged: equal content never writes
    live, differs in volatile only   `at` not older                        volatile: no new version
    live, differs                    `at` newer                            update: the record replaces the row whole
    live, differs                    `at` equal                            update: changed twice in one second
    live, differs                    `at` older                            stale: the source has moved on since

A record replaces a row whole: what is absent or null in it becomes NULL.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from syncd.plan import Change, Diff
from syncd.records import R, Stored

Verdict = Change | Literal["unchanged", "stale"]


def diff(incoming: Iterable[R], stored: Mapping[int, Stored[R]], began_at: datetime) -> Diff[R]:
    """Decide on every incoming record.

    Args:
        incoming: records of one snapshot, ids unique.
        stored: id -> row, for every id of `incoming` that has a row; others do no harm.
        began_at: when the pull began, by the database's clock, like the tombstones it is compared with.

    Returns:
        the changes, ascending by id, so that concurrent writers lock rows in one order. Applied, and asked again with
        the same input, it is empty.
    """
    inserts: list[R] = []
    changes: list[tuple[R, Change]] = []
    unchanged = stale = 0
    for record in incoming:
        row = stored.get(record.id)
        if row is None:
            inserts.append(record)
            continue
        verdict = decide(record, row, began_at)
        if verdict == "unchanged":
            unchanged += 1
        elif verdict == "stale":
            stale += 1
        else:
            changes.append((record, verdict))
    inserts.sort(key=lambda record: record.id)
    changes.sort(key=lambda change: change[0].id)
    return Diff(inserts, changes, unchanged, stale)


def decide(record: R, row: Stored[R], began_at: datetime) -> Verdict:
    """One line of the table above, for a record that has a row."""
    if row.record is None:
        return "insert"
    if row.deleted_at is not None:
        return "reappear" if began_at > row.deleted_at else "stale"
    if record == row.record:
        return "unchanged"
    if record.at < row.record.at:
        return "stale"
    return "volatile" if _lasting(record) == _lasting(row.record) else "update"


def _lasting(record: R) -> dict[str, Any]:
    """The content that makes versions."""
    return {name: value for name, value in msgspec.structs.asdict(record).items() if name not in record.VOLATILE}
