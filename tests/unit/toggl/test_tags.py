"""Tags, which are asked for where they are to be mirrored, and how both dialects read them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from syncd.records import ALWAYS, Resource, Snapshot, Tag, Workspace, WorkspaceSnapshot
from syncd.toggl import v8, v9
from syncd.toggl.dialect import Cost, ListingPlan
from tests.unit.toggl.answers import client, drive, refused

TAGS: tuple[Resource, ...] = (*ALWAYS, "tag")
PLAN = ListingPlan(resources=TAGS)
V9 = "/api/v9/workspaces/1"
V8 = "/api/v8/workspaces/1"
AT = datetime(2024, 12, 11, 17, 43, 57, 206072, tzinfo=UTC)
RECORDED = {"id": 14, "workspace_id": 1, "name": "billed", "creator_id": 216, "at": "2024-12-11T17:43:57.206072Z"}


def v9_world(tags: object) -> dict[str, object]:
    workspaces = [{"id": 1, "name": "One", "organization_id": 5}]
    return {"/api/v9/me/workspaces": workspaces, f"{V9}/clients": [], f"{V9}/projects": [], f"{V9}/tags": tags}


def v8_world(tags: object) -> dict[str, object]:
    workspaces = [{"id": 1, "name": "One"}]
    return {"/api/v8/workspaces": workspaces, "/api/v8/clients": [], f"{V8}/projects": [], f"{V8}/tags": tags}


def seen_v9(tags: object) -> WorkspaceSnapshot:
    (workspace,) = v9.decode(drive(v9.listing(PLAN), v9_world(tags))[0]).workspaces
    return workspace


def seen_v8(tags: object) -> WorkspaceSnapshot:
    (workspace,) = v8.decode(drive(v8.listing(PLAN), v8_world(tags))[0]).workspaces
    return workspace


def test_tags_are_asked_for_only_if_they_are_wanted() -> None:
    """One request per workspace; else not one, and no scope."""
    fetched, asked = drive(v9.listing(PLAN), v9_world([]))
    assert asked == ["/api/v9/me/workspaces", f"{V9}/clients", f"{V9}/tags", f"{V9}/projects"]
    assert list(v9.decode(fetched).workspaces[0].scopes) == list(TAGS)
    fetched, asked = drive(v9.listing(ListingPlan()), v9_world([]))
    assert asked == ["/api/v9/me/workspaces", f"{V9}/clients", f"{V9}/projects"]
    assert list(v9.decode(fetched).workspaces[0].scopes) == list(ALWAYS)
    old, asked = drive(v8.listing(PLAN), v8_world([]))
    assert asked == ["/api/v8/workspaces", "/api/v8/clients", f"{V8}/projects", f"{V8}/tags"]
    assert list(v8.decode(old).workspaces[0].scopes) == list(TAGS)
    old, asked = drive(v8.listing(ListingPlan()), v8_world([]))
    assert asked == ["/api/v8/workspaces", "/api/v8/clients", f"{V8}/projects"]
    assert list(v8.decode(old).workspaces[0].scopes) == list(ALWAYS)


def test_the_digest_stands_for_tags_too() -> None:
    """A tag that is renamed is a change."""
    before, after = (drive(v9.listing(PLAN), v9_world([{**RECORDED, "name": name}]))[0] for name in ("a", "b"))
    assert before.digest != after.digest
    old, new = (drive(v8.listing(PLAN), v8_world([client(14, name=name)]))[0] for name in ("a", "b"))
    assert old.digest != new.digest


def test_a_tag_of_v9() -> None:
    """To the microsecond; what has no column is kept, what depends on who asks is not."""
    more = {**RECORDED, "id": 15, "name": "urgent", "at": "2024-12-11T17:43:57.62207Z", "permissions": ["x"], "mood": 1}
    scope = seen_v9([RECORDED, more]).scopes["tag"]
    assert dict(scope.records) == {
        14: Tag(14, 1, "billed", 216, AT, None),
        15: Tag(15, 1, "urgent", 216, AT.replace(microsecond=622070), {"mood": 1}),
    }
    assert scope.is_complete


def test_a_tag_of_v8() -> None:
    """The documentation's examples have no `at`, answers may."""
    rows = [{"id": 14, "wid": 1, "name": "billed"}, {"id": 15, "wid": 1, "name": "x", "at": "2024-12-11T17:43:57Z"}]
    expected = {14: Tag(14, 1, "billed", None, None, None), 15: Tag(15, 1, "x", None, AT.replace(microsecond=0), None)}
    assert dict(seen_v8(rows).scopes["tag"].records) == expected


