"""The calls of v9 through the socketless API: shapes, rights, what is hidden, errors."""

import json
from typing import Any

import pytest

from syncd.emulator.api import Request, basic
from syncd.emulator.model import World
from syncd.emulator.switches import Switches
from tests.unit.emulator.caller import Caller


def test_client_is_written_as_recorded(call: Caller) -> None:
    """Fields, their order, and no key for what is unset."""
    (acme,) = call.ok("bob", "GET", "v9/workspaces/1/clients")
    assert list(acme.items()) == [
        ("id", 1),
        ("wid", 1),
        ("archived", False),
        ("name", "Acme"),
        ("at", "2030-01-01T12:00:00+00:00"),
        ("creator_id", 7),
        ("notes", "n"),
    ]
    assert "notes" not in call.ok("ann", "GET", "v9/workspaces/2/clients/4")


def test_project_is_written_as_recorded(call: Caller) -> None:
    """All fields of the recordings in their order, with explicit nulls; end_date only if it is set."""
    at = "2030-01-01T12:00:00+00:00"
    assert list(call.ok("ann", "GET", "v9/workspaces/1/projects/1").items()) == [
        ("id", 1), ("workspace_id", 1), ("client_id", 1), ("name", "open"), ("is_private", False), ("active", True),
        ("at", at), ("created_at", at), ("server_deleted_at", None), ("color", "#2da608"), ("billable", False),
        ("template", None), ("auto_estimates", None), ("estimated_hours", None), ("estimated_seconds", None),
        ("rate", 60), ("rate_last_updated", None), ("currency", None), ("recurring", False), ("template_id", None),
        ("recurring_parameters", None), ("fixed_fee", None), ("actual_hours", 2), ("actual_seconds", 7300),
        ("tasks_count", None), ("can_track_time", True), ("start_date", "2030-01-01"), ("status", "active"),
        ("wid", 1), ("cid", 1), ("is_shared", False), ("pinned", False),
    ]  # fmt: skip
    loose = call.ok("ann", "GET", "v9/workspaces/1/projects/5")
    assert (loose["client_id"], loose["cid"]) == (None, None)


@pytest.mark.parametrize(
    ("who", "path", "ids"),
    [
        ("ann", "me/clients", [1, 4, 6]),
        ("bob", "me/clients", [1, 6]),
        ("eve", "me/clients", []),
        ("ann", "me/projects", [1, 3, 5]),
        ("bob", "me/projects", [1, 5]),
        ("ann", "me/projects?include_archived=true", [1, 2, 3, 5]),
        ("ann", "me/projects/paginated", [1, 2, 3, 5]),
        ("ann", "me/projects/paginated?start_project_id=2&per_page=2", [2, 3]),
        ("ann", "me/workspaces", [1, 2]),
        ("bob", "workspaces", [1]),
        ("bob", "workspaces/1/clients", [1]),
        ("bob", "workspaces/1/clients?status=archived", [6]),
        ("bob", "workspaces/1/clients?status=both", [1, 6]),
        ("bob", "workspaces/1/clients?status=both&name=GON", [6]),
        ("ann", "workspaces/1/projects", [1, 2, 3, 5]),
        ("bob", "workspaces/1/projects", [1, 2, 5]),
        ("ann", "workspaces/1/projects?active=true", [1, 3, 5]),
        ("ann", "workspaces/1/projects?active=false", [2]),
        ("ann", "workspaces/1/projects?client_ids=1,9&active=both", [1, 2, 3]),
        ("ann", "workspaces/1/projects?statuses=archived", [2]),
        ("ann", "workspaces/1/projects?name=OP", [1]),
        ("ann", "workspaces/1/projects?sort_field=name&sort_order=DESC", [3, 1, 5, 2]),
        ("ann", "workspaces/1/projects?per_page=3&page=2", [5]),
        ("ann", "workspaces/1/projects?per_page=3&page=3", []),
    ],
)
def test_lists_by_right_and_filter(call: Caller, who: str, path: str, ids: list[int]) -> None:
    assert ids == call.ids(who, f"v9/{path}")


def test_no_credentials_are_401_and_wrong_ones_403(call: Caller) -> None:
    answer = call.api.answer(Request("GET", "/api/v9/me"))
    assert (answer.status, answer.body, answer.headers) == (401, b"", {"X-Authorization-Missing": "true"})
    answer = call.api.answer(Request("GET", "/api/v9/me", basic("f" * 32)))
    assert (answer.status, isinstance(json.loads(answer.body), str)) == (403, True)


