"""From a workspace's snapshot to the plan of one transaction."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from syncd.plan import Cohort, Culprit, Regression, Scope, Viewer, WorkspacePlan
from syncd.records import Resource, Snapshot, Workspace, WorkspaceSnapshot
from syncd.sync.completeness import doubt, without
from syncd.sync.deletes import DeleteRules
from syncd.sync.planning import Pulling
from tests.model import a_client, a_project, instant, stored
from tests.planned import Held, Planned, plan_of

NOW = instant(1_000_000)
LATER = instant(1_000_001)
ME = Pulling("me", 1, NOW, DeleteRules(min_age=timedelta(0)))


def seen(clients: list[Any], projects: list[Any], **more: Any) -> WorkspaceSnapshot:
    return WorkspaceSnapshot(
        Workspace(1, "One", **more),
        {
            "client": Snapshot("workspace", {c.id: c for c in clients}),
            "project": Snapshot("workspace", {p.id: p for p in projects}),
        },
    )


def held(*rows: Any, scope: Scope | None = None, viewers: list[Viewer] | None = None) -> Held:
    return Held({row.id: stored(row) for row in rows}, scope, viewers or [])


def planned(clients: list[Any], projects: list[Any], client_rows: Held | None = None, **more: Any) -> Planned:
    return plan_of(seen(clients, projects, **more), {"client": client_rows or held()}, ME)


def plan(clients: list[Any], projects: list[Any], client_rows: Held | None = None, **more: Any) -> WorkspacePlan:
    return planned(clients, projects, client_rows, **more).plan


def viewer(
    *ids: int, token: str = "other", rank: int = 0, is_admin: bool = False, seen_at: datetime | None = None
) -> Viewer:
    return Viewer(token, is_admin, rank, frozenset(ids), [], seen_at)


def test_an_unseen_parent_becomes_a_stub() -> None:
    """Once, however many projects name it; a parent that is seen or stored is none."""
    projects = [a_project(n, client_id=c) for n, c in ((1, 7), (2, 7), (3, 8), (4, 9), (5, None))]
    made = planned([a_client(8)], projects, held(a_client(9)))
    assert (made.stubs, made.plan.scopes["client"].tally.stubs, made.plan.scopes["project"].tally.stubs) == ([7], 1, 0)


def test_nothing_to_do_writes_no_rows() -> None:
    """The scopes are still to be noted."""
    assert not plan([a_client(1)], [], held(a_client(1))).writes_rows
    assert plan([a_client(1)], []).writes_rows
    assert plan([], [a_project(1)]).writes_rows


@pytest.mark.parametrize(
    ("other", "is_admin", "is_ours"),
    [
        (viewer(1, rank=0), False, False),
        (viewer(1, rank=2), False, True),
        (viewer(1, rank=0), True, True),
        (viewer(1, rank=2, is_admin=True), False, False),
        (viewer(1, rank=0, is_admin=True), True, False),
        (viewer(2, rank=0), False, True),
    ],
)
def test_the_best_token_that_sees_a_row_owns_it(other: Viewer, is_admin: bool, is_ours: bool) -> None:
    """Admins before others, then the order of the configuration; who does not see it does not count."""
    made = plan([a_client(1, name="as I see it")], [], held(a_client(1), viewers=[other]), is_admin=is_admin)
    assert (made.scopes["client"].tally.updated, made.scopes["client"].yielded) == ((1, 0) if is_ours else (0, 1))
    assert made.scopes["client"].scope.ids == [1]


def test_a_row_that_another_token_still_sees_is_not_gone() -> None:
    """I no longer see it: that is my loss, and the other one owns it now."""
    scope = Scope(False, "workspace", [1, 2], [Cohort([3], instant(0), instant(1), 9)])
    rows = held(a_client(1), a_client(2), a_client(3), scope=scope, viewers=[viewer(2, 3, rank=5)])
    made = plan([a_client(1)], [], rows)
    assert (made.scopes["client"].deletes.tombstones, made.scopes["client"].deletes.candidates) == ([], 0)
    assert made.scopes["client"].heirs == {"other": 1}
    alone = plan([a_client(1)], [], held(a_client(1), a_client(2), a_client(3), scope=scope))
    assert (alone.scopes["client"].deletes.tombstones, alone.scopes["client"].heirs) == ([3], {})


def test_what_another_token_sees_is_not_missed_yet() -> None:
    """However often it was hidden from us: we count from the day when the other sees it no longer."""
    scope = Scope(False, "workspace", [1, 2], [Cohort([3], instant(0), instant(9), 9)])
    rows = [a_client(n) for n in range(1, 30)]
    hidden = plan(
        [a_client(1), a_client(2)], [], held(*rows, scope=scope, viewers=[viewer(3, seen_at=instant(5))])
    ).scopes["client"]
    assert hidden.scope.absent == [Cohort([3], ME.began_at, ME.began_at, 0)]
    assert hidden.is_settled
    again = plan([a_client(1), a_client(2)], [], held(*rows, scope=hidden.scope, viewers=[viewer(3, seen_at=LATER)]))
    assert again.scopes["client"].scope.absent == hidden.scope.absent, "it never counts while somebody sees it"
    before = Scope(False, "workspace", [1, 2], [Cohort([3], instant(9), instant(9), 0)])
    alone = plan([a_client(1), a_client(2)], [], held(*rows, scope=before)).scopes["client"]
    assert (alone.deletes.tombstones, alone.scope.absent) == ([], [Cohort([3], ME.began_at, ME.began_at, 1)])


def test_what_another_token_saw_before_we_missed_it_counts() -> None:
    """It has only not looked since: two tokens need no more rounds than one."""
    scope = Scope(False, "workspace", [1, 2], [Cohort([3], instant(5), instant(5), 1)])
    rows = [a_client(n) for n in range(1, 30)]
    made = plan([a_client(1), a_client(2)], [], held(*rows, scope=scope, viewers=[viewer(3, seen_at=instant(4))]))
    assert made.scopes["client"].scope.absent == [Cohort([3], instant(5), ME.began_at, 2)]
    assert made.scopes["client"].deletes.tombstones == []


def test_a_row_that_turns_up_in_another_workspace_is_not_gone() -> None:
    """The API says that this never happens; if it does, nothing is buried for it."""
    scope = Scope(False, "workspace", [1], [Cohort([2], instant(0), instant(9), 9)])
    rows = held(a_client(1), a_client(2), scope=scope)
    moved = msgspec.structs.replace(ME, seen={"client": frozenset({1, 2})})
    made = plan_of(seen([a_client(1)], []), {"client": rows}, moved).plan
    assert made.scopes["client"].deletes.tombstones == []
    assert plan_of(seen([a_client(1)], []), {"client": rows}, ME).plan.scopes["client"].deletes.tombstones == [2]


def test_what_goes_out_of_sight_is_for_those_to_tell_who_missed_it() -> None:
    """Another account is behind this token now, and the row lived for the old one alone."""
    missed = Viewer("other", False, 9, frozenset({1}), [Cohort([2], instant(0), instant(9), 4)])
    rows = held(a_client(1), a_client(2), scope=Scope(False, "", [1, 2]), viewers=[missed])
    assert plan([a_client(1)], [], rows).scopes["client"].looks_again == {"other"}
    rows = held(a_client(1), a_client(2), scope=Scope(False, "workspace", [1, 2]), viewers=[missed])
    assert plan([a_client(1)], [], rows).scopes["client"].looks_again == frozenset(), "this one counts it itself"


def test_a_change_of_rights_lets_the_others_look_again() -> None:
    """An admin who no longer is one may have been the owner of all."""
    scope = Scope(True, "workspace", [1])
    made = plan([a_client(1)], [], held(a_client(1), scope=scope, viewers=[viewer(1)]))
    assert (made.scopes["client"].heirs, made.scopes["client"].scope.is_admin) == ({"other": 1}, False)


def test_an_incomplete_snapshot_buries_nothing() -> None:
    """However ripe the absences were before it: what waited for an approval waits on."""
    scope = Scope(False, "workspace", [1], [Cohort([2], instant(0), instant(9), 9)])
    whole = seen([a_client(1)], [])
    for snapshot, expected in ((whole, [2]), (doubt(whole, "rejects", whole.scopes), [])):
        made = plan_of(snapshot, {"client": held(a_client(1), a_client(2), scope=scope)}, ME).plan
        assert made.scopes["client"].deletes.tombstones == expected


def test_absences_of_rows_that_are_gone_already_are_forgotten() -> None:
    """Another token's pull buried them."""
    scope = Scope(False, "workspace", [1], [Cohort([3], instant(0), instant(1), 1)])
    rows = Held({1: stored(a_client(1)), 3: stored(a_client(3), instant(5))}, scope)
    made = plan([a_client(1)], [], rows)
    assert (made.scopes["client"].scope.absent, made.scopes["client"].is_settled) == ([], True)


