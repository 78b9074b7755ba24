"""What a scope shows from one snapshot to the next."""

from typing import Any

from syncd.plan import Scope
from syncd.records import Snapshot
from syncd.sync.visibility import next_scope
from tests.model import a_client


def snapshot(*ids: int, **more: Any) -> Snapshot[Any]:
    return Snapshot(**{"strategy": "workspace", "records": {n: a_client(n) for n in ids}, **more})


def test_the_first_snapshot_is_what_is_visible() -> None:
    """Nothing was there to be missing."""
    assert next_scope(None, snapshot(3, 1)) == Scope("workspace", [1, 3], [])


def test_what_was_seen_and_is_not_any_more_is_absent() -> None:
    """It stays absent until it is seen again."""
    scope = next_scope(Scope("workspace", [1, 2, 3], []), snapshot(1, 3))
    assert scope == Scope("workspace", [1, 3], [2])
    assert next_scope(scope, snapshot(1)) == Scope("workspace", [1], [2, 3])
    assert next_scope(scope, snapshot(1, 2, 3)) == Scope("workspace", [1, 2, 3], [])


def test_an_incomplete_snapshot_takes_nothing_away() -> None:
    """It may add, and what it shows is no longer absent."""
    scope = next_scope(Scope("workspace", [1, 2], [4]), snapshot(2, 3, 4, incomplete=("rejects",)))
    assert scope == Scope("workspace", [1, 2, 3, 4], [])


def test_another_strategy_sets_a_new_baseline() -> None:
    """By client one cannot see projects without client: they are not absent, they were never to be seen."""
    scope = next_scope(Scope("workspace", [1, 2], [3]), snapshot(1, strategy="client"))
    assert scope == Scope("client", [1], [])


def test_an_incomplete_snapshot_does_not_change_the_strategy() -> None:
    """The baseline waits for a complete one."""
    scope = next_scope(Scope("workspace", [1, 2], []), snapshot(1, strategy="client", incomplete=("http_404",)))
    assert scope == Scope("workspace", [1, 2], [])


def test_what_the_source_calls_deleted_is_absent() -> None:
    """Also if it was never seen alive."""
    assert next_scope(Scope("workspace", [1, 2], []), snapshot(1, gone=frozenset({2, 9}))).absent_ids == [2, 9]
