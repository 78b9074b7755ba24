"""The Clients API itself, for whoever wants to write: what every API version has in common. Pure.

A version is a `ClientsApi`. Its calls are inquiries, as those of pulls are: they yield requests, are sent the answers,
and return records. At most one request of an inquiry is a write, and it is the last.
"""

import re
from collections.abc import Generator, Sequence
from decimal import Decimal
from typing import Any, Literal, NoReturn, Protocol, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from syncd.errors import ConfigError, ContractChanged, OutcomeUnknown, Refused, TokenRejected
from syncd.records import Client, Project, Reject, Workspace
from syncd.toggl.collector import Gone
from syncd.toggl.dialect import Answer, Inquiry, Request, raw_rows
from syncd.toggl.rows import RowReader, repair

Active = Literal["true", "false", "both"]
Row = TypeVar("Row", Client, Project, Workspace)

MESSAGE_CHARS = 300
"""What is shown of a server's own words."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_CURRENCY = re.compile(r"[A-Z]{3}")
_MONEY_LIMIT = Decimal("1e12")

_SILENT = {
    402: "the plan of the workspace does not include this",
    403: "the token may not do this, or is wrong",
    404: "there is no such thing, or the token does not see it",
    405: "the server does not offer this",
    410: "the server does not offer this any more",
}
"""What a status means where the server adds nothing."""


class Place(msgspec.Struct, frozen=True):
    """A workspace as an address. `organization`: whose quota its calls draw on. `is_pro` None: not known."""

    id: int
    name: str | None = None
    organization: int | None = None
    is_pro: bool | None = None

    def __str__(self) -> str:
        return f"{self.id} ({printable(self.name)})" if self.name else str(self.id)


class ClientFields(msgspec.Struct, frozen=True):
    """What to write of a client; UNSET is left as it is. `hourly_rate` per hour, in `currency`."""

    name: str | UnsetType = UNSET
    notes: str | UnsetType = UNSET
    hourly_rate: Decimal | UnsetType = UNSET
    currency: str | UnsetType = UNSET

    @property
    def has_rate(self) -> bool:
        return self.hourly_rate is not UNSET or self.currency is not UNSET


class ClientsApi(Protocol):
    """One API version. `place` may be None where `by_id`: clients have addresses of their own there.

    All inquiries raise Refused where the server says no, ContractChanged where its answer cannot be read, and
    OutcomeUnknown where that was the answer to a write.
    """

    name: str
    by_id: bool
    has_rates: bool
    has_archive: bool

    def places(self) -> Inquiry[list[Place] | None]:
        """The workspaces that the token sees; None: the server cannot list them."""
        ...

    def clients(self, place: Place | None) -> Inquiry[list[Client]]:
        """Clients of a workspace, or with None of all, archived ones too, by id."""
        ...

    def client(self, place: Place | None, id_: int, /) -> Inquiry[Client]: ...

    def projects(self, place: Place | None, id_: int, active: Active, /) -> Inquiry[list[Project]]:
        """Projects of a client: not archived ("true"), archived ("false") or both, by id."""
        ...

    def create(self, place: Place, fields: ClientFields) -> Inquiry[Client]: ...

    def update(self, place: Place, client: Client, fields: ClientFields, /) -> Inquiry[Client]: ...

    def delete(self, place: Place, client: Client, /) -> Inquiry[None]: ...

    def archive(self, place: Place, client: Client, /) -> Inquiry[list[int]]:
        """Archive a client; ids of the projects that were archived along."""
        ...

    def restore(self, place: Place, client: Client, projects: Sequence[int] | None, /) -> Inquiry[Client]:
        """Bring an archived client back, with these of its projects, or with None all of them."""
        ...


# -- before anything is sent ------------------------------------------------------------------------------------


def check_fields(api: ClientsApi, fields: ClientFields, *, creating: bool) -> None:
    """Refuse what the API would refuse, or would not understand.

    Raises:
        ConfigError: all mistakes, one sentence each.
    """
    problems = []
    if (creating and fields.name is UNSET) or (fields.name is not UNSET and not fields.name.strip()):
        problems.append("--name is required and must not be blank")
    if fields == ClientFields() and not creating:
        problems.append("nothing to change: give --name or --notes; the workspace of a client cannot be changed")
    if fields.has_rate and not api.has_rates:
        problems.append(f"--hourly-rate and --currency: API {api.name} knows no rates of clients")
    if fields.hourly_rate is not UNSET and not (
        fields.hourly_rate.is_finite() and 0 <= fields.hourly_rate < _MONEY_LIMIT
    ):
        problems.append("--hourly-rate must be an amount, 0 or more")
    if fields.currency is not UNSET and not _CURRENCY.fullmatch(fields.currency):
        problems.append("--currency must be three capital letters, such as EUR")
    if problems:
        raise ConfigError(problems)


def check_plan(place: Place, fields: ClientFields) -> None:
    """Rates are for workspaces on a paid plan only (v8 docs, "Clients": `hrate`, `cur`). Raises ConfigError."""
    if fields.has_rate and place.is_pro is False:
        raise ConfigError([f"--hourly-rate and --currency: the plan of workspace {place} has no rates of clients"])


def check_archive(api: ClientsApi) -> None:
    """Raises ConfigError where clients cannot be archived."""
    if not api.has_archive:
        refuse_archive(api.name)


def refuse_archive(version: str) -> NoReturn:
    """Raises ConfigError: this version cannot archive clients."""
    raise ConfigError([f'{version} knows no archived clients; they need [toggl] api = "v9"'])


# -- reading answers --------------------------------------------------------------------------------------------


def ask(request: Request) -> Generator[Sequence[Request], Sequence[Answer], Answer]:
    """One request; its answer if that is a success.

    Raises:
        TokenRejected: 401.
        Refused: any other 4xx, with the server's own words.
    """
    (answer,) = yield (request,)
    status = answer.http_status
    if status < 400:
        return answer
    said = message_of(answer.body, answer.content_type)
    if status == 401:
        raise TokenRejected(f"{request.path}: HTTP 401", http_status=401)
    if status == 402 and said:
        said += f" ({_SILENT[402]})"
    raise Refused(
        f"{request.path}: HTTP {status}: {said or _SILENT.get(status, 'no reason given')}", http_status=status
    )


def rows_of(answer: Answer, reader: "RowReader[Any, Row | Gone]") -> list[Row]:
    """The records of a list, by id, without those that the list itself calls deleted.

    Raises:
        ContractChanged: one of them cannot be read, or the list cannot.
    """
    body, repaired = repair(answer.body)
    found: dict[int, Row] = {}
    for raw in raw_rows(answer, body):
        row = _whole(answer, reader.read(raw, repaired=repaired))
        if not isinstance(row, Gone):
            found[row.id] = row
    return [found[id_] for id_ in sorted(found)]


def row_of(answer: Answer, reader: "RowReader[Any, Row | Gone]", envelope: str | None = None) -> Row:
    """The one record of an answer, inside `envelope` if there is one.

    Raises:
        ContractChanged: it cannot be read. OutcomeUnknown: neither could the answer to a write.
        Refused: it is there, and called deleted.
    """
    body, repaired = repair(answer.body)
    try:
        raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])[envelope] if envelope else msgspec.Raw(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        unreadable(answer, "not the object that was expected")
    row = _whole(answer, reader.read(raw, repaired=repaired))
    if isinstance(row, Gone):
        raise Refused(f"{answer.request.path}: it was deleted", http_status=answer.http_status)
    return row


def unreadable(answer: Answer, why: str) -> NoReturn:
    """Raises what an answer means that should have been a success and cannot be read."""
    error = OutcomeUnknown if answer.request.is_write else ContractChanged
    text = f"{answer.request.path}: HTTP {answer.http_status}, but the answer cannot be read: {why}"
    raise error(text, http_status=answer.http_status)


def _whole(answer: Answer, row: Row | Gone | Reject) -> Row | Gone:
    if isinstance(row, Reject):
        unreadable(answer, f"{row.reason}: {printable(row.detail)}")
    return row


def message_of(body: bytes, content_type: str) -> str:
    """What a server says in the body of an error, in one line; "" where it says nothing that is meant for people.

    v9 writes a JSON string, v8 an array of sentences; plain text was seen, nothing at all, and HTML from what stands
    in front of the API. The caller masks secrets.
    """
    text = body.decode("utf-8", "replace").strip()
    try:
        said = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        said = "" if "html" in content_type.lower() or text.startswith("<") else text
    sentences = said if isinstance(said, list) else [said]
    line = printable("; ".join(sentence.strip() for sentence in sentences if isinstance(sentence, str)))
    return line if len(line) <= MESSAGE_CHARS else line[:MESSAGE_CHARS] + "…"


def printable(text: str) -> str:
    """The text in one line, without what could move a terminal's cursor or turn its writing around."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())
