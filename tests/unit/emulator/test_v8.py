"""The calls of v8 without a socket: rights, visibility, errors, and pages that are rendered once."""

import json
from typing import Any

import pytest

from syncd.emulator.dialect import Answer, Ask
from syncd.emulator.model import World
from syncd.emulator.v8 import V8


class Caller:
    """Sends requests to a dialect as a named user."""

    def __init__(self, world: World, **options: Any) -> None:
        self.world = world
        self.dialect = V8(world, **options)

    def __call__(self, who: str, method: str, path: str, body: object = None) -> Answer:
        path, _, query = path.partition("?")
        route, key = self.dialect.find("/api/v8" + path)
        assert route is not None
        sent = b"" if body is None else json.dumps(body).encode()
        return route.calls[method](Ask(self.world.user(who), key, query, "application/json", sent))

    def rows(self, who: str, path: str) -> list[dict[str, Any]]:
        answer = self(who, "GET", path)
        assert answer.status == 200
        rows: list[dict[str, Any]] = json.loads(answer.body)
        return rows


@pytest.fixture
def call(world: World) -> Caller:
    """Client 1 with three projects (2 archived, 3 private) in workspace 1, client 4 in workspace 2."""
    world.create_client(1, "Acme", "n", 12.0, "AUD", client_id=1)
    world.create_project(1, "open", 1, project_id=1, is_private=False, rate=60.0)
    world.create_project(1, "archived", 1, project_id=2, is_private=False, active=False)
    world.create_project(1, "private", 1, project_id=3)
    world.create_project(1, "loose", project_id=5, is_private=False)
    world.create_client(2, "Beta", client_id=4)
    return Caller(world)


@pytest.mark.parametrize(
    "path",
    ["/api/v8", "/api/v8/", "/api/v8/clients/", "/api/v8/clients/1/", "/api/v8/clients/1/projects/", "/api/v8/me",
     "/api/v8/clients/1/clients", "/api/v8/clients/1/projects/2", "/api/v8/projects/", "/api/v8/workspaces//clients"],
)  # fmt: skip
def test_unknown_path_has_no_route(call: Caller, path: str) -> None:
    route, _ = call.dialect.find(path)
    assert route is None


@pytest.mark.parametrize(
    ("path", "template", "key"),
    [
        ("/clients", "/clients", ""),
        ("/clients/7", "/clients/{client_id}", "7"),
        ("/clients/x/projects", "/clients/{client_id}/projects", "x"),
        ("/projects", "/projects", ""),
        ("/projects/7", "/projects/{project_id}", "7"),
        ("/workspaces", "/workspaces", ""),
        ("/workspaces/7", "/workspaces/{wid}", "7"),
        ("/workspaces/7/clients", "/workspaces/{wid}/clients", "7"),
        ("/workspaces/7/projects", "/workspaces/{wid}/projects", "7"),
    ],
)
def test_each_path_has_its_route(call: Caller, path: str, template: str, key: str) -> None:
    route, found = call.dialect.find("/api/v8" + path)
    assert route is not None
    assert ("/api/v8" + template, key) == (route.template, found)


def test_clients_of_all_workspaces_of_the_user_and_no_others(call: Caller) -> None:
    assert [row["id"] for row in call.rows("ann", "/clients")] == [1, 4]
    assert [row["id"] for row in call.rows("bob", "/clients")] == [1]
    assert call.rows("eve", "/clients") == []


@pytest.mark.parametrize(
    ("who", "path", "ids"),
    [
        ("ann", "/clients/1/projects", [1, 3]),
        ("ann", "/clients/1/projects?active=true", [1, 3]),
        ("ann", "/clients/1/projects?active=false", [2]),
        ("ann", "/clients/1/projects?active=both", [1, 2, 3]),
        ("bob", "/clients/1/projects", [1]),
        ("bob", "/clients/1/projects?active=both", [1, 2]),
        ("ann", "/workspaces/1/projects", [1, 3, 5]),
        ("ann", "/workspaces/1/projects?active=false", [2]),
        ("ann", "/workspaces/1/projects?active=both", [1, 2, 3, 5]),
        ("ann", "/clients/4/projects?active=both", []),
    ],
)
def test_projects_by_active_and_by_right(call: Caller, who: str, path: str, ids: list[int]) -> None:
    """Members see no private projects; the listing of a client has only its own."""
    assert ids == [row["id"] for row in call.rows(who, path)]


