"""How v8 answers become records, rejects and verdicts."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from syncd.errors import ContractChanged
from syncd.records import Client, Project, Sighting
from syncd.toggl import v8
from syncd.toggl.dialect import Answer, ListingPlan
from tests.unit.toggl.answers import answer, client, drive, project, refused

AT = datetime(2024, 5, 1, 10, tzinfo=UTC)


def sight(clients: object, projects: object = (), plan: ListingPlan | None = None) -> Sighting:
    """What a server with workspace 1 shows."""
    world = {
        "/api/v8/workspaces": [{"id": 1, "name": "One", "premium": True, "admin": True}],
        "/api/v8/clients": clients,
        "/api/v8/workspaces/1/projects": projects,
    }
    return v8.decode(drive(v8.listing(plan or ListingPlan()), world)[0])


def test_the_documented_client_becomes_a_record() -> None:
    """The example of the API documentation, field by field."""
    row = client(
        1239455, wid=1, name="Very Big Company", at="2013-02-26T08:45:28+00:00",
        notes="Contact: John Jacob Jingleheimer Schmidt", hrate=12, cur="AUD",
    )  # fmt: skip
    (workspace,) = sight([row]).workspaces
    expected = Client(
        id=1239455, workspace_id=1, name="Very Big Company", notes="Contact: John Jacob Jingleheimer Schmidt",
        hourly_rate=Decimal(12), currency="AUD", archived=None, at=datetime(2013, 2, 26, 8, 45, 28, tzinfo=UTC),
        extra=None,
    )  # fmt: skip
    assert workspace.scopes["client"].records == {1239455: expected}
    assert workspace.scopes["client"].incomplete == ()


def test_the_documented_project_becomes_a_record() -> None:
    """Fields that v8 does not have are None, not False."""
    row = {"id": 909, "wid": 1, "cid": 987, "name": "Very lucrative project", "billable": False, "is_private": True,
           "active": True, "at": "2013-03-06T09:15:18+00:00"}  # fmt: skip
    (workspace,) = sight([], [row]).workspaces
    record = workspace.scopes["project"].records[909]
    assert (record.client_id, record.billable, record.is_private, record.active) == (987, False, True, True)
    assert (record.recurring, record.template, record.rate, record.status, record.extra) == (None,) * 5


def test_hours_become_seconds() -> None:
    """v8 knows whole hours."""
    (workspace,) = sight([], [project(1, estimated_hours=3, actual_hours=2)]).workspaces
    record = workspace.scopes["project"].records[1]
    assert (record.estimated_seconds, record.actual_seconds) == (10800, 7200)


def test_money_is_exact_and_as_fine_as_its_column() -> None:
    """0.1 stays 0.1; a fifth decimal would differ from what is stored at every pull."""
    (workspace,) = sight([client(1, hrate=0.1), client(2, hrate=1.23456)]).workspaces
    assert [workspace.scopes["client"].records[n].hourly_rate for n in (1, 2)] == [Decimal("0.1"), Decimal("1.2346")]


def test_instants_keep_their_offset_s_meaning() -> None:
    """v8 may answer in the user's zone."""
    (workspace,) = sight([client(1, at="2024-05-01T13:00:00+03:00")]).workspaces
    assert workspace.scopes["client"].records[1].at == AT