def test_a_version_that_is_switched_off(world: World) -> None:
    """v8 is gone for good; v9 is something an old server never heard of."""
    without_v8, without_v9 = Caller(world, version="v9"), Caller(world, version="v8")
    assert without_v8.error("ann", "GET", "v8/clients")[0] == 410
    assert without_v8("ann", "GET", "v9/me/clients").status == 200
    assert without_v9("ann", "GET", "v9/me/clients").status == 404
    assert without_v9("ann", "GET", "v8/clients").status == 200


def test_empty_lists_can_be_null(world: World) -> None:
    call = Caller(world, switches=Switches(null_lists=True))
    for path in ("me/clients", "me/projects", "workspaces/1/clients", "workspaces/1/projects"):
        assert call("ann", "GET", f"v9/{path}").body == b"null"


# Writes, and what the other version sees of them -------------------------------------------------------------------


def test_client_written_by_v9_is_read_by_v8_and_the_reverse(call: Caller, clock: Any) -> None:
    """One world under both: a whole life with each step seen by the other version."""
    made = call.ok("ann", "POST", "v9/workspaces/1/clients", {"name": "Neu", "notes": "n"})
    assert made["creator_id"] == call.world.user("ann").id
    old = call.ok("ann", "GET", f"v8/clients/{made['id']}")["data"]
    assert old == {"id": made["id"], "wid": 1, "name": "Neu", "notes": "n", "at": made["at"]}
    clock.forward(5)
    old = call.ok("bob", "PUT", f"v8/clients/{made['id']}", {"client": {"name": "Neuer", "hrate": 12}})["data"]
    new = call.ok("bob", "GET", f"v9/workspaces/1/clients/{made['id']}")
    assert (new["name"], new["at"]) == ("Neuer", old["at"] == new["at"] and "2030-01-01T12:00:05+00:00")
    call.ok("ann", "PUT", f"v9/workspaces/1/clients/{made['id']}", {"notes": ""})
    assert "notes" not in call.ok("ann", "GET", f"v8/clients/{made['id']}")["data"]
    assert call.ok("ann", "GET", f"v8/clients/{made['id']}")["data"]["hrate"] == 12
    answer = call("ann", "DELETE", f"v9/workspaces/1/clients/{made['id']}")
    assert answer.body == str(made["id"]).encode()
    assert call("ann", "GET", f"v8/clients/{made['id']}").status == 404
    old = call.ok("ann", "POST", "v8/clients", {"client": {"name": "Alt", "wid": 1}})["data"]
    assert call.ok("ann", "GET", f"v9/workspaces/1/clients/{old['id']}")["name"] == "Alt"
    assert call("ann", "DELETE", f"v8/clients/{old['id']}").status == 200
    assert call.error("ann", "GET", f"v9/workspaces/1/clients/{old['id']}") == (
        404,
        f"No client with ID {old['id']} was found",
    )


def test_project_written_by_v9_is_read_by_v8_and_the_reverse(call: Caller) -> None:
    sent = {
        "name": "Neu", "active": True, "cid": 1, "color": "#d94182", "is_private": False, "start_date": "2029-12-01",
        "end_date": "2029-12-31", "billable": True, "auto_estimates": False, "estimated_hours": 3, "rate": 9.5,
        "currency": "eur", "fixed_fee": 100, "recurring": True, "template": False, "template_id": 4,
        "recurring_parameters": {"period": "weekly", "project_start_date": "2029-12-01"},
    }  # fmt: skip
    made = call.ok("ann", "POST", "v9/workspaces/1/projects", sent)
    shown = {**sent, "estimated_seconds": 10800, "currency": "EUR", "client_id": 1, "workspace_id": 1,
             "recurring_parameters": [sent["recurring_parameters"]]}  # fmt: skip
    assert shown.items() <= {**made, "fixed_fee": float(made["fixed_fee"])}.items()
    assert not {"status"} & made.keys()
    assert call.ok("ann", "GET", f"v9/workspaces/1/projects/{made['id']}") == {**made, "status": "ended"}
    old = call.ok("ann", "GET", f"v8/projects/{made['id']}")["data"]
    assert (old["color"], old["rate"], old["estimated_hours"], old["cid"]) == ("2", 9.5, 3, 1)
    fields = {"name": "Alt", "wid": 1, "cid": 1, "color": "4", "is_private": False}
    old = call.ok("ann", "POST", "v8/projects", {"project": fields})["data"]
    new = call.ok("bob", "GET", f"v9/workspaces/1/projects/{old['id']}")
    assert (new["color"], new["client_id"], new["status"]) == ("#bf7000", 1, "active")
    call.ok("ann", "PUT", f"v8/projects/{old['id']}", {"project": {"active": False}})
    assert call.ok("ann", "GET", f"v9/workspaces/1/projects/{old['id']}")["status"] == "archived"
    answer = call("ann", "DELETE", f"v9/workspaces/1/projects/{old['id']}?teDeletionMode=unassign")
    assert answer.body == str(old["id"]).encode()
    assert call("ann", "GET", f"v8/projects/{old['id']}").status == 404