def test_workspaces_say_whether_one_is_admin(call: Caller) -> None:
    assert [(row["id"], row["admin"]) for row in call.rows("ann", "/workspaces")] == [(1, True), (2, True)]
    assert [(row["id"], row["admin"]) for row in call.rows("bob", "/workspaces")] == [(1, False)]


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "status"),
    [
        ("bob", "GET", "/workspaces/1/clients", None, 403),
        ("bob", "GET", "/workspaces/1/projects", None, 403),
        ("bob", "GET", "/workspaces/1", None, 200),
        ("bob", "GET", "/workspaces/2", None, 403),
        ("bob", "GET", "/clients/1", None, 200),
        ("bob", "GET", "/clients/4", None, 403),
        ("bob", "GET", "/clients/4/projects", None, 403),
        ("bob", "PUT", "/clients/1", {"client": {"notes": "x"}}, 200),
        ("bob", "PUT", "/clients/4", {"client": {"notes": "x"}}, 403),
        ("bob", "DELETE", "/clients/1", None, 403),
        ("bob", "DELETE", "/clients/4", None, 403),
        ("bob", "POST", "/clients", {"client": {"name": "x", "wid": 1}}, 200),
        ("bob", "POST", "/clients", {"client": {"name": "x", "wid": 2}}, 403),
        ("bob", "POST", "/clients", {"client": {"name": "x", "wid": 9}}, 403),
        ("ann", "GET", "/workspaces/9", None, 404),
        ("ann", "GET", "/workspaces/9/clients", None, 404),
        ("ann", "GET", "/clients/9", None, 404),
        ("ann", "GET", "/clients/9/projects", None, 404),
        ("ann", "PUT", "/clients/9", {"client": {}}, 404),
        ("ann", "DELETE", "/clients/9", None, 404),
        ("ann", "DELETE", "/clients/1", None, 200),
        ("ann", "GET", "/clients/x", None, 400),
        ("ann", "GET", "/workspaces/0", None, 400),
        ("bob", "GET", "/projects/3", None, 403),
        ("bob", "PUT", "/projects/3", {"project": {}}, 403),
        ("bob", "PUT", "/projects/1", {"project": {"name": "x"}}, 200),
        ("bob", "DELETE", "/projects/1", None, 403),
        ("bob", "POST", "/projects", {"project": {"name": "x", "wid": 2}}, 403),
        ("ann", "POST", "/projects", {"project": {"wid": 1}}, 404),
        ("ann", "POST", "/projects", {"project": {"name": "x"}}, 404),
        ("ann", "POST", "/projects", {"project": {"name": "open", "wid": 1, "cid": 1}}, 404),
        ("ann", "POST", "/projects", {"project": {"name": "x", "wid": 1, "cid": 4}}, 404),
        ("ann", "POST", "/projects", {"project": {"name": "x", "wid": 1, "color": "15"}}, 400),
        ("ann", "PUT", "/projects/1", {"project": {"wid": 2}}, 404),
        ("ann", "PUT", "/projects/9", {"project": {}}, 404),
        ("ann", "DELETE", "/projects/1,9", None, 404),
        ("ann", "DELETE", "/projects/1,", None, 400),
        ("ann", "GET", "/clients/1/projects?active=all", None, 400),
        ("ann", "GET", "/workspaces/1/projects?active=all", None, 400),
    ],
)
def test_rights_and_unknown_rows(call: Caller, who: str, method: str, path: str, body: object, status: int) -> None:
    """Every error is an array of sentences, and a refused call changes nothing."""
    before = dict(call.world.clients), dict(call.world.projects)
    answer = call(who, method, path, body)
    assert status == answer.status
    if status != 200:
        (message,) = json.loads(answer.body)
        assert message
        assert before == (call.world.clients, call.world.projects)


def test_members_may_not_write_where_only_admins_create(call: Caller) -> None:
    call.world.update_workspace(1, only_admins_may_create_projects=True)
    for method, path, body in (
        ("POST", "/clients", {"client": {"name": "x", "wid": 1}}),
        ("PUT", "/clients/1", {"client": {"notes": "x"}}),
    ):
        assert call("bob", method, path, body).status == 403
        assert call("ann", method, path, body).status == 200


def test_rates_are_for_admins_where_the_workspace_says_so(call: Caller) -> None:
    """Two users see different content of one row with one `at`."""
    call.world.update_workspace(1, only_admins_see_billable_rates=True)
    assert (call.rows("ann", "/clients")[0]["hrate"], call.rows("ann", "/clients")[0]["cur"]) == (12, "AUD")
    assert not {"hrate", "cur"} & call.rows("bob", "/clients")[0].keys()
    assert call.rows("ann", "/clients/1/projects")[0]["rate"] == 60
    assert "rate" not in call.rows("bob", "/clients/1/projects")[0]


def test_rates_vanish_when_a_workspace_is_no_longer_premium(call: Caller) -> None:
    assert {"hrate", "cur"} <= call.rows("ann", "/clients")[0].keys()
    call.world.update_workspace(1, premium=False)
    for path in ("/clients", "/workspaces/1/clients"):
        assert not {"hrate", "cur"} & call.rows("ann", path)[0].keys()
    assert "rate" not in call.rows("ann", "/clients/1/projects")[0]


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({"wid": 1}, ["Name can't be blank"]),
        ({"name": "", "wid": 1}, ["Name can't be blank"]),
        ({"name": "x"}, ["Workspace can't be blank"]),
        ({}, ["Name can't be blank", "Workspace can't be blank"]),
        ({"name": "Acme", "wid": 1}, ["Name has already been taken"]),
    ],
)
def test_refused_create_is_404_with_messages(call: Caller, body: object, messages: list[str]) -> None:
    answer = call("ann", "POST", "/clients", {"client": body})
    assert (404, messages) == (answer.status, json.loads(answer.body))


