"""How requests of API v9 are read: query strings and bodies. Pure; all raise BadRequest for what cannot be read.

Parameters that are not known are ignored. A body counts as JSON whatever its Content-Type says (assumed).
"""

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qs

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from syncd.emulator.rows import Recurrence

MAX_ID = 2**63 - 1
PER_PAGE = 151
MAX_PER_PAGE = 200
PER_KEYSET_PAGE = 201

Active = Literal["true", "false", "both"]
Status = Literal["active", "archived", "both"]
T = TypeVar("T")
Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
Hours = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Amount = Annotated[float, Meta(ge=0, le=1e12)]


class BadRequest(Exception):
    """What was sent cannot be read. Its text is fit to be sent back."""


# Queries -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProjectQuery:
    """What GET /workspaces/{wid}/projects was asked for. Empty sets and None are no filter."""

    active: Active
    since: int | None
    page: int
    per_page: int
    name: str
    billable: bool | None
    client_ids: frozenset[int]
    project_ids: frozenset[int]
    statuses: frozenset[str]
    only_templates: bool
    sort_field: str
    descending: bool


class Query:
    """The parameters of a query string, each at most once."""

    def __init__(self, query: str) -> None:
        self._values = parse_qs(query, keep_blank_values=True) if query else {}

    def text(self, name: str) -> str:
        """The parameter's text, "" if it is left out. Raises BadRequest if it is given twice."""
        values = self._values.get(name, [""])
        if len(values) != 1:
            raise BadRequest(f"Invalid {name}")
        return values[0]

    def flag(self, name: str) -> bool | None:
        """None if it is left out."""
        if name not in self._values:
            return None
        return self.choice(name, {"true": True, "false": False})

    def choice(self, name: str, choices: dict[str, T], default: str = "") -> T:
        """What the parameter's text stands for; `default` is the text of one that is left out."""
        text = self.text(name) if name in self._values else default
        if text not in choices:
            raise BadRequest(f"Invalid {name}")
        return choices[text]

    def number(self, name: str, *, least: int = 0) -> int | None:
        """None if it is left out."""
        if name not in self._values:
            return None
        value = whole(self.text(name))
        if value is None or value < least:
            raise BadRequest(f"Invalid {name}")
        return value

    def numbers(self, name: str) -> frozenset[int]:
        """Numbers with commas between them."""
        values = [whole(part) for part in self.text(name).split(",") if part]
        if None in values:
            raise BadRequest(f"Invalid {name}")
        return frozenset(value for value in values if value is not None)


@lru_cache(maxsize=1024)
def projects(query: str) -> ProjectQuery:
    """The query of a project list. The last few parameters of the documented ones change nothing, but are checked."""
    sent = Query(query)
    for name in ("sort_pinned", "only_me", "only_editable"):
        sent.flag(name)
    for name in ("user_ids", "group_ids"):
        sent.numbers(name)
    return ProjectQuery(
        active=sent.choice("active", _ACTIVE, "both"),
        since=sent.number("since"),
        page=sent.number("page", least=1) or 1,
        per_page=sent.number("per_page", least=1) or PER_PAGE,
        name=(sent.text("name") or sent.text("search")).casefold(),
        billable=sent.flag("billable"),
        client_ids=sent.numbers("client_ids"),
        project_ids=sent.numbers("project_ids"),
        statuses=frozenset(filter(None, sent.text("statuses").split(","))),
        only_templates=sent.flag("only_templates") or False,
        sort_field=sent.text("sort_field"),
        descending=sent.text("sort_order").casefold() == "desc",
    )


def status(query: Query) -> Status:
    """Which clients a list is to have."""
    try:
        return query.choice("status", _STATUS, "active")
    except BadRequest:
        raise BadRequest("Client status is invalid") from None


