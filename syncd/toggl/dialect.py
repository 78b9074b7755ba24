"""What every API version has in common: requests, answers, and reading them without any I/O.

A dialect is a few functions. `listing()` is a generator: it yields batches of requests, is sent their answers in the
same order, and returns everything it asked for as a `Fetched`. `decode()` turns that into records. Between the two
lies the digest: equal digests mean equal answers, so nothing needs decoding. `price()` tells the cost of a pull.
"""

import base64
import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from syncd.errors import ContractChanged, TokenRejected
from syncd.records import ALWAYS, Cursor, Project, Reject, Resource, Sighting, Snapshot, Strategy, Workspace
from syncd.toggl.rows import UNREADABLE
from syncd.toggl.salvage import split_rows


class Request(msgspec.Struct, frozen=True):
    """One call, relative to the base URL. `body`: JSON, for POST and PUT.

    `organization`: whose hourly quota the call draws on; None: the user's own. v8 has no quotas.
    """

    path: str
    query: tuple[tuple[str, str], ...] = ()
    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    body: bytes | None = None
    organization: int | None = None

    @property
    def is_write(self) -> bool:
        """It may change something, so that it must not be repeated blindly."""
        return self.method != "GET"


class Answer(msgspec.Struct, frozen=True):
    """A final answer: 2xx or a 4xx that speaks about this request only.

    `framed`: the end of the body was marked, by Content-Length or a last chunk. A body that ends with the connection
    may have lost its tail without anybody noticing: good for upserts, no proof of absence. `date`: the server's clock
    when it answered, None where it did not say.
    """

    request: Request
    http_status: int
    body: bytes
    content_type: str = "application/json"
    framed: bool = True
    date: datetime | None = None


class Fetched(Protocol):
    """All answers of a pull."""

    @property
    def digest(self) -> bytes:
        """16 bytes that stand for all answers and for the decoder that would read them; see `Digest`."""
        ...

    @property
    def is_whole(self) -> bool:
        """Everything was listed, not only what changed."""
        ...


T_co = TypeVar("T_co", covariant=True)
Inquiry = Generator[Sequence[Request], Sequence[Answer], T_co]
"""Yields batches of requests, is sent their answers in the same order, returns what it wanted to know."""


class Walked(NamedTuple):
    """All projects of one workspace, and the rows that could not be read."""

    projects: Snapshot[Project]
    rejects: Sequence[Reject]


class Cost(msgspec.Struct, frozen=True):
    """What a pull costs in requests, as far as one cheap request tells. `is_lower_bound`: it may be more.

    `by_organization`: the requests that draw on the quota of each; the rest draws on the user's own.
    """

    workspaces: int
    requests: int
    is_lower_bound: bool
    by_organization: Mapping[int, int] = msgspec.field(default_factory=dict)


class Dialect(NamedTuple):
    """One API version: what to ask, and how to read what came.

    `single` asks for one object by its id, None where such have no address of their own; `shows` tells whether the
    answer has it, alive. `walk` lists all projects of one workspace. `is_metered`: requests are counted against a
    quota, so that one token had better ask for all. `whose` asks for the id of the token's user, whose quota it is,
    `allowance` for the requests that an hour has: organization, or 0 for the user's own -> requests. None where the API
    has none.
    """

    listing: "Callable[[ListingPlan], Inquiry[Fetched]]"
    decode: Callable[[Any], Sighting]
    single: "Callable[[Workspace, Resource, int], Request | None]"
    shows: "Callable[[Answer, int], bool]"
    price: "Callable[[ListingPlan], Inquiry[Cost]]"
    walk: "Callable[[Workspace], Inquiry[Walked]]"
    is_metered: bool
    whose: "Callable[[], Inquiry[int | None]] | None" = None
    allowance: "Callable[[], Inquiry[Mapping[int, int]]] | None" = None


class ListingPlan(msgspec.Struct, frozen=True):
    """How to list: `projects` as configured; `only`: workspaces to mirror, empty = all that the token sees.

    `remembered`: workspaces whose listing of projects the server refused earlier, so that `auto` need not ask again.
    `cursors`: workspaces of whose projects the changes will do, if the rights are the same. `left`: workspaces that are
    left to another token. `resources`: what to list, in the order of RESOURCES.
    """

    projects: str = "auto"
    only: frozenset[int] = frozenset()
    remembered: Mapping[int, Strategy] = msgspec.field(default_factory=dict)
    cursors: Mapping[int, Cursor] = msgspec.field(default_factory=dict)
    left: frozenset[int] = frozenset()
    resources: tuple[Resource, ...] = ALWAYS

    def wants(self, workspace_id: int) -> bool:
        return not self.only or workspace_id in self.only


def basic_auth(token: str) -> str:
    """The Authorization header of a personal API token. Source: Toggl API docs, "Authentication"."""
    return "Basic " + base64.b64encode(f"{token}:api_token".encode()).decode("ascii")


class Digest:
    """Stands for answers, and for the decoder that would read them (`version`): equal digests, equal answers.

    A decoder that learns to read more must see old answers again, hence the version.
    """

    def __init__(self, version: str) -> None:
        self._total = hashlib.blake2b(version.encode(), digest_size=16)

    def add(self, answer: Answer) -> None:
        """Count one answer in; the order matters, and that only changes were asked for, but not from when on."""
        request, size = answer.request, len(answer.body)
        query = [(name, "" if name == "since" else value) for name, value in request.query]
        head = f"\n{request.path} {query} {answer.http_status} {answer.content_type} {answer.framed} {size}\n"
        self._total.update(head.encode())
        self._total.update(answer.body)

    def value(self) -> bytes:
        """16 bytes."""
        return self._total.digest()


def check_list(answer: Answer) -> None:
    """Whether an answer can be a list at all.

    Raises:
        TokenRejected: 401 or 403.
        ContractChanged: any other status, or not JSON.
    """
    where = answer.request.path
    if answer.http_status in (401, 403):
        raise TokenRejected(f"{where}: HTTP {answer.http_status}", http_status=answer.http_status)
    if answer.http_status != 200:
        raise ContractChanged(f"{where}: unexpected HTTP {answer.http_status}", http_status=answer.http_status)
    if answer.content_type != "application/json":
        raise ContractChanged(f"{where}: {answer.content_type or 'no content type'} instead of JSON", http_status=200)


def raw_rows(answer: Answer, body: bytes) -> list[msgspec.Raw]:
    """The rows of a list answer, undecoded, so that a malformed one cannot stop its neighbours.

    `body`: that of the answer, after repair. `null` is how the API writes an empty list (seen for v8 and v9).

    Raises:
        TokenRejected, ContractChanged: see `check_list`; ContractChanged too if it is not a list, or one that is broken
            elsewhere than within its rows.
    """
    check_list(answer)
    where = answer.request.path
    try:
        return _ROWS.decode(body) or []
    except msgspec.ValidationError:
        raise ContractChanged(f"{where}: not a list", http_status=200) from None
    except UNREADABLE as error:
        rows = None if isinstance(error, RecursionError) else split_rows(body)
        if rows is None:
            raise ContractChanged(f"{where}: broken JSON, {len(body)} bytes", http_status=200) from None
        return [msgspec.Raw(row) for row in rows]


_ROWS = msgspec.json.Decoder(list[msgspec.Raw] | None)
