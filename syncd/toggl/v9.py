"""API v9: what a real account speaks today. Which requests to make; `v9_rows` reads what comes.

One request of the user's own, small budget tells the workspaces; all others draw on the budget of the organization
that a workspace belongs to. Lists are bare arrays, an empty one may be `null`. There is no list of changed clients or
tags per workspace, so these are listed whole at each pull; projects are asked for by what changed where that will do.
Facts are from the vendor's v9 specification ("Clients", "Projects", "Tags", "Me") unless marked as seen by users.
"""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from syncd.errors import TokenRejected
from syncd.packed import SMALL_BLOCK
from syncd.records import Reject, Resource, Sighting, Snapshot, Workspace, WorkspaceSnapshot
from syncd.toggl import v9_rows
from syncd.toggl.collector import Collector
from syncd.toggl.dialect import Answer, Cost, Dialect, Digest, Inquiry, ListingPlan, Request, Walked, raw_rows
from syncd.toggl.rows import UNREADABLE, Id, RowReader, repair
from syncd.toggl.v9_projects import PER_PAGE, REFUSED, ProjectWalk

VERSION = "v9.1"
"""Changes when a row is read differently, so that stored digests no longer count."""

ME = Request("/api/v9/me")
WORKSPACES = Request("/api/v9/me/workspaces")
QUOTA = Request("/api/v9/me/quota")

ELSEWHERE = -1
"""An organization whose id nobody told, and which is not the user's own bucket all the same."""


class Listed(NamedTuple):
    """A resource that is listed whole, by one request per workspace. `query`: what it takes to be shown all."""

    reader: RowReader[Any, Any]
    query: tuple[tuple[str, str], ...] = ()


LISTED: Mapping[Resource, Listed] = {
    "client": Listed(v9_rows.client_rows, (("status", "both"),)),  # the default hides archived ones: they look deleted
    "tag": Listed(v9_rows.tag_rows),
}
"""All but projects, which are walked page by page."""


def whole_list(workspace: Workspace, resource: Resource) -> Request:
    """All rows of a resource in a workspace."""
    path = f"/api/v9/workspaces/{workspace.id}/{resource}s"
    return Request(path, LISTED[resource].query, organization=workspace.organization)


class FetchedV9(NamedTuple):
    """What was read while it was fetched: a page is as much as needs to be kept of the source's words at once."""

    digest: bytes
    is_whole: bool
    sighting: Sighting


def listing(plan: ListingPlan) -> Inquiry[FetchedV9]:
    """Ask for workspaces, then for what is to be mirrored of each, side by side, one page of each at a time.

    The `projects` strategy of `plan` is no matter: every member may list the projects of a workspace.

    Raises:
        TokenRejected, ContractChanged: an answer that no part of can be used.
    """
    digest = Digest(VERSION)
    (answer,) = yield (WORKSPACES,)
    digest.add(answer)
    workspaces, rejects = _workspaces(answer)
    welcome = [workspace for workspace in workspaces if plan.wants(workspace.id)]
    wanted = [workspace for workspace in welcome if workspace.id not in plan.left]
    walks = [ProjectWalk(workspace, plan.cursors.get(workspace.id), digest) for workspace in wanted]
    listed = [resource for resource in plan.resources if resource in LISTED]
    lists: dict[Resource, Collector[Any]] = {r: Collector(LISTED[r].reader, SMALL_BLOCK) for r in listed}
    asked = [(resource, workspace) for workspace in wanted for resource in lists]
    answers = yield [whole_list(workspace, resource) for resource, workspace in asked]
    for (resource, workspace), answer in zip(asked, answers, strict=True):
        _add(lists[resource], workspace, answer, digest)
    yield from _walk_all(walks)
    snapshots = []
    for walk in walks:
        scopes: dict[Resource, Snapshot[Any]] = {"project": walk.snapshot()}
        scopes |= {resource: rows.snapshot(walk.workspace.id, "workspace") for resource, rows in lists.items()}
        snapshots.append(WorkspaceSnapshot(walk.workspace, {resource: scopes[resource] for resource in plan.resources}))
    collectors = [*lists.values(), *(walk.projects for walk in walks)]
    rejects += [reject for collector in collectors for reject in collector.rejects]
    is_whole = not any(walk.is_delta for walk in walks)
    left = [workspace.id for workspace in welcome if workspace.id in plan.left]
    return FetchedV9(digest.value(), is_whole, Sighting(snapshots, rejects, left))


def decode(fetched: FetchedV9) -> Sighting:
    """Everything that the answers say; see `FetchedV9`."""
    return fetched.sighting