def whole(text: str) -> int | None:
    """A number in plain digits, up to 64 bits; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_ID else None


# Bodies ------------------------------------------------------------------------------------------------------


class ClientFields(Struct):
    """The body of POST and PUT on clients. Checked only: external_reference."""

    name: str | UnsetType = UNSET
    notes: str | UnsetType = UNSET
    external_reference: str | UnsetType = UNSET
    wid: Id | UnsetType = UNSET


class ProjectFields(Struct):
    """The body of POST and PUT on projects. Checked only: is_shared, rate_change_mode."""

    name: str | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    client_id: Id | UnsetType | None = UNSET
    cid: Id | UnsetType | None = UNSET
    client_name: str | UnsetType = UNSET
    color: str | UnsetType = UNSET
    is_private: bool | UnsetType = UNSET
    is_shared: bool | UnsetType = UNSET
    start_date: str | UnsetType = UNSET
    end_date: str | UnsetType = UNSET
    billable: bool | UnsetType = UNSET
    auto_estimates: bool | UnsetType = UNSET
    estimated_hours: Hours | UnsetType = UNSET
    rate: Amount | UnsetType = UNSET
    rate_change_mode: Literal["start-today", "override-current", "override-all"] | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    fixed_fee: Amount | UnsetType = UNSET
    recurring: bool | UnsetType = UNSET
    recurring_parameters: Recurrence | UnsetType = UNSET
    template: bool | UnsetType = UNSET
    template_id: Id | UnsetType = UNSET


class Restore(Struct):
    """The body of a client's restore, which may be left out."""

    restore_all_projects: bool = False
    projects: list[Id] = []


PAID = (
    "billable", "auto_estimates", "estimated_hours", "rate", "currency", "fixed_fee", "recurring",
    "recurring_parameters", "template", "template_id",
)  # fmt: skip
"""Fields of a project that only paid plans have."""


def body(raw: bytes, kind: type[T]) -> T:
    """A body of that kind. Published libraries send null for what they leave out; only a client is taken away by it."""
    try:
        sent = msgspec.json.decode(raw)
        if isinstance(sent, dict):
            sent = {name: value for name, value in sent.items() if value is not None or name in _CLEARED_BY_NULL}
        return msgspec.convert(sent, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(str(error)) from None


def project_row(sent: ProjectFields) -> dict[str, Any]:
    """The fields of a `Project` that were sent, under its own names; the client is left out."""
    row: dict[str, Any] = {}
    for name in _AS_THEY_ARE:
        if (value := getattr(sent, name)) is not UNSET:
            row[name] = value
    if sent.color is not UNSET and not re.fullmatch("#[0-9a-f]{6}", sent.color):
        raise BadRequest("Color must be #rrggbb")
    for name, text in (("start_date", sent.start_date), ("end_date", sent.end_date)):
        if text is not UNSET:
            row[name] = _day(name, text)
    if sent.currency is not UNSET:
        row["currency"] = _currency(sent.currency)
    if sent.estimated_hours is not UNSET:
        row["estimated_seconds"] = sent.estimated_hours * 3600
    if sent.recurring_parameters is not UNSET:
        if any("\0" in text for text in msgspec.structs.astuple(sent.recurring_parameters) if isinstance(text, str)):
            raise BadRequest("Invalid recurring_parameters")
        row["recurring_parameters"] = (sent.recurring_parameters,)
    return row


def _day(name: str, text: str) -> date | None:
    """ "" takes the date away."""
    try:
        return msgspec.convert(text, date) if text else None
    except msgspec.ValidationError:
        raise BadRequest(f"Invalid {name}") from None


def _currency(text: str) -> str | None:
    if text and not (text.isascii() and text.isalpha() and len(text) == 3):
        raise BadRequest("Invalid currency")
    return text.upper() or None


_CLEARED_BY_NULL = {"client_id", "cid"}
_ACTIVE: dict[str, Active] = {"true": "true", "false": "false", "both": "both"}
_STATUS: dict[str, Status] = {"active": "active", "archived": "archived", "both": "both"}
_AS_THEY_ARE = (
    "name", "active", "color", "is_private", "billable", "auto_estimates", "rate", "fixed_fee", "recurring",
    "template", "template_id",
)  # fmt: skip
