"""API v8: the retired dialect, still spoken by compatible servers and by our emulator.

Lists are bare arrays; fields without a value are left out. Facts below are from the vendor's v8 documentation
("Clients", "Workspaces", "Projects", "Tags") unless marked as seen by users.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from syncd.records import (
    Client,
    Extra,
    Project,
    R,
    Reject,
    Resource,
    Sighting,
    Snapshot,
    Strategy,
    Tag,
    Workspace,
    WorkspaceSnapshot,
)
from syncd.toggl.collector import Collector, Gone
from syncd.toggl.dialect import (
    Answer,
    Cost,
    Dialect,
    Digest,
    Inquiry,
    ListingPlan,
    Request,
    Walked,
    check_list,
    raw_rows,
)
from syncd.toggl.rows import UNREADABLE, Code, Hours, Id, Instant, RowReader, instant, money, repair

VERSION = "v8.1"
"""Changes when a row is read differently, so that stored digests no longer count."""

WORKSPACES = Request("/api/v8/workspaces")
CLIENTS = Request("/api/v8/clients")

_BOTH = (("active", "both"),)  # the default is `true`: archived projects would look deleted
_NOT_OFFERED = frozenset({404, 405})
_REFUSED = frozenset({403, 404, 405})  # 403: the listing is for workspace admins only


def workspace_clients(workspace_id: int) -> Request:
    return Request(f"/api/v8/workspaces/{workspace_id}/clients")


def workspace_projects(workspace_id: int) -> Request:
    return Request(f"/api/v8/workspaces/{workspace_id}/projects", _BOTH)


def whole_list(workspace_id: int, resource: Resource) -> Request:
    """All rows of one of LISTED in a workspace."""
    return Request(f"/api/v8/workspaces/{workspace_id}/{resource}s")


def client_projects(client_id: int) -> Request:
    return Request(f"/api/v8/clients/{client_id}/projects", _BOTH)


# -- what to ask ------------------------------------------------------------------------------------------------


class ProjectAnswers(NamedTuple):
    """How the projects of a workspace were listed, and what came: one answer, or one per client."""

    strategy: Strategy
    answers: Sequence[Answer]


class FetchedV8(NamedTuple):
    """`workspaces` None: the server has no such listing. `clients`: (workspace asked for, or None for all; answer).

    `wholes`: resource of LISTED -> workspace -> answer; only of those that are to be mirrored.
    """

    workspaces: Answer | None
    clients: Sequence[tuple[int | None, Answer]]
    projects: dict[int, ProjectAnswers]
    wholes: Mapping[Resource, Mapping[int, Answer]]

    def answers(self) -> list[Answer]:
        listed = [*([self.workspaces] if self.workspaces else []), *(answer for _, answer in self.clients)]
        listed += [answer for each in self.projects.values() for answer in each.answers]
        return listed + [answer for each in self.wholes.values() for answer in each.values()]

    @property
    def digest(self) -> bytes:
        total = Digest(VERSION)
        for answer in self.answers():
            total.add(answer)
        return total.value()

    @property
    def is_whole(self) -> bool:
        return True


def listing(plan: ListingPlan) -> Inquiry[FetchedV8]:
    """Ask for workspaces, clients, and the projects of each workspace by the strategy of `plan`; then for LISTED.

    Strategy `workspace`: one request per workspace; sees every project, needs an admin. Strategy `client`: the
    documented endpoint of the Clients API, one request per client; cannot see a project without client. `auto`: the
    first, and the second where the server refuses the first. A refusal is remembered for whoever is no admin: an admin
    asks every time, for what was refused to the member that it was shows rows that the second never will.
    """
    workspaces, everyone = yield (WORKSPACES, CLIENTS)
    offered = None if workspaces.http_status in _NOT_OFFERED else workspaces
    rows = _addresses(offered) if offered else []
    known, administered = {row.id for row in rows}, {row.id for row in rows if row.admin is True}
    clients: Sequence[tuple[int | None, Answer]] = [(None, everyone)]
    if everyone.http_status in _NOT_OFFERED and known:
        asked = sorted(w for w in known if plan.wants(w))
        clients = list(zip(asked, (yield [workspace_clients(w) for w in asked]), strict=True))

    by_workspace: dict[int, list[int]] = defaultdict(list)
    for asked_for, answer in clients:
        if asked_for is None or answer.http_status not in _REFUSED:
            for row in _addresses(answer):
                living = by_workspace[row.wid or 0]
                if row.server_deleted_at is None:  # what a deleted client had is refused, and would doubt all the rest
                    living.append(row.id)
    by_workspace.pop(0, None)  # rows without a workspace: `decode` puts them aside
    wanted = sorted(w for w in known | set(by_workspace) if plan.wants(w))

    projects: dict[int, ProjectAnswers] = {}
    listed = [w for w in wanted if _first_strategy(plan, w, is_admin=w in administered) == "workspace"]
    for workspace_id, answer in zip(listed, (yield [workspace_projects(w) for w in listed]), strict=True):
        if plan.projects == "workspace" or answer.http_status not in _REFUSED:
            projects[workspace_id] = ProjectAnswers("workspace", (answer,))
    rest = [w for w in wanted if w not in projects]
    answers = iter((yield [client_projects(c) for w in rest for c in by_workspace[w]]))
    for workspace_id in rest:
        projects[workspace_id] = ProjectAnswers("client", [next(answers) for _ in by_workspace[workspace_id]])
    wholes: dict[Resource, Mapping[int, Answer]] = {}
    for resource in (resource for resource in plan.resources if resource in LISTED):
        found = yield [whole_list(w, resource) for w in wanted]
        wholes[resource] = dict(zip(wanted, found, strict=True))
    return FetchedV8(offered, clients, {w: projects[w] for w in wanted}, wholes)


def price(plan: ListingPlan) -> Inquiry[Cost]:
    """What `listing` would ask, told from the list of workspaces, or of clients where that is missing."""
    (workspaces,) = yield (WORKSPACES,)
    more = sum(resource in LISTED for resource in plan.resources)
    if workspaces.http_status not in _NOT_OFFERED:
        known = {row.id for row in _addresses(workspaces) if plan.wants(row.id)}
        return Cost(len(known), 2 + len(known) * (1 + more), is_lower_bound=plan.projects != "workspace")
    (clients,) = yield (CLIENTS,)
    rows = [row for row in _addresses(clients) if row.wid is not None and plan.wants(row.wid)]
    known, places = {row.id for row in rows}, {row.wid for row in rows}
    return Cost(len(places), 2 + len(known) + len(places) * more, is_lower_bound=plan.projects != "client")


def _first_strategy(plan: ListingPlan, workspace_id: int, *, is_admin: bool) -> Strategy:
    is_refused = plan.remembered.get(workspace_id) == "client" and not is_admin
    return "client" if plan.projects == "client" or (plan.projects == "auto" and is_refused) else "workspace"


class _Address(msgspec.Struct, gc=False):
    id: Id
    wid: Id | None = None
    admin: Any = None
    server_deleted_at: Any = None


_address = msgspec.json.Decoder(_Address)
_address_list = msgspec.json.Decoder(list[_Address] | None)


def _addresses(answer: Answer) -> list[_Address]:
    """Ids of the rows that have one; `decode` puts the others aside. Raises as `raw_rows` does."""
    check_list(answer)
    body = repair(answer.body)[0]
    try:
        return _address_list.decode(body) or []
    except UNREADABLE:
        return [address for raw in raw_rows(answer, body) if (address := _address_of(raw)) is not None]


def _address_of(raw: msgspec.Raw) -> _Address | None:
    try:
        return _address.decode(raw)
    except UNREADABLE:
        return None


# -- how to read the answers ------------------------------------------------------------------------------------


class _WorkspaceRow(msgspec.Struct, gc=False):
    id: Id
    name: str
    admin: bool = False


class _ClientRow(msgspec.Struct, gc=False):
    id: Id
    wid: Id
    name: str
    at: Instant
    notes: str | None = None
    hrate: Decimal | None = None
    cur: Code | None = None
    server_deleted_at: Instant | None = None  # seen by users on deleted rows that a list still showed


class _ProjectRow(msgspec.Struct, gc=False):
    id: Id
    wid: Id
    name: str
    at: Instant
    cid: Id | None = None
    active: bool | None = None
    is_private: bool | None = None
    billable: bool | None = None
    template: bool | None = None
    color: Code | None = None
    rate: Decimal | None = None
    auto_estimates: bool | None = None
    estimated_hours: Hours | None = None
    actual_hours: Hours | None = None
    created_at: Instant | None = None
    server_deleted_at: Instant | None = None


class _TagRow(msgspec.Struct, gc=False):
    id: Id
    wid: Id
    name: str
    at: Instant | None = None  # not in the documentation's examples, seen by users
    server_deleted_at: Instant | None = None


def _workspace(row: _WorkspaceRow, _extra: Extra) -> Workspace:
    return Workspace(row.id, row.name, row.admin)


def _client(row: _ClientRow, extra: Extra) -> Client | Gone:
    if row.server_deleted_at is not None:
        return Gone(row.id, row.wid)
    rate = money(row.hrate, "hrate")
    return Client(row.id, row.wid, row.name, row.notes, rate, row.cur, None, instant(row.at, "at"), extra)


def _project(row: _ProjectRow, extra: Extra) -> Project | Gone:
    if row.server_deleted_at is not None:
        return Gone(row.id, row.wid)
    return Project(  # in the order of its fields: by their names takes four times as long
        row.id,
        row.wid,  # workspace_id
        row.cid,  # client_id
        row.name,
        row.active,
        row.is_private,
        row.billable,
        row.template,
        row.color,
        None,  # currency
        money(row.rate, "rate"),
        None,  # fixed_fee
        None if row.estimated_hours is None else row.estimated_hours * 3600,  # estimated_seconds
        row.auto_estimates,
        None,  # recurring
        None,  # status
        None,  # start_date
        None,  # end_date
        None if row.created_at is None else instant(row.created_at, "created_at"),
        None if row.actual_hours is None else row.actual_hours * 3600,  # actual_seconds
        instant(row.at, "at"),
        extra,
    )


def _tag(row: _TagRow, extra: Extra) -> Tag | Gone:
    if row.server_deleted_at is not None:
        return Gone(row.id, row.wid)
    return Tag(row.id, row.wid, row.name, None, row.at and instant(row.at, "at"), extra)


workspace_rows = RowReader("workspace", _WorkspaceRow, _workspace)
client_rows: RowReader[_ClientRow, Client | Gone] = RowReader("client", _ClientRow, _client)
project_rows: RowReader[_ProjectRow, Project | Gone] = RowReader("project", _ProjectRow, _project)
tag_rows: RowReader[_TagRow, Tag | Gone] = RowReader("tag", _TagRow, _tag)

LISTED: Mapping[Resource, RowReader[Any, Any]] = {"tag": tag_rows}
"""Resources that are listed whole, by one request per workspace."""


def decode(fetched: FetchedV8) -> Sighting:
    """Everything that the answers say, by workspace, with the verdict of each scope. Pure; equal input, equal output.

    Raises:
        TokenRejected, ContractChanged: an answer that no part of can be used.
    """
    known, rejects = _known_workspaces(fetched.workspaces)
    clients, projects = Collector(client_rows), Collector(project_rows)
    wholes: dict[Resource, Collector[Any]] = {resource: Collector(LISTED[resource]) for resource in fetched.wholes}
    for asked, answer in fetched.clients:
        _add(clients, answer, asked)
    for workspace_id, listed in fetched.projects.items():
        for answer in listed.answers:
            _add(projects, answer, workspace_id)
        if listed.strategy == "client":  # the projects of a client that we were not told of were not asked for
            for reason in clients.snapshot(workspace_id, "workspace").incomplete:
                projects.doubt(workspace_id, reason)
    for resource, answers in fetched.wholes.items():
        for workspace_id, answer in answers.items():
            _add(wholes[resource], answer, workspace_id)
    snapshots = []
    for workspace_id, listed in fetched.projects.items():
        scopes: dict[Resource, Snapshot[Any]] = {
            "client": clients.snapshot(workspace_id, "workspace"),
            "project": projects.snapshot(workspace_id, listed.strategy),
        }
        scopes |= {resource: rows.snapshot(workspace_id, "workspace") for resource, rows in wholes.items()}
        snapshots.append(WorkspaceSnapshot(known.get(workspace_id, Workspace(workspace_id, None)), scopes))
    collectors: list[Collector[Any]] = [clients, projects, *wholes.values()]
    return Sighting(snapshots, [*rejects, *(reject for rows in collectors for reject in rows.rejects)])


def _add(collector: Collector[R], answer: Answer, workspace_id: int | None) -> None:
    """One workspace or client that may not be listed costs its own snapshot the verdict, not the pull its life."""
    if workspace_id is not None and answer.http_status in _REFUSED:
        collector.doubt(workspace_id, f"http_{answer.http_status}")
    else:
        collector.add(answer, workspace_id)


def _known_workspaces(answer: Answer | None) -> tuple[dict[int, Workspace], list[Reject]]:
    if answer is None:
        return {}, []
    body, repaired = repair(answer.body)
    rows = [workspace_rows.read(raw, repaired=repaired) for raw in raw_rows(answer, body)]
    known = {row.id: row for row in rows if isinstance(row, Workspace)}
    return known, [row for row in rows if isinstance(row, Reject)]


def single(_workspace: Workspace, resource: Resource, id_: int) -> Request | None:
    """Ask for one client or project. A tag can be changed and deleted by its id, but not looked at."""
    if resource == "tag":
        return None
    return Request(f"/api/v8/{resource}s/{id_}")


def walk(workspace: Workspace) -> Inquiry[Walked]:
    """All projects of a workspace."""
    (answer,) = yield (workspace_projects(workspace.id),)
    projects = Collector(project_rows)
    _add(projects, answer, workspace.id)
    return Walked(projects.snapshot(workspace.id, "workspace"), projects.rejects)


class _Existence(msgspec.Struct):
    id: Id
    server_deleted_at: str | None = None


class _Single(msgspec.Struct):
    data: _Existence


def shows(answer: Answer, id_: int) -> bool:
    """Whether an answer has the object asked for, alive. Anything that cannot be read as such says nothing."""
    if answer.http_status != 200:
        return False
    try:
        found = msgspec.json.decode(repair(answer.body)[0], type=_Single).data
    except UNREADABLE:
        return False
    return found.id == id_ and found.server_deleted_at is None


DIALECT = Dialect(listing, decode, single, shows, price, walk, is_metered=False)