def test_created_without_active_a_project_is_archived(call: Caller) -> None:
    made = call.ok("ann", "POST", "v9/workspaces/1/projects", {"name": "x", "client_name": "Fresh"})
    assert (made["active"], made["is_private"], "end_date" in made) == (False, True, False)
    assert call.world.client(made["client_id"]).name == "Fresh"
    assert call.ok("ann", "POST", "v9/workspaces/1/projects", {"name": "y", "client_name": "Acme"})["client_id"] == 1


def test_null_counts_as_left_out(call: Caller) -> None:
    sent = {"name": "x", "active": True, "billable": None, "rate": None, "color": None, "client_id": None}
    made = call.ok("ann", "POST", "v9/workspaces/1/projects", sent)
    changed = call.ok("ann", "PUT", f"v9/workspaces/1/projects/{made['id']}", {"name": None, "active": False})
    assert (made["color"], changed["name"], changed["active"]) == ("#0b83d9", "x", False)


def test_update_changes_what_was_sent_and_null_takes_the_client_away(call: Caller, clock: Any) -> None:
    before = call.ok("ann", "GET", "v9/workspaces/1/projects/1")
    clock.forward(1)
    after = call.ok("ann", "PUT", "v9/workspaces/1/projects/1", {"client_id": None, "rate": 61})
    at = "2030-01-01T12:00:01+00:00"
    assert after == {**before, "client_id": None, "cid": None, "rate": 61, "rate_last_updated": at, "at": at}


def test_status_follows_the_day_without_a_write(call: Caller, clock: Any) -> None:
    dates = {"name": "x", "active": True, "start_date": "2030-01-02", "end_date": "2030-01-02"}
    made = call.ok("ann", "POST", "v9/workspaces/1/projects", dates)
    seen = []
    for _ in range(3):
        (row,) = call.ok("ann", "GET", "v9/workspaces/1/projects?name=x")
        assert row in call.ok("ann", "GET", "v9/me/projects")
        seen.append((row["status"], row["at"] == made["at"]))
        clock.forward(86_400)
    assert seen == [("upcoming", True), ("active", True), ("ended", True)]


def test_client_is_archived_with_its_projects_and_restored_with_some(call: Caller, clock: Any) -> None:
    clock.forward(1)
    path = "v9/workspaces/1/clients/1"
    assert call.ok("ann", "POST", f"{path}/archive") == [1, 3]
    assert call.ok("ann", "POST", f"{path}/archive") == []
    assert call.ids("ann", "v9/workspaces/1/clients") == []
    assert call.ids("ann", "v9/workspaces/1/projects?active=true") == [5]
    assert call.error("ann", "POST", f"{path}/restore", {"projects": [5]}) == (
        400,
        "Project with the ID 5 isn't present in client 1",
    )
    restored = call.ok("ann", "POST", f"{path}/restore", {"projects": [3]})
    assert (restored["archived"], restored["at"]) == (False, "2030-01-01T12:00:01+00:00")
    assert call.ids("ann", "v9/workspaces/1/projects?active=true") == [3, 5]
    call.ok("ann", "POST", f"{path}/restore", {"restore_all_projects": True})
    assert call.ids("ann", "v9/workspaces/1/projects?active=true") == [1, 2, 3, 5]
    assert call.ok("ann", "POST", f"{path}/restore")["archived"] is False


