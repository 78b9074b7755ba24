"""The Clients API v8: single objects in envelopes, clients addressed by their id alone. Source: v8 docs, "Clients"."""

from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec
from msgspec import UNSET

from syncd.errors import ContractChanged, Refused
from syncd.records import Client, Project
from syncd.toggl.dialect import Inquiry, Request, raw_rows
from syncd.toggl.rows import UNREADABLE, Id, repair
from syncd.toggl.v8 import CLIENTS, WORKSPACES, client_projects, client_rows, project_rows, workspace_clients
from syncd.toggl.writes import Active, ClientFields, Place, ask, refuse_archive, row_of, rows_of


class V8Clients:
    """See `syncd.toggl.writes.ClientsApi`."""

    name = "v8"
    by_id = True
    has_rates = True
    has_archive = False

    def places(self) -> Inquiry[list[Place] | None]:
        try:
            answer = yield from ask(WORKSPACES)
        except Refused as refused:
            if refused.http_status in (404, 405):
                return None
            raise
        try:
            rows = [_place_row.decode(raw) for raw in raw_rows(answer, repair(answer.body)[0])]
        except UNREADABLE as error:
            raise ContractChanged(f"{WORKSPACES.path}: a row cannot be read: {error}", http_status=200) from None
        return [Place(row.id, row.name, None, row.premium) for row in rows]

    def clients(self, place: Place | None) -> Inquiry[list[Client]]:
        """The list of one workspace is for its admins, that of all is for everybody."""
        try:
            rows = rows_of((yield from ask(CLIENTS)), client_rows)
        except Refused as refused:
            if refused.http_status not in (404, 405) or place is None:
                raise
            rows = rows_of((yield from ask(workspace_clients(place.id))), client_rows)
        return [row for row in rows if place is None or row.workspace_id == place.id]

    def client(self, _place: Place | None, id_: int) -> Inquiry[Client]:
        return row_of((yield from ask(_address(id_))), client_rows, "data")

    def projects(self, _place: Place | None, id_: int, active: Active) -> Inquiry[list[Project]]:
        request = msgspec.structs.replace(client_projects(id_), query=(("active", active),))
        return rows_of((yield from ask(request)), project_rows)

    def create(self, place: Place, fields: ClientFields) -> Inquiry[Client]:
        request = Request(CLIENTS.path, method="POST", body=_envelope(fields, wid=place.id))
        return row_of((yield from ask(request)), client_rows, "data")

    def update(self, _place: Place, client: Client, fields: ClientFields) -> Inquiry[Client]:
        request = msgspec.structs.replace(_address(client.id), method="PUT", body=_envelope(fields))
        return row_of((yield from ask(request)), client_rows, "data")

    def delete(self, _place: Place, client: Client) -> Inquiry[None]:
        """The body of the answer is not described, and not read."""
        yield from ask(msgspec.structs.replace(_address(client.id), method="DELETE"))

    def archive(self, _place: Place, _client: Client) -> NoReturn:
        refuse_archive(self.name)

    def restore(self, _place: Place, _client: Client, _projects: Sequence[int] | None) -> NoReturn:
        refuse_archive(self.name)


class _PlaceRow(msgspec.Struct):
    id: Id
    name: str | None = None
    premium: bool | None = None


_place_row = msgspec.json.Decoder(_PlaceRow)


def _address(id_: int) -> Request:
    return Request(f"/api/v8/clients/{id_}")


def _envelope(fields: ClientFields, **more: Any) -> bytes:
    rate = fields.hourly_rate
    written = {
        "name": fields.name,
        **more,
        "notes": fields.notes,
        "hrate": rate if rate is UNSET else int(rate) if rate == int(rate) else float(rate),
        "cur": fields.currency,
    }
    return msgspec.json.encode({"client": {key: value for key, value in written.items() if value is not UNSET}})
