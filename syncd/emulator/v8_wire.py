"""The words of API v8: what rows look like on the wire, and how request bodies are read. Pure.

Single objects travel in envelopes (`{"client": …}` in, `{"data": …}` out), lists are bare arrays. Fields without a
value are left out, never null (v8 docs).
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from syncd.emulator import palette
from syncd.emulator.rows import Client, Project, Tag, Workspace

MAX_ID = 2**63 - 1
_Id = Annotated[int, Meta(ge=1, le=MAX_ID)]

Active = Literal["true", "false", "both"]
_ACTIVE: dict[str, Active] = {"true": "true", "false": "false", "both": "both"}
_ACTIVE_QUERY: dict[str, Active] = {"": "true", **{f"active={value}": value for value in _ACTIVE.values()}}


class BadRequest(Exception):
    """What was sent cannot be read. Its text is fit to be sent back."""


class _Workspace(Struct, kw_only=True, omit_defaults=True):
    id: int
    name: str
    premium: bool
    admin: bool
    default_hourly_rate: float | None = None
    default_currency: str
    only_admins_may_create_projects: bool
    only_admins_see_billable_rates: bool
    rounding: int
    rounding_minutes: int
    at: str


class _Client(Struct, kw_only=True, omit_defaults=True):
    id: int
    wid: int
    name: str
    notes: str | None = None
    hrate: float | int | None = None
    cur: str | None = None
    at: str


class _Project(Struct, kw_only=True, omit_defaults=True):
    id: int
    wid: int
    cid: int | None = None
    name: str
    billable: bool
    is_private: bool
    active: bool
    template: bool | None = None
    auto_estimates: bool | None = None
    estimated_hours: int | None = None
    color: str | None = None
    rate: float | int | None = None
    at: str
    created_at: str | None = None


class _Tag(Struct):
    id: int
    wid: int
    name: str
    at: str


class ClientFields(Struct):
    """The client of a request body. Fields that v8 does not take from outside (id, at) are ignored, as unknown
    ones are; null is no value of any of them (assumed)."""

    name: str | UnsetType = UNSET
    wid: _Id | UnsetType = UNSET
    notes: str | UnsetType = UNSET
    hrate: float | UnsetType = UNSET
    cur: str | UnsetType = UNSET


class ProjectFields(Struct):
    """The project of a request body; read as `ClientFields` are."""

    name: str | UnsetType = UNSET
    wid: _Id | UnsetType = UNSET
    cid: _Id | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    is_private: bool | UnsetType = UNSET
    template: bool | UnsetType = UNSET
    template_id: _Id | UnsetType = UNSET
    billable: bool | UnsetType = UNSET
    auto_estimates: bool | UnsetType = UNSET
    estimated_hours: Annotated[int, Meta(ge=0, le=2**31 - 1)] | UnsetType = UNSET
    color: str | UnsetType = UNSET
    rate: float | UnsetType = UNSET

    def row(self) -> dict[str, Any]:
        """What was sent, under the names of a `Project`; without the workspace, which never changes. Raises
        BadRequest if the colour is not a number of the palette."""
        sent = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}
        if not palette.knows(sent.get("color", "0")):
            raise BadRequest("Invalid color")
        sent.pop("wid", None)
        if "cid" in sent:
            sent["client_id"] = sent.pop("cid")
        if "estimated_hours" in sent:
            sent["estimated_seconds"] = sent.pop("estimated_hours") * 3600
        return sent


class _ClientEnvelope(Struct):
    client: ClientFields


class _ProjectEnvelope(Struct):
    project: ProjectFields


_encode = msgspec.json.Encoder().encode
_decode_client = msgspec.json.Decoder(_ClientEnvelope).decode
_decode_project = msgspec.json.Decoder(_ProjectEnvelope).decode


def read_client(body: bytes) -> ClientFields:
    """The client in a request's envelope. Raises BadRequest: not JSON, no envelope, or a field of a wrong type."""
    try:
        return _decode_client(body).client
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(str(error)) from None


