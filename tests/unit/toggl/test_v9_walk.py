"""How the projects of a v9 workspace are listed: page by page, or by what changed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from syncd.errors import ContractChanged
from syncd.records import Cursor, Snapshot, Workspace
from syncd.toggl import v9
from syncd.toggl.dialect import Digest, ListingPlan
from syncd.toggl.v9_projects import OVERLAP, ProjectWalk
from tests.unit.toggl.answers import answer, client, project

HERE = Workspace(1, "One", is_admin=True, organization=5)
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
SINCE = NOW - timedelta(hours=1)
BEFORE = "2024-05-01T10:00:00+00:00"
CURSOR = Cursor(SINCE, is_admin=True)


def row(id_: int, **more: Any) -> dict[str, Any]:
    return project(id_, created_at=BEFORE, **more)


def rows(count: int, first: int = 1) -> list[dict[str, Any]]:
    return [row(id_) for id_ in range(first, first + count)]


def deleted(id_: int) -> dict[str, Any]:
    return row(id_, server_deleted_at="2024-06-01T12:00:00+00:00")


def walk(
    *replies: object, cursor: Cursor | None = None, date: datetime | None = NOW, workspace: Workspace = HERE
) -> tuple[Snapshot[Any], list[str]]:
    """The snapshot of a walk that is given these answers in turn, and what it asked for behind `per_page`.

    A reply is rows, or (status, rows).
    """
    walking = ProjectWalk(workspace, cursor, Digest("test"))
    asked: list[str] = []
    for reply in replies:
        request = walking.request
        assert request is not None, f"only {len(asked)} of {len(replies)} requests"
        assert (request.path, request.query[:2]) == (
            "/api/v9/workspaces/1/projects",
            (("active", "both"), ("per_page", "200")),
        )
        assert request.organization == workspace.organization
        asked.append(urlencode(request.query[2:]))
        http_status, found = reply if isinstance(reply, tuple) else (200, reply)
        walking.take(answer(request, found, http_status, date=date))
    assert walking.request is None, f"it goes on: {walking.request}"
    return walking.snapshot(), asked


def pages(*numbers: int) -> list[str]:
    return [f"page={number}" for number in numbers]


CHECK = f"since={int(NOW.timestamp())}"
CHANGES = f"since={int(SINCE.timestamp())}"


@pytest.mark.parametrize("count", [0, 1, 49])
def test_a_short_page_is_the_only_one(count: int) -> None:
    """No server cuts there."""
    snapshot, asked = walk(rows(count))
    assert (len(snapshot.records), snapshot.is_complete, asked) == (count, True, pages(1))
    assert snapshot.cursor == NOW - OVERLAP


@pytest.mark.parametrize("sizes", [(50, 0), (199, 0), (200, 0), (200, 1), (200, 200, 3), (151, 151, 20), (50, 50, 0)])
def test_longer_ones_are_followed_to_their_end(sizes: Sequence[int]) -> None:
    """A server that allows fewer than we ask for cuts earlier. Behind the pages: what changed meanwhile?"""
    firsts = [1 + sum(sizes[:n]) for n in range(len(sizes))]
    snapshot, asked = walk(*map(rows, sizes, firsts), [])
    assert asked == [*pages(*range(1, len(sizes) + 1)), CHECK]
    assert sorted(snapshot.records) == list(range(1, sum(sizes) + 1))
    assert (snapshot.incomplete, snapshot.is_delta) == ((), False)


def test_null_ends_the_pages() -> None:
    snapshot, _ = walk(rows(200), None, None)
    assert (len(snapshot.records), snapshot.is_complete) == (200, True)


def test_a_server_that_repeats_its_page_is_not_followed_for_ever() -> None:
    """It does not page: who knows what it leaves out."""
    snapshot, asked = walk(rows(200), rows(200))
    assert (snapshot.incomplete, asked) == (("pages_repeat",), pages(1, 2))


def test_rows_that_come_twice_do_no_harm() -> None:
    """Pushed back by one that was created: 200 is on both pages."""
    snapshot, _ = walk(rows(200), rows(50, first=200), [row(251)])
    assert sorted(snapshot.records) == [*range(1, 250), 251]


@pytest.mark.parametrize(
    ("changed", "reasons"),
    [
        ([], ()),
        ([row(5, active=False)], ()),  # shown, and changed since
        ([project(300, created_at="2024-06-01T12:00:01+00:00")], ()),  # new
        ([row(300)], ("pages_shifted",)),  # was there before, and was not shown
        ([project(300)], ("pages_shifted",)),  # who knows
        ([deleted(5)], ("pages_shifted",)),  # what stood behind it has moved
        ([deleted(300)], ()),  # never shown
        ([{"id": 5}], ("rejects",)),
        (rows(200), ("pages_unchecked",)),  # may have been cut
        ((400, "Since cannot be older"), ("pages_unchecked",)),
        ((403, "Forbidden"), ("http_403",)),
    ],
)
def test_what_changed_while_pages_were_listed(changed: object, reasons: tuple[str, ...]) -> None:
    """It is taken in; where a row may have slipped through, no absence is proven."""
    snapshot, _ = walk(rows(200), rows(20, first=201), changed)
    assert snapshot.incomplete == reasons
    if changed == [row(5, active=False)]:
        assert snapshot.records[5].active is False
    if changed == [deleted(5)]:
        assert (5 in snapshot.records, snapshot.gone) == (False, frozenset({5}))


def test_pages_of_a_server_that_does_not_tell_its_time_prove_no_absence() -> None:
    """And there is nothing to ask for changes from."""
    snapshot, asked = walk(rows(200), rows(1, first=201), date=None)
    assert (snapshot.incomplete, snapshot.cursor, asked) == (("pages_unchecked",), None, pages(1, 2))
    assert walk(rows(1), date=None)[0].is_complete


@pytest.mark.parametrize("http_status", [403, 404, 405])
def test_a_refusal_on_the_way_leaves_what_there_is(http_status: int) -> None:
    snapshot, asked = walk(rows(200), (http_status, "no"))
    assert (len(snapshot.records), snapshot.incomplete, len(asked)) == (200, (f"http_{http_status}",), 2)


def test_a_bad_request_is_no_empty_page() -> None:
    with pytest.raises(ContractChanged, match="400"):
        walk((400, "Invalid page"))


# Changes -------------------------------------------------------------------------------------------------------------


def test_changes_are_a_delta() -> None:
    """It has what changed and what is gone, and says nothing about the rest."""
    snapshot, asked = walk([row(5), deleted(6)], cursor=CURSOR)
    assert asked == [f"page=1&{CHANGES}"]
    assert (sorted(snapshot.records), snapshot.gone) == ([5], frozenset({6}))
    assert (snapshot.is_delta, snapshot.is_complete, snapshot.incomplete) == (True, False, ())
    assert snapshot.cursor == NOW - OVERLAP


@pytest.mark.parametrize("is_admin", [True, False])
def test_other_rights_have_everything_listed(*, is_admin: bool) -> None:
    """Who became an admin, or is none any more, sees other rows than before."""
    other = Workspace(1, "One", is_admin=not is_admin, organization=5)
    snapshot, asked = walk(rows(1), cursor=Cursor(SINCE, is_admin), workspace=other)
    assert (snapshot.is_delta, asked) == (False, pages(1))


def test_a_refused_since_has_everything_listed() -> None:
    """400: "Since cannot be older than 3 months"."""
    snapshot, asked = walk((400, "Since cannot be older than 3 months"), rows(3), cursor=CURSOR)
    assert (snapshot.is_delta, sorted(snapshot.records), asked) == (False, [1, 2, 3], [f"page=1&{CHANGES}", *pages(1)])


def test_many_changes_come_page_by_page() -> None:
    snapshot, asked = walk(rows(200), rows(7, first=201), [], cursor=CURSOR)
    assert asked == [f"page=1&{CHANGES}", f"page=2&{CHANGES}", CHECK]
    assert (len(snapshot.records), snapshot.is_delta, snapshot.incomplete) == (207, True, ())


def test_a_list_of_changes_without_pages_may_be_cut() -> None:
    """Page 2 is page 1 again: everything is listed instead."""
    snapshot, asked = walk(rows(200), rows(200), rows(3), cursor=CURSOR)
    assert asked == [f"page=1&{CHANGES}", f"page=2&{CHANGES}", *pages(1)]
    assert (snapshot.is_delta, sorted(snapshot.records)) == (False, [1, 2, 3])


def test_a_refusal_of_changes_is_doubt() -> None:
    snapshot, _ = walk((403, "Forbidden"), cursor=CURSOR)
    assert (snapshot.incomplete, snapshot.is_delta) == (("http_403",), True)


# The whole conversation ----------------------------------------------------------------------------------------------


def converse(plan: ListingPlan, projects: dict[int, list[Any]], date: datetime = NOW) -> tuple[Any, list[list[str]]]:
    """A listing, with workspaces 1 and 2, and these projects (all on page 1); its batches of paths."""
    workspaces = [{"id": wid, "name": "W", "admin": True} for wid in (1, 2)]
    inquiry, batches = v9.listing(plan), []
    batch = next(inquiry)
    while True:
        batches.append([request.path.removeprefix("/api/v9/") for request in batch])
        answers = []
        for request in batch:
            place = request.path.split("/")
            found = workspaces if place[-1] == "workspaces" else []
            if place[-1] == "clients":
                assert request.query == (("status", "both"),)
                found = [client(int(place[-2]) * 10, wid=int(place[-2]))]
            elif place[-1] == "projects" and dict(request.query).get("page") == "1":
                found = projects[int(place[-2])]
            answers.append(answer(request, found, date=date))
        try:
            batch = inquiry.send(answers)
        except StopIteration as done:
            return done.value, batches


def test_workspaces_are_asked_side_by_side() -> None:
    """One page of each at a time; who is done is not asked again."""
    _, batches = converse(ListingPlan(), {1: rows(60), 2: [row(900, wid=2)]})
    one, two = "workspaces/1/projects", "workspaces/2/projects"
    assert batches == [["me/workspaces"], ["workspaces/1/clients", "workspaces/2/clients"], [one, two], [one], [one]]


def test_only_configured_workspaces_and_those_not_left_are_asked() -> None:
    """What is left to another token is seen all the same."""
    fetched, batches = converse(ListingPlan(left=frozenset({1})), {2: []})
    assert batches[1:] == [["workspaces/2/clients"], ["workspaces/2/projects"]]
    assert v9.decode(fetched).visible == [2, 1]
    fetched, _ = converse(ListingPlan(only=frozenset({2})), {2: []})
    assert v9.decode(fetched).visible == [2]


def test_one_workspace_by_changes_is_not_the_whole() -> None:
    """Only where everything was listed does a missing row say something."""
    assert converse(ListingPlan(), {1: [], 2: []})[0].is_whole
    fetched, _ = converse(ListingPlan(cursors={2: CURSOR}), {1: [], 2: []})
    assert not fetched.is_whole
    assert [w.scopes["project"].is_delta for w in v9.decode(fetched).workspaces] == [False, True]


def test_the_digest_stands_for_answers_not_for_when_they_were_asked() -> None:
    """Equal changes since another instant are equal; other rows, or a whole list, are not."""

    def digest(projects: list[Any], since: datetime | None = None) -> bytes:
        cursors = {} if since is None else {1: Cursor(since, is_admin=True)}
        found: bytes = converse(ListingPlan(cursors=cursors), {1: projects, 2: []})[0].digest
        return found

    assert digest([row(1)], SINCE) == digest([row(1)], NOW)
    assert digest([row(1)], SINCE) != digest([row(2)], SINCE)
    assert digest([]) != digest([], SINCE)
