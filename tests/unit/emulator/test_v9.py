"""The calls of v9 through the socketless API: shapes, rights, what is hidden, errors."""

import json
from typing import Any

import pytest

from syncd.emulator.api import Api, Request, basic
from syncd.emulator.dialect import Answer
from syncd.emulator.model import World
from syncd.emulator.switches import Switches


class Caller:
    """Sends requests as a named user."""

    def __init__(self, world: World, **options: Any) -> None:
        self.world = world
        self.api = Api(world, **options)

    def __call__(self, who: str, method: str, path: str, body: object = None) -> Answer:
        sent = b"" if body is None else json.dumps(body).encode()
        return self.api.answer(Request(method, f"/api/{path}", basic(self.world.user(who).token), sent))

    def ok(self, who: str, method: str, path: str, body: object = None) -> Any:
        """The answer's content; it must be 200."""
        answer = self(who, method, path, body)
        assert (answer.status, answer.content_type) == (200, "application/json; charset=utf-8"), answer.body
        return json.loads(answer.body)

    def ids(self, who: str, path: str) -> list[int]:
        return [row["id"] for row in self.ok(who, "GET", path)]

    def error(self, who: str, method: str, path: str, body: object = None) -> tuple[int, str]:
        answer = self(who, method, path, body)
        message = json.loads(answer.body)
        assert isinstance(message, str)
        return answer.status, message


@pytest.fixture
def call(world: World) -> Caller:
    """In workspace 1: client 1 with projects 1, 2 (archived), 3 (private), a loose project 5; client 6, archived.
    Client 4 is in workspace 2."""
    world.create_client(1, "Acme", "n", 12.0, "AUD", client_id=1, creator_id=7)
    world.create_project(1, "open", 1, project_id=1, is_private=False, rate=60.0, color="5", actual_seconds=7300)
    world.create_project(1, "archived", 1, project_id=2, is_private=False, active=False)
    world.create_project(1, "private", 1, project_id=3)
    world.create_project(1, "loose", project_id=5, is_private=False)
    world.create_client(1, "Gone", client_id=6)
    world.archive_client(6)
    world.create_client(2, "Beta", client_id=4)
    return Caller(world)


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