def test_a_plan_is_settled_when_the_same_answers_would_change_nothing() -> None:
    """Else the digest must not stand for them."""
    scope = Scope(False, "workspace", [1, 2])
    waiting = plan([a_client(1)], [], held(a_client(1), a_client(2), scope=scope))
    assert (waiting.scopes["client"].deletes.is_waiting, waiting.is_settled) == (True, False)
    older = plan([a_client(1, at=0, name="older")], [], held(a_client(1, at=5), scope=Scope(False, "workspace", [1])))
    assert (list(older.scopes["client"].scope.regressions), older.is_settled) == (["1"], False)
    assert plan([a_client(1)], []).is_settled


def test_an_older_state_is_accepted_when_three_snapshots_agree() -> None:
    """Two later ones than the first: then the source was restored from a backup."""
    older, scope = a_client(1, at=0, name="older"), Scope(False, "workspace", [1])
    restored: list[list[int]] = []
    for _ in range(3):
        made = plan([older], [], held(a_client(1, at=5), scope=scope))
        restored.append(made.scopes["client"].tally.restored)
        scope = made.scopes["client"].scope
    assert (restored, scope.regressions) == ([[], [], [1]], {})


def test_an_older_state_that_is_applied_twice_counts_once() -> None:
    """The answer to its commit was lost, and the transaction tried again."""
    older, row = a_client(1, at=0, name="older"), a_client(1, at=5)
    scope = Scope(False, "workspace", [1], regressions={"1": Regression("0", 0)}, seen_at=NOW)
    made = plan([older], [], held(row, scope=scope))
    assert [r.count for r in made.scopes["client"].scope.regressions.values()] == [0]


