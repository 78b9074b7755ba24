"""How v9 answers become records, rejects and verdicts."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from syncd.errors import ContractChanged, TokenRejected
from syncd.records import Client, Project, Sighting, Workspace
from syncd.toggl import v9
from syncd.toggl.dialect import ListingPlan, Request
from tests.unit.toggl.answers import answer, client, drive, refused

WORKSPACES = "/api/v9/me/workspaces"
CLIENTS = "/api/v9/workspaces/1/clients"
PROJECTS = "/api/v9/workspaces/1/projects"
HERE = {"id": 1, "name": "One", "admin": True, "organization_id": 5, "api_token": "hush", "ical_url": "/ical/hush"}
AT = datetime(2024, 5, 1, 10, tzinfo=UTC)

RECORDED: dict[str, Any] = {
    "id": 63, "workspace_id": 1, "client_id": 64, "name": "Factory", "is_private": False, "active": True,
    "at": "2024-05-01T10:00:00+00:00", "created_at": "2017-08-28T10:47:38+00:00", "server_deleted_at": None,
    "color": "#0b83d9", "billable": False, "template": None, "auto_estimates": None, "estimated_hours": None,
    "estimated_seconds": None, "rate": None, "rate_last_updated": None, "currency": None, "recurring": False,
    "template_id": None, "recurring_parameters": None, "fixed_fee": None, "actual_hours": 1103,
    "actual_seconds": 3973324, "tasks_count": None, "can_track_time": False, "start_date": "2017-08-28",
    "status": "active", "wid": 1, "cid": 64, "is_shared": False, "pinned": False,
}  # fmt: skip
"""Every field of a recorded answer, most of them null on a free plan."""


def world(clients: object = (), projects: object = (), workspaces: object = (HERE,)) -> dict[str, object]:
    return {WORKSPACES: workspaces, CLIENTS: clients, PROJECTS: projects}


def sight(clients: object = (), projects: object = (), workspaces: object = (HERE,)) -> Sighting:
    """What a server with workspace 1 shows."""
    return v9.decode(drive(v9.listing(ListingPlan()), world(clients, projects, workspaces))[0])


def project_of(**change: Any) -> Project:
    """The recorded project with other fields."""
    row = {name: value for name, value in {**RECORDED, **change}.items() if value != "left out"}
    sighting = sight(projects=[row])
    assert not sighting.rejects, sighting.rejects
    found: Project = sighting.workspaces[0].scopes["project"].records[63]
    return found


def test_the_recorded_project_becomes_a_record() -> None:
    """Explicit nulls are None; what depends on who asks is left out."""
    expected = Project(
        id=63, workspace_id=1, client_id=64, name="Factory", active=True, is_private=False, billable=False,
        template=None, color="#0b83d9", currency=None, rate=None, fixed_fee=None, estimated_seconds=None,
        auto_estimates=None, recurring=False, status="active", start_date=date(2017, 8, 28), end_date=None,
        created_at=datetime(2017, 8, 28, 10, 47, 38, tzinfo=UTC), actual_seconds=3973324, at=AT, extra=None,
    )  # fmt: skip
    assert project_of() == expected


@pytest.mark.parametrize(
    ("sent", "field", "stored"),
    [
        ({"rate": 12.5}, "rate", Decimal("12.5")),
        ({"fixed_fee": 0.1}, "fixed_fee", Decimal("0.1")),
        ({"currency": "EUR"}, "currency", "EUR"),
        ({"template": True}, "template", True),
        ({"auto_estimates": True}, "auto_estimates", True),
        ({"recurring": True}, "recurring", True),
        ({"active": False}, "active", False),
        ({"is_private": True}, "is_private", True),
        ({"billable": None}, "billable", None),
        ({"status": "upcoming"}, "status", "upcoming"),
        ({"end_date": "2030-12-31"}, "end_date", date(2030, 12, 31)),
        ({"end_date": None}, "end_date", None),
        ({"start_date": "left out"}, "start_date", None),
        ({"created_at": "2024-12-11T17:43:57.20607Z"}, "created_at",
         datetime(2024, 12, 11, 17, 43, 57, 206070, tzinfo=UTC)),
        ({"at": "2024-05-01T13:00:00+03:00"}, "at", AT),
        ({"estimated_seconds": 90, "estimated_hours": 0}, "estimated_seconds", 90),
        ({"estimated_hours": 2, "estimated_seconds": "left out"}, "estimated_seconds", 7200),
        ({"actual_hours": 2, "actual_seconds": None}, "actual_seconds", 7200),
        ({"actual_hours": None, "actual_seconds": None}, "actual_seconds", None),
        ({"client_id": None, "cid": None}, "client_id", None),
        ({"client_id": "left out"}, "client_id", 64),
        ({"cid": "left out"}, "client_id", 64),
        ({"workspace_id": "left out"}, "workspace_id", 1),
        ({"wid": "left out"}, "workspace_id", 1),
        ({"template_id": 7}, "extra", {"template_id": 7}),
        ({"recurring_parameters": [{"period": "weekly"}]}, "extra", {"recurring_parameters": [{"period": "weekly"}]}),
        ({"rate_last_updated": "2024-05-01T10:00:00Z"}, "extra", {"rate_last_updated": "2024-05-01T10:00:00Z"}),
        ({"is_shared": True, "shared_hash": "hush"}, "extra", {"is_shared": True}),
        ({"mood": "good", "api_token": "hush"}, "extra", {"mood": "good"}),
        ({"permissions": ["x"], "pinned": True, "can_track_time": True, "total_count": 9, "tasks_count": 3,
          "client_name": "Acme", "current_period": {}, "first_time_entry": "2024-01-01"}, "extra", None),
    ],
)  # fmt: skip
def test_each_field_has_its_place(sent: dict[str, Any], field: str, stored: object) -> None:
    assert getattr(project_of(**sent), field) == stored


def test_a_recorded_client_becomes_a_record() -> None:
    """What is unset is left out; rates v9 does not have."""
    row = {"id": 64, "wid": 1, "archived": False, "name": "Small Startup", "at": "2024-05-01T10:00:00+00:00",
           "creator_id": 216}  # fmt: skip
    (workspace,) = sight([row, {**row, "id": 65, "notes": "Call", "archived": True, "permissions": "x"}]).workspaces
    first = Client(64, 1, "Small Startup", None, None, None, archived=False, at=AT, extra={"creator_id": 216})
    second = Client(65, 1, "Small Startup", "Call", None, None, archived=True, at=AT, extra={"creator_id": 216})
    assert workspace.scopes["client"].records == {64: first, 65: second}
    assert workspace.scopes["client"].is_complete


@pytest.mark.parametrize(
    ("more", "is_admin"),
    [({"admin": True}, True), ({"admin": False, "role": "admin"}, False), ({"admin": None, "role": "admin"}, True),
     ({"admin": None, "role": "projectlead"}, False), ({"admin": None}, False)],
)  # fmt: skip
def test_rights_in_a_workspace(more: dict[str, Any], *, is_admin: bool) -> None:
    """`admin`, or where that is null the role."""
    (workspace,) = sight(workspaces=[{"id": 1, "name": "One", "organization_id": 5, **more}]).workspaces
    assert workspace.workspace == Workspace(1, "One", is_admin, 5)


def test_a_deleted_workspace_is_none() -> None:
    """Nothing is asked of it."""
    gone = {"id": 2, "name": "Two", "server_deleted_at": "2024-05-01T10:00:00Z"}
    _, asked = drive(v9.listing(ListingPlan()), world(workspaces=[HERE, gone]))
    assert asked == [WORKSPACES, CLIENTS, PROJECTS]


def test_null_is_an_empty_list() -> None:
    """A complete one."""
    (workspace,) = sight(None, None).workspaces
    assert (workspace.scopes["client"].records, workspace.scopes["project"].records) == ({}, {})
    assert [scope.is_complete for scope in workspace.scopes.values()] == [True, True]
    assert sight(workspaces=None).workspaces == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": 0}, "malformed"),
        ({"id": "63"}, "malformed"),
        ({"name": None}, "malformed"),
        ({"at": None}, "malformed"),
        ({"at": "2024-05-01T10:00:00"}, "malformed"),
        ({"at": "9999-12-31T00:00:00Z"}, "instant_out_of_range"),
        ({"workspace_id": None, "wid": None}, "malformed"),
        ({"workspace_id": 2}, "foreign_workspace"),
        ({"rate": -1}, "amount_out_of_range"),
        ({"fixed_fee": 1e12}, "amount_out_of_range"),
        ({"start_date": "soon"}, "malformed"),
        ({"color": "x" * 65}, "malformed"),
        ({"actual_seconds": -1}, "malformed"),
    ],
)
def test_a_malformed_project_is_put_aside_alone(change: dict[str, Any], reason: str) -> None:
    """Its neighbours are kept, and the snapshot proves no absence; clients are not concerned."""
    sighting = sight([client(64)], [{**RECORDED, "id": 1}, {**RECORDED, **change}, {**RECORDED, "id": 3}])
    (workspace,) = sighting.workspaces
    assert sorted(workspace.scopes["project"].records) == [1, 3]
    assert [(reject.resource, reject.reason) for reject in sighting.rejects] == [("project", reason)]
    assert (workspace.scopes["project"].incomplete, workspace.scopes["client"].incomplete) == (("rejects",), ())


def test_a_row_that_is_called_deleted_is_gone() -> None:
    """Also in a full list, where it should not be: named as gone, not shown."""
    (workspace,) = sight([client(64, server_deleted_at="2024-05-02T10:00:00Z")],
                         [{**RECORDED, "server_deleted_at": "2024-05-02T10:00:00Z"}]).workspaces  # fmt: skip
    assert (workspace.scopes["client"].gone, workspace.scopes["project"].gone) == (frozenset({64}), frozenset({63}))
    assert (workspace.scopes["client"].records, workspace.scopes["project"].records) == ({}, {})


# What may not be asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("http_status", [401, 403])
def test_a_refusal_of_the_workspaces_rejects_the_token(http_status: int) -> None:
    with pytest.raises(TokenRejected) as caught:
        drive(v9.listing(ListingPlan()), {WORKSPACES: refused(WORKSPACES, http_status)})
    assert caught.value.http_status == http_status


@pytest.mark.parametrize("http_status", [403, 404, 405])
@pytest.mark.parametrize("path", [CLIENTS, PROJECTS])
def test_a_refusal_of_one_list_costs_that_list_its_verdict(path: str, http_status: int) -> None:
    """The token is good, and everything else is mirrored."""
    refusing = {**world([client(64)], [RECORDED]), path: refused(path, http_status)}
    (workspace,) = v9.decode(drive(v9.listing(ListingPlan()), refusing)[0]).workspaces
    reasons = {CLIENTS: workspace.scopes["client"].incomplete, PROJECTS: workspace.scopes["project"].incomplete}
    assert reasons == {CLIENTS: (), PROJECTS: ()} | {path: (f"http_{http_status}",)}
    assert len(workspace.scopes["client"].records) + len(workspace.scopes["project"].records) == 1


@pytest.mark.parametrize("path", [WORKSPACES, CLIENTS, PROJECTS])
@pytest.mark.parametrize("body", [b"<html>", b'{"id": 1}', b'[{"id": 1, "na', b""])
def test_what_is_no_list_of_rows_ends_the_pull(path: str, body: bytes) -> None:
    with pytest.raises(ContractChanged, match=path):
        drive(v9.listing(ListingPlan()), {**world(), path: answer(Request(path), body)})


@pytest.mark.parametrize(
    ("http_status", "body", "expected"),
    [(200, b'{"id": 7, "api_token": "hush"}', 7), (200, b"{}", None), (200, b"<html>", None), (500, b"", None)],
)
def test_whose_token_it_is(http_status: int, body: bytes, expected: int | None) -> None:
    """Whatever else is told, the id alone is read."""
    assert drive(v9.whose(), {"/api/v9/me": answer(v9.ME, body, http_status)})[0] == expected


def test_a_rejected_token_is_nobody_s() -> None:
    with pytest.raises(TokenRejected):
        drive(v9.whose(), {"/api/v9/me": answer(v9.ME, b"", 403)})


@pytest.mark.parametrize(
    ("body", "http_status", "is_shown"),
    [
        (b'{"id": 63}', 200, True),
        (b'{"id": 64}', 200, False),
        (b'{"id": 63, "server_deleted_at": "2024-05-02T10:00:00Z"}', 200, False),
        (b"null", 200, False),
        (b"63", 200, False),
        (b'"No client with ID 63 was found"', 404, False),
        (b'{"id": 63}', 404, False),
    ],
)
def test_what_shows_that_an_object_is_there(body: bytes, http_status: int, *, is_shown: bool) -> None:
    request = v9.single(Workspace(1, "One", is_admin=True, organization=5), "project", 63)
    assert request is not None
    assert (request.path, request.organization) == (f"{PROJECTS}/63", 5)
    assert v9.shows(answer(request, body, http_status), 63) is is_shown


def test_price_tells_at_least_what_a_pull_asks() -> None:
    """Only active projects are counted there; a row that cannot be read costs nothing."""
    rows = [{**HERE, "active_project_count": 450}, {"id": 2, "name": "Two", "active_project_count": None}, {"id": "x"}]
    cost, asked = drive(v9.price(ListingPlan()), {WORKSPACES: rows})
    assert (cost.workspaces, cost.requests, cost.is_lower_bound, asked) == (2, 1 + 2 + 3 + 1, True, [WORKSPACES])