def test_unknown_fields_go_to_extra_without_secrets() -> None:
    """Whatever is new is kept; what looks like a credential is not."""
    row = client(1, mood="good", nested={"a": [1], "api_token": "x"}, api_token="y", ical_url="/z")
    (workspace,) = sight([row]).workspaces
    assert workspace.scopes["client"].records[1].extra == {"mood": "good", "nested": {"a": [1]}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": 0}, "malformed"),
        ({"id": -5}, "malformed"),
        ({"id": "7"}, "malformed"),
        ({"id": True}, "malformed"),
        ({"id": 7.0}, "malformed"),
        ({"id": 2**63}, "malformed"),
        ({"wid": None}, "malformed"),
        ({"name": None}, "malformed"),
        ({"name": 5}, "malformed"),
        ({"at": None}, "malformed"),
        ({"at": "2024-05-01T10:00:00"}, "malformed"),
        ({"at": "yesterday"}, "malformed"),
        ({"at": "0001-01-01T00:00:00+00:00"}, "instant_out_of_range"),
        ({"at": "9999-12-31T23:59:59-12:00"}, "instant_out_of_range"),
        ({"hrate": "much"}, "malformed"),
        ({"hrate": -1}, "amount_out_of_range"),
        ({"hrate": 10**13}, "amount_out_of_range"),
        ({"hrate": 999_999_999_999.99999}, "amount_out_of_range"),
        ({"hrate": 10**400}, "amount_out_of_range"),
        ({"hrate": "NaN"}, "amount_out_of_range"),
        ({"cur": 3}, "malformed"),
        ({"cur": "x" * 65}, "malformed"),
    ],
)
def test_a_malformed_client_is_put_aside_alone(change: dict[str, Any], reason: str) -> None:
    """Its neighbours are kept, and the snapshot proves no absence."""
    sighting = sight([client(1), {**client(2), **change}, client(3)])
    (workspace,) = sighting.workspaces
    assert sorted(workspace.scopes["client"].records) == [1, 3]
    assert [reject.reason for reject in sighting.rejects] == [reason]
    assert workspace.scopes["client"].incomplete == ("rejects",)
    assert workspace.scopes["project"].incomplete == ()


def test_a_reject_says_who_it_is_as_far_as_it_can_be_read() -> None:
    """An id where there is one, else a digest of its bytes: the same row again is the same reject."""
    broken, nameless = {**client(2), "name": None}, {"wid": 1, "name": "no id", "api_token": "hush"}
    first, second = sight([broken, nameless]), sight([nameless, broken])
    assert {(r.key, r.workspace_id) for r in first.rejects} == {(r.key, r.workspace_id) for r in second.rejects}
    by_id, by_digest = first.rejects
    assert (by_id.key, by_id.workspace_id) == ("2", 1)
    assert by_digest.key.startswith("digest:")
    assert "hush" not in by_digest.body


@pytest.mark.parametrize("row", [b"5", b"null", b'"text"', b"[]", b'{"id": 1e999}', b'{"name": "\xff"}', b"{}"])
def test_what_is_no_row_at_all_is_put_aside(row: bytes) -> None:
    """A list may hold anything."""
    body = b'[{"id":1,"wid":1,"name":"a","at":"2024-05-01T10:00:00Z"},' + row + b"]"
    sighting = sight(answer(v8.CLIENTS, body))
    assert sorted(sighting.workspaces[0].scopes["client"].records) == [1]
    assert len(sighting.rejects) == 1
    assert sighting.workspaces[0].scopes["client"].incomplete == ("rejects",)


def test_nesting_without_end_ends_the_pull() -> None:
    """A hundred thousand brackets are no list of rows, and no crash."""
    deep = b'{"id":2,"wid":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(ContractChanged):
        sight(answer(v8.CLIENTS, b"[" + deep + b"]"))


def test_what_postgresql_cannot_store_is_replaced_and_marked() -> None:
    """NUL and lone surrogates become U+FFFD; a proper pair and an escaped backslash stay what they are."""
    body = (
        rb'[{"id":1,"wid":1,"name":"a\u0000b\ud83d\ude00","at":"2024-05-01T10:00:00Z"},'
        rb'{"id":2,"wid":1,"name":"\ud800x","at":"2024-05-01T10:00:00Z"},'
        rb'{"id":3,"wid":1,"name":"c:\\u0000","at":"2024-05-01T10:00:00Z"}]'
    )
    records = sight(answer(v8.CLIENTS, body)).workspaces[0].scopes["client"].records
    assert [records[n].name for n in (1, 2, 3)] == ["a\ufffdb\U0001f600", "\ufffdx", "c:\\u0000"]
    assert [records[n].extra for n in (1, 2, 3)] == [{"_sanitized": True}, {"_sanitized": True}, None]


def test_a_text_beyond_its_column_is_cut_and_marked() -> None:
    """64 Ki characters are kept."""
    (workspace,) = sight([client(1, name="x" * 70_000), client(2, notes="y" * 65_536)]).workspaces
    records = workspace.scopes["client"].records
    assert (len(records[1].name), records[1].extra) == (65_536, {"_sanitized": True})
    assert (len(records[2].notes or ""), records[2].extra) == (65_536, None)