def walk(workspace: Workspace) -> Inquiry[Walked]:
    """All projects of a workspace."""
    whole = ProjectWalk(workspace, None, Digest(VERSION))
    yield from _walk_all([whole])
    return Walked(whole.snapshot(), whole.projects.rejects)


def price(plan: ListingPlan) -> Inquiry[Cost]:
    """What `listing` of everything would ask, as far as the list of workspaces tells: it counts active projects only.

    Source: v9 specification, "Me", `active_project_count`.
    """
    (answer,) = yield (WORKSPACES,)
    rows = [row for row in _sizes(answer) if plan.wants(row.id)]
    spent: Counter[int] = Counter()
    for row in rows:
        spent[row.organization_id or ELSEWHERE] += len(plan.resources) + (row.active_project_count or 0) // PER_PAGE
    return Cost(len(rows), 1 + spent.total(), is_lower_bound=True, by_organization=dict(spent))


def allowance() -> Inquiry[dict[int, int]]:
    """What each bucket of the user holds an hour; nothing where the source does not say.

    Source: v9 specification of 2026, "Me", quota: an organization that is null is the user's own bucket.
    """
    (answer,) = yield (QUOTA,)
    try:
        found = msgspec.json.decode(answer.body, type=list[_Bucket] | None) if answer.http_status == 200 else None
    except UNREADABLE:
        found = None
    return {bucket.organization_id or 0: bucket.total for bucket in found or ()}


def single(workspace: Workspace, resource: Resource, id_: int) -> Request | None:
    """Ask for one client or project. A tag can be changed and deleted by its id, but not looked at."""
    if resource == "tag":
        return None
    return Request(f"/api/v9/workspaces/{workspace.id}/{resource}s/{id_}", organization=workspace.organization)


class _Existence(msgspec.Struct):
    id: Id
    server_deleted_at: str | None = None


def shows(answer: Answer, id_: int) -> bool:
    """Whether an answer has the object asked for, alive. Anything that cannot be read as such says nothing."""
    if answer.http_status != 200:
        return False
    try:
        found = msgspec.json.decode(repair(answer.body)[0], type=_Existence)
    except UNREADABLE:
        return False
    return found.id == id_ and found.server_deleted_at is None


def _workspaces(answer: Answer) -> tuple[list[Workspace], list[Reject]]:
    """Those that the token sees, ascending, and rows that could not be read."""
    body, repaired = repair(answer.body)
    rows = [v9_rows.workspace_rows.read(raw, repaired=repaired) for raw in raw_rows(answer, body)]
    known = {row.id: row for row in rows if isinstance(row, Workspace)}
    return [known[id_] for id_ in sorted(known)], [row for row in rows if isinstance(row, Reject)]


def _add(rows: Collector[Any], workspace: Workspace, answer: Answer, digest: Digest) -> None:
    """A list that is refused costs its own snapshot the verdict, not the pull its life."""
    digest.add(answer)
    if answer.http_status in REFUSED:
        rows.doubt(workspace.id, f"http_{answer.http_status}")
    else:
        rows.add(answer, workspace.id)


def _walk_all(walks: Sequence[ProjectWalk]) -> Inquiry[None]:
    """Drive walks side by side, each with one request at a time, for its next question hangs on the last answer."""
    while open_walks := [(walk, walk.request) for walk in walks if walk.request is not None]:
        answers = yield [request for _, request in open_walks]
        for (walk, _), answer in zip(open_walks, answers, strict=True):
            walk.take(answer)


class _Bucket(msgspec.Struct):
    total: int
    organization_id: int | None = None


class _Size(msgspec.Struct):
    id: Id
    active_project_count: int | None = None
    organization_id: int | None = None


def _sizes(answer: Answer) -> list[_Size]:
    found: list[_Size] = []
    for raw in raw_rows(answer, repair(answer.body)[0]):
        with contextlib.suppress(*UNREADABLE):
            found.append(msgspec.json.decode(raw, type=_Size))
    return found


class _User(msgspec.Struct):
    id: Id


def whose() -> Inquiry[int | None]:
    """The id of the token's user; None where the answer does not tell.

    The answer holds the token, an e-mail address and hashes that open other doors: nothing but the id is decoded.

    Raises:
        TokenRejected: 401 or 403.
    """
    (answer,) = yield (ME,)
    if answer.http_status in (401, 403):
        raise TokenRejected(f"{ME.path}: HTTP {answer.http_status}", http_status=answer.http_status)
    try:
        return msgspec.json.decode(answer.body, type=_User).id if answer.http_status == 200 else None
    except UNREADABLE:
        return None


DIALECT = Dialect(listing, decode, single, shows, price, walk, is_metered=True, whose=whose, allowance=allowance)
