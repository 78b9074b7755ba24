"""From a workspace's snapshot to the plan of one transaction."""

from typing import Any

from syncd.plan import StoredScope, WorkspacePlan
from syncd.records import Snapshot, Workspace, WorkspaceSnapshot
from syncd.sync.planning import plan_workspace
from tests.model import a_client, a_project, instant, stored

NOW = instant(1_000_000)


def plan(
    clients: list[Any], projects: list[Any], client_rows: dict[int, Any] | None = None, **foreign: frozenset[int]
) -> WorkspacePlan:
    snapshot = WorkspaceSnapshot(
        Workspace(1, "One"),
        Snapshot("workspace", {c.id: c for c in clients}),
        Snapshot("workspace", {p.id: p for p in projects}),
    )
    held = StoredScope[Any](client_rows or {}, None, foreign.get("client_ids", frozenset()))
    return plan_workspace(snapshot, held, StoredScope({}, None, foreign.get("project_ids", frozenset())), NOW)


def test_an_unseen_parent_becomes_a_stub() -> None:
    """Once, however many projects name it; a parent that is seen or stored is none."""
    projects = [a_project(n, client_id=c) for n, c in ((1, 7), (2, 7), (3, 8), (4, 9), (5, None))]
    assert plan([a_client(8)], projects, {9: stored(a_client(9))}).stub_clients == [7]


def test_nothing_to_do_writes_no_rows() -> None:
    """The scopes are still to be noted."""
    assert not plan([a_client(1)], [], {1: stored(a_client(1))}).writes_rows
    assert plan([a_client(1)], []).writes_rows
    assert plan([], [a_project(1)]).writes_rows


def test_a_record_that_lives_in_another_workspace_is_put_aside() -> None:
    """A workspace never changes, says the API; its neighbours are written, and no absence is proven."""
    made = plan([a_client(1), a_client(2)], [a_project(5)], client_ids=frozenset({2}), project_ids=frozenset({5}))
    assert [r.id for r in made.clients.diff.inserts] == [1]
    assert [(r.resource, r.key, r.reason) for r in made.rejects] == [
        ("client", "2", "workspace_changed"),
        ("project", "5", "workspace_changed"),
    ]
    assert (made.clients.incomplete, made.projects.incomplete) == (("rejects",), ("rejects",))