def test_twins_with_the_same_content_are_one() -> None:
    """A list that says the same twice is complete."""
    (workspace,) = sight([client(1), client(1)]).workspaces
    assert (len(workspace.scopes["client"].records), workspace.scopes["client"].incomplete) == (1, ())


@pytest.mark.parametrize("swapped", [False, True])
def test_of_contradicting_twins_the_younger_wins(swapped: bool) -> None:
    """In whatever order they come; such a list proves no absence."""
    rows = [client(1, name="old"), client(1, name="new", at="2024-05-02T10:00:00+00:00")]
    (workspace,) = sight(rows[::-1] if swapped else rows).workspaces
    assert workspace.scopes["client"].records[1].name == "new"
    assert workspace.scopes["client"].incomplete == ("duplicates",)


def test_a_row_that_the_source_calls_deleted_is_no_record() -> None:
    """Users saw deleted rows in v8 lists."""
    (workspace,) = sight([client(1), client(2, server_deleted_at="2024-05-01T10:00:00Z")]).workspaces
    assert (sorted(workspace.scopes["client"].records), workspace.scopes["client"].gone) == ([1], frozenset({2}))


def test_a_project_of_another_workspace_is_put_aside() -> None:
    """Asked for workspace 1, told of workspace 9: nobody knows what that means."""
    sighting = sight([], [project(1), project(2, wid=9)])
    assert sorted(sighting.workspaces[0].scopes["project"].records) == [1]
    assert [(r.key, r.reason) for r in sighting.rejects] == [("2", "foreign_workspace")]


def test_a_body_without_an_end_proves_no_absence() -> None:
    """It ended with the connection, and may have lost its tail."""
    (workspace,) = sight(answer(v8.CLIENTS, [client(1)], framed=False)).workspaces
    assert (sorted(workspace.scopes["client"].records), workspace.scopes["client"].incomplete) == ([1], ("unframed",))


def test_a_client_that_vanished_between_two_requests_costs_only_the_verdict() -> None:
    """Listed, then 404: its projects are unknown, the rest is known."""
    world = {
        "/api/v8/workspaces": [{"id": 1, "name": "One"}],
        "/api/v8/clients": [client(11), client(12)],
        "/api/v8/clients/11/projects": [project(111, cid=11)],
    }
    fetched, _ = drive(v8.listing(ListingPlan("client")), world)
    (workspace,) = v8.decode(fetched).workspaces
    scope = workspace.scopes["project"]
    assert (sorted(scope.records), scope.incomplete) == ([111], ("http_404",))


@pytest.mark.parametrize(
    ("clients", "reasons"),
    [(refused("/api/v8/clients", 404), ("http_404",)), ([client(11), {"id": "12", "wid": 1}], ("rejects",))],
)
def test_projects_are_not_missed_where_a_client_may_be(clients: object, reasons: tuple[str, ...]) -> None:
    """Asked client by client, nobody asks for the projects of a client that was not told of or cannot be read."""
    world = {
        "/api/v8/workspaces": [{"id": 1, "name": "One"}],
        "/api/v8/clients": clients,
        "/api/v8/clients/11/projects": [project(111, cid=11)],
    }
    fetched, _ = drive(v8.listing(ListingPlan()), world)
    (workspace,) = v8.decode(fetched).workspaces
    assert (workspace.scopes["client"].incomplete, workspace.scopes["project"].incomplete) == (reasons, reasons)


def test_decoding_the_same_answers_gives_the_same_sighting() -> None:
    """Nothing is read from a clock, nothing is random."""
    rows: list[Any] = [client(1, mood="x"), {"id": 0}, client(2, name="\0")]
    first, second = sight(rows, [project(5, cid=1)]), sight(rows, [project(5, cid=1)])
    assert first == second


def test_record_types() -> None:
    """Records are ours, whatever the dialect."""
    (workspace,) = sight([client(1)], [project(2, cid=1)]).workspaces
    assert type(workspace.scopes["client"].records[1]) is Client
    assert type(workspace.scopes["project"].records[2]) is Project
    assert isinstance(answer(v8.CLIENTS, []), Answer)