def test_an_older_state_that_changes_starts_over() -> None:
    """Three different old states are no agreement."""
    scope, row = Scope(False, "workspace", [1]), a_client(1, at=5)
    for n in range(4):
        made = plan([a_client(1, at=0, name=f"older {n}")], [], held(row, scope=scope))
        scope = made.scopes["client"].scope
        assert made.scopes["client"].tally.updated == 0
        assert [r.count for r in scope.regressions.values()] == [1]
    assert isinstance(scope.regressions["1"], Regression)


def test_a_record_from_the_future_is_told() -> None:
    """It is stored all the same."""
    ahead = a_client(1, at=1_000_000 + 2 * 86_400)
    made = plan([ahead, a_client(2)], [])
    assert (made.scopes["client"].tally.from_future, made.scopes["client"].tally.inserted) == ([1], 2)


def test_doubt_takes_the_proof_and_leaves_the_records() -> None:
    """A token that sees other workspaces than before may have other rights in all of them."""
    whole = seen([a_client(1)], [])
    doubted = doubt(whole, "workspaces_changed", whole.scopes)
    assert (doubted.scopes["client"].incomplete, doubted.scopes["project"].incomplete) == (("workspaces_changed",),) * 2
    assert list(doubted.scopes["client"].records) == [1]


def test_what_the_database_refuses_is_put_aside() -> None:
    """The one record; the rest stays, and proves no absence."""
    whole = seen([a_client(1)], [a_project(5), a_project(6)])
    rest, rejects = without(
        whole, [Culprit("project", 5, "23505", "projects_pkey"), Culprit("client", 1, "23514", "c")]
    )
    assert (list(rest.scopes["client"].records), list(rest.scopes["project"].records)) == ([], [6])
    assert [(r.resource, r.key, r.reason) for r in rejects] == [
        ("client", "1", "constraint"),
        ("project", "5", "workspace_changed"),
    ]
    assert (rest.scopes["client"].incomplete, rest.scopes["project"].incomplete) == (("rejects",), ("rejects",))


def test_changes_bury_only_what_the_source_calls_deleted() -> None:
    """What was missed often enough long ago may be there again: who does not look cannot tell."""
    scope = Scope(is_admin=False, strategy="workspace", ids=[1, 3], absent=[Cohort([2], NOW, NOW, 5)])
    changes: Snapshot[Any] = Snapshot("workspace", {}, gone=frozenset({3}), is_delta=True, cursor=NOW)
    snapshot = seen([], []).but({"project": changes})
    rows = held(a_project(1), a_project(2), a_project(3), scope=scope)
    made = plan_of(snapshot, {"project": rows}, msgspec.structs.replace(ME, began_at=LATER)).plan.scopes["project"]
    assert (made.deletes.tombstones, made.scope.ids) == ([3], [1])
    assert made.scope.absent == scope.absent


def test_a_large_snapshot_goes_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same comes of it, but for the order: parents of one slice are no stubs for the next."""
    rows = [a_client(n) for n in range(1, 8)]
    seen_clients = [*rows[:3], a_client(4, name="renamed", at=5), *rows[4:], a_client(8), a_client(9)]
    parents = (8, 77, 77, 9, 78, None, 1)
    snapshot = seen(seen_clients, [a_project(n, client_id=c) for n, c in enumerate(parents, 1)])
    there: dict[Resource, Held] = {"client": held(*rows), "project": held(a_project(3))}
    whole = plan_of(snapshot, there, ME)
    monkeypatch.setattr("syncd.sync.planning.SLICE", 2)
    sliced = plan_of(snapshot, there, ME)
    assert sliced.plan == whole.plan
    assert (sliced.stubs, whole.stubs) == ([77, 78], [77, 78])
    assert [len(diffs) for diffs in sliced.diffs.values()] == [5, 4]
    assert max(len(d.inserts) + len(d.changes) + d.unchanged for diffs in sliced.diffs.values() for d in diffs) == 2