def test_wid_cannot_be_changed_but_may_be_repeated(call: Caller) -> None:
    answer = call("ann", "PUT", "/clients/1", {"client": {"wid": 2, "name": "moved"}})
    assert (answer.status, json.loads(answer.body)) == (404, ["Workspace can't be changed"])
    assert call.world.client(1).name == "Acme"
    assert call("ann", "PUT", "/clients/1", {"client": {"wid": 1, "name": "moved"}}).status == 200


def test_body_that_is_not_called_json_is_415(call: Caller) -> None:
    route, key = call.dialect.find("/api/v8/clients")
    assert route is not None
    ask = Ask(call.world.user("ann"), key, "", "text/plain", b'{"client":{"name":"x","wid":1}}')
    assert route.calls["POST"](ask).status == 415


def test_lists_are_rendered_once_until_something_in_them_changes(call: Caller) -> None:
    """The very same bytes are served until a write to a workspace of the list, a membership or a setting."""
    paths = ("/clients", "/workspaces", "/workspaces/1/clients", "/workspaces/1/projects", "/clients/1/projects")
    kept = {path: call("ann", "GET", path) for path in paths}
    for path in paths:
        assert kept[path] is call("ann", "GET", path)
    call.world.create_client(1, "New")
    for path in paths:
        assert kept[path] is not call("ann", "GET", path)
    kept = {path: call("ann", "GET", path) for path in paths}
    call.world.create_client(2, "Elsewhere")
    assert kept["/workspaces/1/clients"] is call("ann", "GET", "/workspaces/1/clients")
    assert kept["/clients"] is not call("ann", "GET", "/clients")


def test_each_list_is_kept_apart_from_its_neighbours(call: Caller) -> None:
    """One after the other, in one world: no page is served in place of another."""
    expected = {
        "/clients/1/projects?active=both": [1, 2, 3],
        "/clients/1/projects?active=false": [2],
        "/clients/1/projects": [1, 3],
        "/clients/6/projects": [7],
        "/workspaces/1/projects": [1, 3, 5, 7],
        "/workspaces/1/clients": [1, 6],
        "/workspaces/2/clients": [4],
        "/clients": [1, 4, 6],
        "/workspaces": [1, 2],
    }
    call.world.create_client(1, "Gamma", client_id=6)
    call.world.create_project(1, "of Gamma", 6, project_id=7)
    for _ in range(2):
        found = {path: [row["id"] for row in call.rows("ann", path)] for path in expected}
        assert {path: sorted(ids) for path, ids in found.items()} == expected


def test_rights_taken_away_show_at_once(call: Caller) -> None:
    """No page outlives the membership it was rendered for."""
    assert [row["id"] for row in call.rows("bob", "/clients")] == [1]
    call.world.unshare("bob", 1)
    assert [] == call.rows("bob", "/clients") == call.rows("bob", "/workspaces")
    call.world.share("bob", 1, admin=True)
    assert call.rows("bob", "/workspaces")[0]["admin"] is True
    assert [row["id"] for row in call.rows("bob", "/clients/1/projects")] == [1, 3]
    call.world.share("bob", 1)
    assert call.rows("bob", "/workspaces")[0]["admin"] is False
    assert [row["id"] for row in call.rows("bob", "/clients/1/projects")] == [1]


def test_empty_lists_can_be_null(world: World) -> None:
    """As the API was seen to write them; a list with rows is a list all the same."""
    call = Caller(world, null_lists=True)
    for path in ("/clients", "/workspaces/1/clients", "/workspaces/1/projects"):
        assert call("ann", "GET", path).body == b"null"
    assert call("eve", "GET", "/workspaces").body == b"null"
    client = world.create_client(1, "Acme")
    assert call("ann", "GET", f"/clients/{client.id}/projects").body == b"null"
    assert [client.id] == [row["id"] for row in call.rows("ann", "/clients")]


def test_project_is_created_with_the_defaults_and_several_are_deleted_at_once(call: Caller) -> None:
    """Active, private, billable where the workspace is premium."""
    answer = call("ann", "POST", "/projects", {"project": {"name": "x", "wid": 1, "estimated_hours": 2, "id": 7}})
    made = json.loads(answer.body)["data"]
    assert {
        "wid": 1,
        "active": True,
        "is_private": True,
        "billable": True,
        "estimated_hours": 2,
    }.items() <= made.items()
    plain = json.loads(call("ann", "POST", "/projects", {"project": {"name": "x", "wid": 2}}).body)["data"]
    assert plain["billable"] is False
    assert call("ann", "DELETE", f"/projects/1,{made['id']},1").status == 200
    assert [row["id"] for row in call.rows("ann", "/workspaces/1/projects?active=both")] == [2, 3, 5]
