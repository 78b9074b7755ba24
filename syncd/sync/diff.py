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
    live, differs                    one has no `at`                       update: the source tells no time of change
    live, differs                    `at` older                            stale, until two further snapshots agree:
                                                                           then the source was restored, and update

A record replaces a row whole: what is absent or null in it becomes NULL.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from syncd.plan import Change, Diff, Regression
from syncd.records import R, Stored

Verdict = Change | Literal["unchanged", "stale"]

RESTORE_AFTER = 3
"""Complete snapshots of one token that must show the same older state before it counts as a restore at the source."""

_NO_REGRESSIONS: Mapping[str, Regression] = {}


def diff(
    incoming: Iterable[R],
    stored: Mapping[int, Stored[R]],
    began_at: datetime,
    regressions: Mapping[str, Regression] = _NO_REGRESSIONS,
) -> Diff[R]:
    """Decide on every incoming record.

    Args:
        incoming: records of one snapshot, ids unique.
        stored: id -> row, for every id of `incoming` that has a row; others do no harm.
        began_at: when the pull began, by the database's clock, like the tombstones it is compared with.
        regressions: records that came older than stored before, with how often; see `next_regressions`.

    Returns:
        the changes, ascending by id, so that concurrent writers lock rows in one order. Applied, and asked again with
        the same input, it is empty.
    """
    inserts: list[R] = []
    changes: list[tuple[R, Change]] = []
    stale: list[R] = []
    restored: list[int] = []
    unchanged = 0
    for record in incoming:
        row = stored.get(record.id)
        if row is None:
            inserts.append(record)
            continue
        verdict = decide(record, row, began_at)
        if verdict == "unchanged":
            unchanged += 1
        elif verdict != "stale":
            changes.append((record, verdict))
        elif row.deleted_at is None and _is_restored(record, regressions):
            changes.append((record, "update"))
            restored.append(record.id)
        else:
            stale.append(record)
    inserts.sort(key=lambda record: record.id)
    changes.sort(key=lambda change: change[0].id)
    return Diff(inserts, changes, unchanged, stale, sorted(restored))


def decide(record: R, row: Stored[R], began_at: datetime) -> Verdict:
    """One line of the table above, for a record that has a row, seen for the first time."""
    if row.record is None:
        return "insert"
    if row.deleted_at is not None:
        return "reappear" if began_at > row.deleted_at else "stale"
    if record == row.record:
        return "unchanged"
    if record.at is not None and row.record.at is not None and record.at < row.record.at:
        return "stale"
    return "volatile" if _is_volatile(record, row.record) else "update"


def _is_volatile(record: R, stored: R) -> bool:
    """Whether two records differ, and in volatile fields only."""
    moved = {name: getattr(stored, name) for name in record.VOLATILE if getattr(stored, name) != getattr(record, name)}
    return bool(moved) and msgspec.structs.replace(record, **moved) == stored


def next_regressions(stale: Iterable[R], before: Mapping[str, Regression], *, counts: bool) -> dict[str, Regression]:
    """What to remember of the records that came older than stored; with `counts` False nothing is counted further."""
    remembered: dict[str, Regression] = {}
    for record in stale:
        digest, known = _digest(record), before.get(str(record.id))
        count = known.count if known is not None and known.digest == digest else 0
        remembered[str(record.id)] = Regression(digest, count + counts)
    return remembered


def _is_restored(record: R, regressions: Mapping[str, Regression]) -> bool:
    known = regressions.get(str(record.id))
    return known is not None and known.digest == _digest(record) and known.count >= RESTORE_AFTER - 1


def _digest(record: R) -> str:
    body = msgspec.json.encode(_lasting(record))
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def _lasting(record: R) -> dict[str, Any]:
    """The content that makes versions."""
    return {name: value for name, value in msgspec.structs.asdict(record).items() if name not in record.VOLATILE}