def read_project(body: bytes) -> ProjectFields:
    """The project in a request's envelope. Raises as `read_client` does."""
    try:
        return _decode_project(body).project
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(str(error)) from None


def read_ids(text: str) -> list[int]:
    """Ids out of a path, with commas between them. Raises as `read_id` does."""
    return [read_id(part) for part in text.split(",")]


def read_id(text: str) -> int:
    """An id out of a path. Raises BadRequest unless it is a positive 64-bit integer in plain digits."""
    if text.isascii() and text.isdigit() and len(text) <= 19 and 0 < int(text) <= MAX_ID:
        return int(text)
    raise BadRequest("Invalid id")


def read_active(query: str) -> Active:
    """The `active` of a query string, "true" if it is left out. Raises BadRequest on any other value, or two."""
    quick = _ACTIVE_QUERY.get(query)
    if quick is not None:
        return quick
    given = parse_qs(query, keep_blank_values=True).get("active", ["true"])
    if len(given) != 1 or given[0] not in _ACTIVE:
        raise BadRequest("active must be true, false or both")
    return _ACTIVE[given[0]]


def wants(active: Active, project: Project) -> bool:
    """Whether `active` asks for this project: "false" means the archived ones only."""
    return active == "both" or project.active == (active == "true")


def workspace(row: Workspace, *, admin: bool) -> Struct:
    """A workspace as one of its members sees it."""
    return _Workspace(
        id=row.id,
        name=row.name,
        premium=row.premium,
        admin=admin,
        default_hourly_rate=row.default_hourly_rate,
        default_currency=row.default_currency,
        only_admins_may_create_projects=row.only_admins_may_create_projects,
        only_admins_see_billable_rates=row.only_admins_see_billable_rates,
        rounding=row.rounding,
        rounding_minutes=row.rounding_minutes,
        at=row.at.isoformat(),
    )


def client(row: Client, *, rates: bool) -> Struct:
    """A client, with hrate and cur only if `rates`."""
    return _Client(
        id=row.id,
        wid=row.workspace_id,
        name=row.name,
        notes=row.notes,
        hrate=_number(row.hrate) if rates else None,
        cur=row.cur if rates else None,
        at=row.at.isoformat(),
    )


def project(row: Project, *, rates: bool) -> Struct:
    """A project, with its rate only if `rates`."""
    return _Project(
        id=row.id,
        wid=row.workspace_id,
        cid=row.client_id,
        name=row.name,
        billable=row.billable,
        is_private=row.is_private,
        active=row.active,
        template=row.template,
        auto_estimates=row.auto_estimates,
        estimated_hours=None if row.estimated_seconds is None else row.estimated_seconds // 3600,
        color=palette.id_of(row.color),
        rate=_number(row.rate) if rates else None,
        at=row.at.isoformat(),
        created_at=row.created_at.isoformat() if row.created_at else None,
    )


def tag(row: Tag) -> Struct:
    """A tag. The pages show none with `at`, users have seen it."""
    return _Tag(id=row.id, wid=row.workspace_id, name=row.name, at=row.at.replace(microsecond=0).isoformat())


def data(value: Struct) -> bytes:
    """One object in its envelope."""
    return _encode({"data": value})


def array(values: Iterable[Struct], *, empty: bytes = b"[]") -> bytes:
    """A list without envelope; `empty` is what a list of nothing looks like."""
    rows = list(values)
    return _encode(rows) if rows else empty


def messages(*texts: str) -> bytes:
    """The body of an error: a JSON array of sentences (v8 docs, for create and update; elsewhere assumed)."""
    return _encode(texts)


def _number(value: float | None) -> float | None:
    """Whole amounts without a fraction, as the v8 pages write them (`"hrate":12`)."""
    return int(value) if value is not None and value == int(value) else value
