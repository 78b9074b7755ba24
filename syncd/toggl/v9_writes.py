"""The Clients API v9: bare objects, clients addressed within their workspace. Source: v9 specification, "Clients"."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from syncd.records import Client, Project, Workspace
from syncd.toggl.dialect import Answer, Inquiry, Request
from syncd.toggl.v9 import WORKSPACES, whole_list
from syncd.toggl.v9_projects import PER_PAGE, SMALLEST_LIMIT
from syncd.toggl.v9_rows import client_rows, project_rows, workspace_rows
from syncd.toggl.writes import Active, ClientFields, Place, ask, row_of, rows_of, unreadable


class V9Clients:
    """See `syncd.toggl.writes.ClientsApi`."""

    name = "v9"
    by_id = False
    has_rates = False
    has_archive = True

    def places(self) -> Inquiry[list[Place] | None]:
        rows = rows_of((yield from ask(WORKSPACES)), workspace_rows)
        return [Place(row.id, row.name, row.organization) for row in rows]

    def clients(self, place: Place | None) -> Inquiry[list[Client]]:
        at = _known(place)
        request = whole_list(Workspace(at.id, at.name, organization=at.organization), "client")
        return rows_of((yield from ask(request)), client_rows)

    def client(self, place: Place | None, id_: int) -> Inquiry[Client]:
        return row_of((yield from ask(_address(_known(place), id_))), client_rows)

    def projects(self, place: Place | None, id_: int, active: Active) -> Inquiry[list[Project]]:
        """There is no list by client: the workspace's is asked for it, page by page until one is certainly the last."""
        at, found, page, is_last = _known(place), dict[int, Project](), 0, False
        while not is_last:
            page += 1
            query = (("active", active), ("client_ids", str(id_)), ("per_page", str(PER_PAGE)), ("page", str(page)))
            request = Request(f"/api/v9/workspaces/{at.id}/projects", query, organization=at.organization)
            rows = rows_of((yield from ask(request)), project_rows)
            is_last = len(rows) < SMALLEST_LIMIT or all(row.id in found for row in rows)
            found |= {row.id: row for row in rows}
        return [found[id_] for id_ in sorted(found)]

    def create(self, place: Place, fields: ClientFields) -> Inquiry[Client]:
        path = f"/api/v9/workspaces/{place.id}/clients"
        body = _encoded(name=fields.name, notes=fields.notes, wid=place.id)
        request = Request(path, method="POST", body=body, organization=place.organization)
        return row_of((yield from ask(request)), client_rows)

    def update(self, place: Place, client: Client, fields: ClientFields) -> Inquiry[Client]:
        """Name and notes are sent whether they change or not: the body is that of POST, where a name is required, and
        nobody says what becomes of a field that is left out."""
        name = client.name if fields.name is UNSET else fields.name
        notes = (client.notes or UNSET) if fields.notes is UNSET else fields.notes
        body = _encoded(name=name, notes=notes, wid=place.id)
        request = msgspec.structs.replace(_address(place, client.id), method="PUT", body=body)
        return row_of((yield from ask(request)), client_rows)

    def delete(self, place: Place, client: Client) -> Inquiry[None]:
        """The answer is the id, a bare number: 200 says as much."""
        yield from ask(msgspec.structs.replace(_address(place, client.id), method="DELETE"))

    def archive(self, place: Place, client: Client) -> Inquiry[list[int]]:
        answer = yield from ask(_call(place, client, "archive", None))
        return _ids(answer)

    def restore(self, place: Place, client: Client, projects: Sequence[int] | None) -> Inquiry[Client]:
        """Without a body no project is restored along."""
        body = _encoded(restore_all_projects=True) if projects is None else None
        if projects:
            body = _encoded(projects=list(projects))
        return row_of((yield from ask(_call(place, client, "restore", body))), client_rows)


def _known(place: Place | None) -> Place:
    if place is None:
        raise LookupError("clients have no address of their own in API v9")
    return place


def _address(place: Place, id_: int) -> Request:
    return Request(f"/api/v9/workspaces/{place.id}/clients/{id_}", organization=place.organization)


def _call(place: Place, client: Client, verb: str, body: bytes | None) -> Request:
    address = _address(place, client.id)
    return msgspec.structs.replace(address, path=f"{address.path}/{verb}", method="POST", body=body)


def _ids(answer: Answer) -> list[int]:
    """`null` is how the API writes an empty list."""
    try:
        return sorted(_id_list.decode(answer.body) or [])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        unreadable(answer, "not a list of ids")


_id_list = msgspec.json.Decoder(list[int] | None)


def _encoded(**fields: Any) -> bytes:
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not UNSET})
