"""What `since` tells: what changed, what was deleted, and what it misses."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from syncd.emulator.model import World
from syncd.emulator.switches import Switches
from tests.unit.emulator.caller import Caller


@pytest.fixture
def call(world: World, clock: Any) -> Caller:
    """Clients 1 and 2 with projects 1 (of client 1), 2 (archived), 3 (private), all an hour old."""
    world.create_client(1, "Acme", client_id=1)
    world.create_client(1, "Beta", client_id=2)
    world.create_project(1, "open", 1, project_id=1, is_private=False)
    world.create_project(1, "archived", 2, project_id=2, is_private=False, active=False)
    world.create_project(1, "private", 2, project_id=3)
    clock.forward(3600)
    return Caller(world)


def unix(at: datetime) -> int:
    return int(at.timestamp())


def changed(call: Caller, who: str, path: str, since: int) -> list[tuple[int, bool]]:
    """Id and whether it is told as deleted."""
    rows = call.ok(who, "GET", f"v9/{path}{'&' if '?' in path else '?'}since={since}")
    return [(row["id"], row.get("server_deleted_at") is not None) for row in rows]


LISTS = ("me/projects?include_archived=true", "workspaces/1/projects", "me/projects/paginated")


def test_since_is_inclusive_and_in_whole_seconds(call: Caller, clock: Any) -> None:
    second = unix(clock.at)
    call.world.update_client(1, notes="x")
    call.world.update_project(2, name="renamed")
    for since, expected in ((second, True), (second + 1, False)):
        assert changed(call, "ann", "me/clients", since) == [(1, False)] * expected
        for path in LISTS:
            assert changed(call, "ann", path, since) == [(2, False)] * expected


def test_deleted_rows_are_told_once_deleted_and_only_with_since(call: Caller, clock: Any) -> None:
    before = unix(clock.at)
    clock.forward(10)
    call.world.delete_client(1)
    call.world.delete_project(2)
    clock.forward(10)
    for since in (before, before + 10):  # the second of the deletion belongs to it
        assert changed(call, "ann", "me/clients", since) == [(1, True)]
        for path in (*LISTS, "me/projects"):
            assert changed(call, "bob", path, since) == [(2, True)]
    assert changed(call, "ann", "me/clients", before + 11) == []
    for path in (*LISTS, "me/projects"):
        assert changed(call, "ann", path, before + 11) == []
        assert 2 not in call.ids("ann", f"v9/{path}")
    assert call.ids("ann", "v9/me/clients") == [2]
    (row,) = call.ok("ann", "GET", f"v9/workspaces/1/projects?since={before}")
    assert (row["server_deleted_at"], row["status"]) == ("2030-01-01T13:00:10+00:00", "deleted")
    assert row["at"] == "2030-01-01T12:00:00+00:00"


def test_deleting_a_client_empties_its_projects_unseen(call: Caller, clock: Any) -> None:
    """Nor does tracked time show."""
    since = unix(clock.at)
    call.world.delete_client(1)
    call.world.track(3, 3600)
    assert changed(call, "ann", "workspaces/1/projects", since) == []
    rows = {row["id"]: row for row in call.ok("ann", "GET", "v9/workspaces/1/projects")}
    assert (rows[1]["client_id"], rows[1]["at"]) == (None, "2030-01-01T12:00:00+00:00")
    assert (rows[3]["actual_hours"], rows[3]["at"]) == (1, "2030-01-01T12:00:00+00:00")


def test_deleted_private_projects_are_told_to_those_who_saw_them(call: Caller, clock: Any) -> None:
    since = unix(clock.at)
    call.world.delete_project(3)
    assert changed(call, "ann", "me/projects", since) == [(3, True)]
    for path in LISTS:
        assert changed(call, "bob", path, since) == []
    assert changed(call, "eve", "me/projects", since) == []


def test_archiving_moves_client_and_projects(call: Caller, clock: Any) -> None:
    since = unix(clock.at)
    assert call.ok("ann", "POST", "v9/workspaces/1/clients/1/archive") == [1]
    assert changed(call, "ann", "me/clients", since) == [(1, False)]
    assert changed(call, "ann", "workspaces/1/projects", since) == [(1, False)]
    assert changed(call, "ann", "workspaces/1/projects?active=true", since) == []
    loose = Caller(call.world, switches=Switches(since_honours_filters=False))
    assert changed(loose, "ann", "workspaces/1/projects?active=true", since) == [(1, False)]
    assert changed(loose, "ann", "me/projects", since) == [(1, False)]


def test_membership_counts_as_a_change_of_the_workspace(call: Caller, clock: Any) -> None:
    since = unix(clock.at)
    assert changed(call, "bob", "me/workspaces", since) == []
    call.world.share("bob", 2)
    assert changed(call, "bob", "me/workspaces", since) == [(2, False)]
    call.world.update_workspace(1, name="Uno")
    assert changed(call, "bob", "me/workspaces", since) == [(1, False), (2, False)]


@pytest.mark.parametrize("path", ["me/clients", "me/projects", "me/projects/paginated", "me/workspaces",
                                  "workspaces/1/projects"])  # fmt: skip
def test_since_has_bounds(call: Caller, clock: Any, path: str) -> None:
    """90 days back, to the second; the future has nothing yet, or is refused."""
    clock.at = clock.at.replace(microsecond=0)
    oldest = unix(clock.at - timedelta(days=90))
    assert call("ann", "GET", f"v9/{path}?since={oldest}").status == 200
    assert call.error("ann", "GET", f"v9/{path}?since={oldest - 1}") == (400, "Since cannot be older than 3 months")
    assert changed(call, "ann", path, unix(clock.at) + 5) == []
    for wrong in ("", "x", "-1", "1.5", "99999999999999999999"):
        assert call.error("ann", "GET", f"v9/{path}?since={wrong}") == (400, "Invalid since")
    strict = Caller(call.world, switches=Switches(since_days=7, future_since_refused=True))
    for since in (unix(clock.at) + 1, unix(clock.at) - 8 * 86_400):
        assert strict("ann", "GET", f"v9/{path}?since={since}").status == 400


def test_a_row_that_comes_back_is_not_told_as_deleted(call: Caller, clock: Any) -> None:
    since = unix(clock.at)
    call.world.delete_project(1)
    call.world.create_project(1, "back", 1, project_id=1)
    call.world.delete_client(2)
    call.world.create_client(1, "back", client_id=2)
    assert changed(call, "ann", "me/clients", since) == [(2, False)]
    assert changed(call, "ann", "workspaces/1/projects", since) == [(1, False)]
