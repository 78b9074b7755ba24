"""What holds for the merge rule whatever comes: idempotent, convergent, never backwards."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.records import Stored
from syncd.sync.diff import diff
from tests.model import a_client, a_project, apply, instant, stored

NOW = instant(1_000_000)

clients = st.builds(
    a_client,
    id_=st.integers(1, 6),
    at=st.integers(0, 3),
    name=st.sampled_from(["a", "b"]),
    notes=st.sampled_from([None, "x"]),
    hourly_rate=st.sampled_from([None, Decimal("1.50")]),
)
projects = st.builds(
    a_project,
    id_=st.integers(1, 6),
    at=st.integers(0, 3),
    name=st.sampled_from(["a", "b"]),
    client_id=st.sampled_from([None, 1]),
    actual_seconds=st.integers(0, 2),
)


def by_id(records: list[Any]) -> dict[int, Any]:
    return {record.id: record for record in records}


records = st.one_of(st.lists(clients, max_size=8), st.lists(projects, max_size=8)).map(by_id)
tombstones = st.none() | st.sampled_from([instant(999_999), instant(1_000_001)])


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[int, Any], dict[int, Stored[Any]]]:
    """A snapshot, and rows of the same resource: live ones, tombstones and stubs."""
    kind = draw(st.sampled_from([clients, projects]))
    snapshot = by_id(draw(st.lists(kind, max_size=8)))
    held = by_id(draw(st.lists(kind, max_size=8)))
    rows = {id_: stored(record, draw(tombstones)) for id_, record in held.items()}
    stubs = draw(st.sets(st.integers(1, 6), max_size=2)) - rows.keys()
    return snapshot, rows | {id_: stored(None) for id_ in stubs}


def live_at(rows: Mapping[int, Stored[Any]]) -> dict[int, datetime]:
    return {id_: row.record.at for id_, row in rows.items() if row.record is not None and row.deleted_at is None}


@given(situations())
@settings(max_examples=400)
def test_i02_the_same_snapshot_again_changes_nothing(situation: tuple[dict[int, Any], dict[int, Stored[Any]]]) -> None:
    """Idempotent: what was applied once is not applied twice."""
    snapshot, rows = situation
    after = apply(rows, diff(snapshot.values(), rows, NOW))
    assert diff(snapshot.values(), after, NOW).is_empty


@given(situations())
@settings(max_examples=400)
def test_i03_a_live_row_never_goes_back(situation: tuple[dict[int, Any], dict[int, Stored[Any]]]) -> None:
    """`at` of a live row only grows."""
    snapshot, rows = situation
    after = live_at(apply(rows, diff(snapshot.values(), rows, NOW)))
    assert all(after[id_] >= at for id_, at in live_at(rows).items())


@given(situations())
@settings(max_examples=400)
def test_every_record_has_exactly_one_verdict(situation: tuple[dict[int, Any], dict[int, Stored[Any]]]) -> None:
    """Nothing is counted twice, nothing falls through."""
    snapshot, rows = situation
    plan = diff(snapshot.values(), rows, NOW)
    touched = [r.id for r in plan.inserts] + [r.id for r, _ in plan.changes]
    assert len(touched) == len(set(touched))
    assert len(touched) + plan.unchanged + len(plan.stale) == len(snapshot)
    assert {r.id for r in plan.inserts}.isdisjoint(rows)
    assert all(r.id in rows for r, _ in plan.changes)


@given(situations())
@settings(max_examples=400)
def test_i05_an_answer_from_before_a_tombstone_does_not_reopen_it(
    situation: tuple[dict[int, Any], dict[int, Stored[Any]]],
) -> None:
    """However the record differs."""
    snapshot, rows = situation
    after = apply(rows, diff(snapshot.values(), rows, NOW))
    assert all(after[id_] == row for id_, row in rows.items() if row.deleted_at is not None and row.deleted_at >= NOW)


@given(st.lists(clients, min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=400)
def test_i01_late_and_repeated_snapshots_end_in_the_same_rows(history: list[Any], rng: Any) -> None:
    """Convergent: whatever came before and in whatever order, once the source's last state is seen, it is the mirror.

    The source's clock never goes back, so its last state of a row has the greatest `at`.
    """
    timeline: dict[int, list[Any]] = {}
    for record in sorted(history, key=lambda r: r.at):
        timeline.setdefault(record.id, []).append(record)
    final = {id_: states[-1] for id_, states in timeline.items()}
    deliveries = [state for states in timeline.values() for state in states]
    rng.shuffle(deliveries)
    rows: dict[int, Stored[Any]] = {}
    for record in deliveries:
        rows = apply(rows, diff([record], rows, NOW))
    rows = apply(rows, diff(final.values(), rows, NOW))
    assert {id_: row.record for id_, row in rows.items()} == final