def test_clients_by_their_ids(call: Caller) -> None:
    """Those of other workspaces are left out."""
    assert [row["id"] for row in call.ok("ann", "POST", "v9/workspaces/1/clients/data", [6, 1, 4, 99])] == [1, 6]


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "error"),
    [
        ("bob", "GET", "workspaces/2", None, (403, "Missing or invalid workspace_id")),
        ("ann", "GET", "workspaces/9", None, (404, "Workspace not found")),
        ("ann", "GET", "workspaces/x", None, (404, "Workspace not found")),
        ("ann", "GET", "workspaces/9/clients", None, (403, "Missing or invalid workspace_id")),
        ("bob", "GET", "workspaces/2/projects", None, (403, "Missing or invalid workspace_id")),
        ("bob", "GET", "workspaces/2/clients/4", None, (403, "Missing or invalid workspace_id")),
        ("ann", "GET", "workspaces/1/clients/4", None, (404, "No client with ID 4 was found")),
        ("ann", "GET", "workspaces/1/clients/x", None, (404, "No client with ID x was found")),
        ("ann", "GET", "workspaces/1/clients?status=all", None, (400, "Client status is invalid")),
        ("ann", "GET", "workspaces/1/projects?active=all", None, (400, "Invalid active")),
        ("ann", "GET", "workspaces/1/projects?page=0", None, (400, "Invalid page")),
        ("ann", "GET", "workspaces/1/projects?page=1&page=2", None, (400, "Invalid page")),
        ("ann", "GET", "workspaces/1/projects?client_ids=1,x", None, (400, "Invalid client_ids")),
        ("ann", "GET", "me/projects?include_archived=yes", None, (400, "Invalid include_archived")),
        ("ann", "GET", "workspaces/1/projects/x", None, (400, "Invalid project_id")),
        ("ann", "GET", "workspaces/2/projects/1", None, (404, "No project with ID 1 was found")),
        ("bob", "GET", "workspaces/1/projects/3", None, (403, "User does not have access to this resource.")),
        ("bob", "PUT", "workspaces/1/projects/3", {}, (403, "User does not have access to this resource.")),
        ("bob", "DELETE", "workspaces/1/projects/1", None, (403, "User does not have access to this resource.")),
        ("bob", "DELETE", "workspaces/1/clients/1", None, (403, "User does not have access to this resource.")),
        ("ann", "DELETE", "workspaces/1/projects/1?teDeletionMode=x", None, (400, "Invalid teDeletionMode")),
        ("ann", "POST", "workspaces/1/clients", {}, (400, "Name can't be blank")),
        ("ann", "POST", "workspaces/1/clients", {"name": "Acme"}, (400, "Name has already been taken")),
        ("ann", "POST", "workspaces/1/clients", {"name": "x", "wid": 2}, (400, "Workspace can't be changed")),
        ("ann", "POST", "workspaces/1/projects", {"client_name": "New"}, (400, "Name can't be blank")),
        ("ann", "POST", "workspaces/1/projects", {"name": "x", "color": "5"}, (400, "Color must be #rrggbb")),
        ("ann", "POST", "workspaces/1/projects", {"name": "open", "cid": 1}, (400, "Name has already been taken")),
        ("ann", "POST", "workspaces/1/projects", {"name": "x", "end_date": "2029-01-01"},
         (400, "End date is before start date")),
        ("ann", "POST", "workspaces/1/projects", {"name": "x", "client_id": 4},
         (400, "Client with the ID 4 isn't present in workspace 1")),
        ("ann", "POST", "workspaces/2/projects", {"name": "x", "billable": True},
         (402, "This feature is not part of the plan of this workspace.")),
        ("ann", "POST", "workspaces/2/clients/4/archive", None,
         (402, "This feature is not part of the plan of this workspace.")),
        ("ann", "GET", "workspaces/1/tasks", None, (404, "Not found")),
        ("ann", "PATCH", "workspaces/1/clients", None, (405, "Method not allowed")),
    ],
)  # fmt: skip
def test_errors_are_strings_and_change_nothing(
    call: Caller, who: str, method: str, path: str, body: object, error: tuple[int, str]
) -> None:
    before = dict(call.world.clients), dict(call.world.projects)
    assert call.error(who, method, f"v9/{path}", body) == error
    assert (call.world.clients, call.world.projects) == before


def test_members_may_not_create_where_only_admins_may(call: Caller) -> None:
    call.world.update_workspace(1, only_admins_may_create_projects=True)
    assert call.error("bob", "POST", "v9/workspaces/1/clients", {"name": "x"})[0] == 403
    assert call.error("bob", "POST", "v9/workspaces/1/projects", {"name": "x"}) == (
        403,
        "Only admins may create projects in this workspace",
    )


def test_rates_are_for_those_who_may_see_them(call: Caller) -> None:
    """Not for members where the workspace says so; for nobody outside premium workspaces."""
    call.world.update_project(1, fixed_fee=5.0, currency="EUR", estimated_seconds=7200)
    call.world.update_workspace(1, only_admins_see_billable_rates=True)
    path = "v9/workspaces/1/projects?project_ids=1"
    fields = ("rate", "fixed_fee", "currency", "estimated_hours")
    assert [call.ok("ann", "GET", path)[0][field] for field in fields] == [60, 5, "EUR", 2]
    assert [call.ok("bob", "GET", path)[0][field] for field in fields] == [None, None, "EUR", 2]
    call.world.update_workspace(1, premium=False)
    assert [call.ok("ann", "GET", path)[0][field] for field in fields] == [None] * 4
