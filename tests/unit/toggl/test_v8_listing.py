"""Which requests a pull makes, whatever a v8 server offers or refuses."""

import pytest

from syncd.errors import ContractChanged, TokenRejected
from syncd.records import Workspace
from syncd.toggl import v8
from syncd.toggl.dialect import Cost, ListingPlan, Request
from tests.unit.toggl.answers import answer, client, drive, project, refused

HERE = Workspace(1, None)
WORKSPACES = "/api/v8/workspaces"
CLIENTS = "/api/v8/clients"
WORLD = {
    WORKSPACES: [{"id": 1, "name": "One"}, {"id": 2, "name": "Two"}],
    CLIENTS: [client(11), client(12), client(21, wid=2)],
    "/api/v8/workspaces/1/projects": [project(111, cid=11), project(110)],
    "/api/v8/workspaces/2/projects": [],
    "/api/v8/clients/11/projects": [project(111, cid=11)],
    "/api/v8/clients/12/projects": None,
    "/api/v8/clients/21/projects": [],
}


def test_auto_lists_projects_by_workspace() -> None:
    """Two requests and one per workspace, whatever the number of clients."""
    fetched, asked = drive(v8.listing(ListingPlan()), WORLD)
    assert asked == [WORKSPACES, CLIENTS, "/api/v8/workspaces/1/projects", "/api/v8/workspaces/2/projects"]
    assert {w: p.strategy for w, p in fetched.projects.items()} == {1: "workspace", 2: "workspace"}


def test_projects_are_asked_for_active_and_archived() -> None:
    """The default is active only: archived projects would look deleted."""
    assert v8.workspace_projects(1).query == (("active", "both"),)
    assert v8.client_projects(1).query == (("active", "both"),)


def test_a_client_that_is_listed_as_deleted_is_not_asked_for_its_projects() -> None:
    """The answer would be a refusal, for as long as it is listed, and doubt all projects of the workspace."""
    gone = client(12, server_deleted_at="2024-05-02T10:00:00+00:00")
    fetched, asked = drive(v8.listing(ListingPlan("client")), {**WORLD, CLIENTS: [client(11), gone, client(21, wid=2)]})
    assert asked[2:] == ["/api/v8/clients/11/projects", "/api/v8/clients/21/projects"]
    assert [s.scopes["project"].incomplete for s in v8.decode(fetched).workspaces] == [(), ()]


@pytest.mark.parametrize("http_status", [403, 404, 405])
def test_auto_falls_back_to_clients_where_the_workspace_listing_is_refused(http_status: int) -> None:
    """Per workspace: the other one keeps its cheaper listing."""
    path = "/api/v8/workspaces/1/projects"
    fetched, asked = drive(v8.listing(ListingPlan()), {**WORLD, path: refused(path, http_status)})
    assert asked[-2:] == ["/api/v8/clients/11/projects", "/api/v8/clients/12/projects"]
    assert {w: p.strategy for w, p in fetched.projects.items()} == {1: "client", 2: "workspace"}


def test_auto_remembers_a_refusal() -> None:
    """What was refused last time is not asked again until everything is compared anew."""
    _, asked = drive(v8.listing(ListingPlan(remembered={1: "client"})), WORLD)
    assert "/api/v8/workspaces/1/projects" not in asked
    assert "/api/v8/workspaces/2/projects" in asked


def test_an_admin_asks_again_for_what_was_refused_to_a_member() -> None:
    """The listing by client will never show what has no client, and an admin may have the other one."""
    promoted = {**WORLD, WORKSPACES: [{"id": 1, "name": "One", "admin": True}, {"id": 2, "name": "Two"}]}
    fetched, asked = drive(v8.listing(ListingPlan(remembered={1: "client", 2: "client"})), promoted)
    assert "/api/v8/workspaces/1/projects" in asked
    assert {w: p.strategy for w, p in fetched.projects.items()} == {1: "workspace", 2: "client"}


def test_strategy_client_makes_one_request_per_client() -> None:
    """The documented endpoint of the Clients API."""
    fetched, asked = drive(v8.listing(ListingPlan("client")), WORLD)
    assert asked[2:] == [f"/api/v8/clients/{n}/projects" for n in (11, 12, 21)]
    assert [len(fetched.projects[w].answers) for w in (1, 2)] == [2, 1]


def test_strategy_workspace_does_not_fall_back() -> None:
    """Configured is configured; the verdict tells the reason."""
    path = "/api/v8/workspaces/1/projects"
    fetched, asked = drive(v8.listing(ListingPlan("workspace")), {**WORLD, path: refused(path, 403)})
    assert not [p for p in asked if p.startswith("/api/v8/clients/")]
    assert v8.decode(fetched).workspaces[0].scopes["project"].incomplete == ("http_403",)