@pytest.mark.parametrize("body", [None, []])
def test_no_tags_are_a_complete_list(body: object) -> None:
    """`null` is how the API writes an empty list."""
    for scope in (seen_v9(body).scopes["tag"], seen_v8(body).scopes["tag"]):
        assert (dict(scope.records), scope.is_complete) == ({}, True)


@pytest.mark.parametrize("http_status", [403, 404, 405])
def test_tags_that_are_refused_cost_their_own_scope(http_status: int) -> None:
    """A server may have no such listing."""
    reason = (f"http_{http_status}",)
    expected = {"client": (), "project": (), "tag": reason}
    for found in (seen_v9(refused(f"{V9}/tags", http_status)), seen_v8(refused(f"{V8}/tags", http_status))):
        assert {resource: scope.incomplete for resource, scope in found.scopes.items()} == expected


def test_a_tag_that_the_source_calls_deleted_is_gone() -> None:
    """By either name."""
    for field in ("deleted_at", "server_deleted_at"):
        scope = seen_v9([{**RECORDED, field: "2024-12-12T10:00:00Z"}]).scopes["tag"]
        assert (dict(scope.records), scope.gone) == ({}, frozenset({14}))
    scope = seen_v8([client(14, server_deleted_at="2024-12-12T10:00:00Z")]).scopes["tag"]
    assert (dict(scope.records), scope.gone) == ({}, frozenset({14}))


def rejected(row: dict[str, Any]) -> tuple[list[tuple[str, str, str]], Snapshot[Any]]:
    sighting = v9.decode(drive(v9.listing(PLAN), v9_world([row, {**RECORDED, "id": 99}]))[0])
    return [(r.resource, r.key, r.reason) for r in sighting.rejects], sighting.workspaces[0].scopes["tag"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"name": 7}, "malformed"), ({"workspace_id": None}, "malformed"), ({"workspace_id": 2}, "foreign_workspace")],
)
def test_a_bad_tag_is_put_aside_alone(change: dict[str, Any], reason: str) -> None:
    """Its neighbour is kept, and the list proves no absence."""
    rejects, scope = rejected({**RECORDED, **change})
    assert rejects == [("tag", "14", reason)]
    assert (list(scope.records), scope.incomplete) == ([99], ("rejects",))


def test_the_same_tag_twice_without_a_time_is_a_doubt() -> None:
    """The list contradicts itself; the later row counts."""
    twins = [{"id": 14, "wid": 1, "name": name} for name in ("a", "b")]
    scope = seen_v8(twins).scopes["tag"]
    assert (scope.records[14].name, scope.incomplete) == ("b", ("duplicates",))


def test_tags_have_their_price() -> None:
    """One request per workspace."""
    rows = [{"id": 1, "name": "a", "organization_id": 10}, {"id": 2, "name": "b", "organization_id": 10}]
    cost, _ = drive(v9.price(PLAN), {"/api/v9/me/workspaces": rows})
    assert cost == Cost(2, 7, is_lower_bound=True, by_organization={10: 6})
    cost, _ = drive(v8.price(PLAN), {"/api/v8/workspaces": rows})
    assert (cost.workspaces, cost.requests) == (2, 2 + 2 + 2)
    cost, _ = drive(v8.price(PLAN), {"/api/v8/clients": [client(11), client(12), client(21, wid=2)]})
    assert (cost.workspaces, cost.requests) == (2, 2 + 3 + 2)


def test_a_single_tag_cannot_be_asked_for() -> None:
    """Neither version documents it: a deletion is proven by lists alone."""
    assert v9.single(Workspace(1, "One"), "tag", 14) is None
