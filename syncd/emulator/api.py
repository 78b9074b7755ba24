"""The whole API without a socket: `Api.answer` takes a request and gives the answer. No I/O.

    api = Api(world)
    answer = api.answer(Request("GET", "/api/v9/me/clients", basic(token)))

The server takes the same three steps one by one (`visit`, `refusal`, `perform`), because it reads a body only where
one is wanted. What is simulated in virtual time calls `answer`, and so meets the same rules.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple
from urllib.parse import unquote

from syncd.emulator.dialect import Answer, Ask, Dialect, Route
from syncd.emulator.gate import Gate
from syncd.emulator.gone import Gone
from syncd.emulator.limits import Meter
from syncd.emulator.model import World
from syncd.emulator.rows import User
from syncd.emulator.switches import Switches
from syncd.emulator.v8 import V8
from syncd.emulator.v9 import V9
from syncd.emulator.v9_wire import Quota

PASSWORD = "api_token"  # noqa: S105 (the API's literal: a token is the user name, and this its password)
BODIED = frozenset({"POST", "PUT"})
"""Methods whose body is read."""

Version = Literal["v8", "v9", "both"]
_PLAIN = Switches()


class Request(NamedTuple):
    """One request. `path_qs` is percent-encoded, `authorization` the header as it stands (None: not sent)."""

    method: str
    path_qs: str
    authorization: str | None = None
    body: bytes = b""
    content_type: str = "application/json"


class Visit(NamedTuple):
    """A request whose path and sender are known. `route` is None for an unknown path, `user` without a good token;
    `anonymous`: no credentials were sent at all."""

    method: str
    dialect: Dialect
    route: Route | None
    key: str
    user: User | None
    anonymous: bool


class Api:
    """The versions of the API over one world. A version that is switched off answers as it does once it is gone
    (v8: 410), or as if it had never been (v9: 404).

    Args:
        world: what is served.
        version: which versions are spoken.
        switches: how v9 behaves where nobody knows, and how both write empty lists.
        meter: counts requests against limits; None: nothing is limited.
        now: the present instant for limits, never going backwards; left out, it is the world's.

    Attributes:
        meter: as given; its ledger tells of each request that was counted.
    """

    def __init__(
        self,
        world: World,
        *,
        version: Version = "both",
        switches: Switches = _PLAIN,
        meter: Meter | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.world = world
        self.meter = meter
        self._gate = None if meter is None else Gate(world, meter, switches, now or world.now)
        self.versions = [name for name in ("v8", "v9") if version in {name, "both"}]
        spoken: dict[str, Dialect] = {}
        if "v8" in self.versions:
            spoken["v8"] = V8(world, null_lists=switches.null_lists)
        if "v9" in self.versions:
            spoken["v9"] = V9(world, switches, self.quota)
        self._elsewhere = next(iter(spoken.values()))
        dialects: tuple[Dialect, ...] = (*spoken.values(), Gone("/api/v8"))
        self._dialects = [(f"{dialect.prefix}/", dialect) for dialect in dialects]
        self._users: dict[str | None, User] = {}

    def answer(self, request: Request) -> Answer:
        """The answer to a request, from its arrival to its end."""
        path, _, query = request.path_qs.partition("?")
        visit = self.visit(request.method, path, request.authorization)
        body = request.body if request.method in BODIED else b""
        return self.refusal(visit) or self.perform(visit, query, request.content_type, body)

    def visit(self, method: str, path: str, authorization: str | None) -> Visit:
        """Who asks for what. `path` is percent-encoded and has no query. Nothing is counted yet."""
        if "%" in path:
            path = unquote(path)
        user = self._user(authorization)
        for prefix, dialect in self._dialects:
            if path.startswith(prefix):
                return Visit(method, dialect, *dialect.find(path), user, authorization is None)
        return Visit(method, self._elsewhere, None, "", user, authorization is None)

    def refusal(self, visit: Visit) -> Answer | None:
        """Why a request gets no further, if so. Checks in this order: path, method, token, limits; the rest is the
        dialect's. What gets as far as the limits counts, so ask once."""
        if visit.route is None:
            return visit.dialect.refuse(404, "Not found")
        if visit.method not in visit.route.calls:
            answer = visit.dialect.refuse(405, "Method not allowed")
            answer.headers = {"Allow": ", ".join(visit.route.calls)}
            return answer
        if visit.user is None:
            return visit.dialect.stranger(anonymous=visit.anonymous)
        return None if self._gate is None else self._gate.refusal(visit.user, visit.route, visit.key)

    def perform(self, visit: Visit, query: str = "", content_type: str = "", body: bytes = b"") -> Answer:
        """What comes of a request that was not refused."""
        if visit.route is None or visit.user is None:
            raise ValueError("this request was refused")
        answer = visit.route.calls[visit.method](Ask(visit.user, visit.key, query, content_type, body))
        return answer if self._gate is None else self._gate.stamped(answer, visit.user, visit.route, visit.key)

    def quota(self, user: User) -> list[Quota]:
        """How a user's quotas stand, as GET /me/quota tells it, but uncounted."""
        return [] if self._gate is None else self._gate.quota(user)

    def _user(self, authorization: str | None) -> User | None:
        """Whose token the header holds. Headers that were good once are remembered as they stand."""
        user = self._users.get(authorization)
        if user is None:
            token = _token(authorization or "")
            user = self.world.user_of_token(token) if token else None
            if user is not None:
                self._users[authorization] = user
        return None if user is None or user.is_revoked else user


def basic(token: str) -> str:
    """The Authorization header of a token."""
    return "Basic " + base64.b64encode(f"{token}:{PASSWORD}".encode()).decode()


def _token(authorization: str) -> str | None:
    """The token in a Basic header; None if it is of another kind, malformed, or has another password."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if password == PASSWORD else None