def test_a_server_without_workspaces_is_known_by_its_clients() -> None:
    """Their `wid` tells the workspaces; each becomes one without a name."""
    world = {path: rows for path, rows in WORLD.items() if path != WORKSPACES}
    fetched, _ = drive(v8.listing(ListingPlan()), world)
    assert list(fetched.projects) == [1, 2]
    assert [w.workspace.name for w in v8.decode(fetched).workspaces] == [None, None]


def test_a_server_without_the_list_of_all_clients_is_asked_by_workspace() -> None:
    """The documentation points to it for "workspace clients"."""
    world = {path: rows for path, rows in WORLD.items() if path != CLIENTS}
    world |= {"/api/v8/workspaces/1/clients": [client(11)], "/api/v8/workspaces/2/clients": [client(21, wid=2)]}
    fetched, _ = drive(v8.listing(ListingPlan()), world)
    assert [sorted(w.scopes["client"].records) for w in v8.decode(fetched).workspaces] == [[11], [21]]


def test_only_configured_workspaces_are_listed() -> None:
    """The rest costs no request and reaches no table."""
    fetched, asked = drive(v8.listing(ListingPlan(only=frozenset({2}))), WORLD)
    assert asked == [WORKSPACES, CLIENTS, "/api/v8/workspaces/2/projects"]
    assert [w.workspace.id for w in v8.decode(fetched).workspaces] == [2]


@pytest.mark.parametrize("http_status", [401, 403])
@pytest.mark.parametrize("path", [WORKSPACES, CLIENTS])
def test_a_refusal_of_what_every_token_may_ask_rejects_the_token(path: str, http_status: int) -> None:
    """v8 answers a wrong token with 403, proxies and v9 with 401."""
    with pytest.raises(TokenRejected) as caught:
        drive(v8.listing(ListingPlan()), {**WORLD, path: refused(path, http_status)})
    assert caught.value.http_status == http_status


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>maintenance</html>", "text/html"),
        (b"<html>maintenance</html>", "application/json"),
        (b'[{"id": 1, "na', "application/json"),
        (b'{"id": 1}', "application/json"),
        (b"", "application/json"),
        (b"\xef\xbb\xbf[]", "application/json"),
    ],
)
def test_what_is_no_list_of_rows_ends_the_pull(body: bytes, content_type: str) -> None:
    """HTML, truncated JSON, an object, nothing, a byte order mark: none of them is an empty list."""
    broken = answer(v8.CLIENTS, body, content_type=content_type)
    with pytest.raises(ContractChanged, match="/api/v8/clients"):
        drive(v8.listing(ListingPlan()), {**WORLD, CLIENTS: broken})


def test_null_is_an_empty_list() -> None:
    """Seen by users of v8 and v9."""
    fetched, _ = drive(v8.listing(ListingPlan()), {**WORLD, CLIENTS: None})
    assert [dict(w.scopes["client"].records) for w in v8.decode(fetched).workspaces] == [{}, {}]


def test_price_tells_the_requests_of_a_pull() -> None:
    """One request for it, and the same number as the listing then makes."""
    cost, asked = drive(v8.price(ListingPlan("workspace")), WORLD)
    assert (cost, asked) == (Cost(2, 4, is_lower_bound=False), [WORKSPACES])
    _, listed = drive(v8.listing(ListingPlan("workspace")), WORLD)
    assert cost.requests == len(listed)


@pytest.mark.parametrize(
    ("http_status", "body", "is_there"),
    [
        (200, b'{"data":{"id":7,"wid":1,"name":"x"}}', True),
        (200, b'{"data":{"id":8}}', False),
        (200, b'{"data":{"id":7,"server_deleted_at":"2024-05-01T10:00:00Z"}}', False),
        (200, b'{"data":null}', False),
        (200, b"<html>", False),
        (200, b"[]", False),
        (404, b'["not found"]', False),
        (403, b'{"data":{"id":7}}', False),
    ],
)
def test_what_shows_that_an_object_is_there(http_status: int, body: bytes, is_there: bool) -> None:
    """Only the object itself, alive; everything else says nothing."""
    request = v8.single(HERE, "client", 7)
    assert request is not None
    assert v8.shows(answer(request, body, http_status), 7) is is_there


def test_single_objects_have_their_own_paths() -> None:
    """Of the documented API, which has none for a tag."""
    assert v8.single(HERE, "client", 7) == Request("/api/v8/clients/7")
    assert v8.single(HERE, "project", 9) == Request("/api/v8/projects/9")
    assert v8.single(HERE, "tag", 9) is None


def test_requests_differ_by_what_they_ask() -> None:
    """They are keys of answers."""
    assert len({v8.WORKSPACES, v8.CLIENTS, v8.client_projects(1), v8.client_projects(2), Request("/x")}) == 5
