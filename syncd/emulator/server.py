"""The emulator on a socket. It knows HTTP and no rule of the API: dialects answer, and faults spoil.

It stands on aiohttp's low-level server, without router and middlewares: a list that has not changed is found by two
look-ups in dictionaries and sent as the bytes it was rendered to.
"""

import asyncio
import base64
import binascii
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from itertools import count
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import unquote

from aiohttp import web

from syncd.emulator.dialect import Answer, Ask, Dialect, Route
from syncd.emulator.faults import Exchange, Faults
from syncd.emulator.model import World
from syncd.emulator.rows import User
from syncd.emulator.v8 import V8

CACHE_CONTROL = "no-cache, private, no-store, must-revalidate, max-stale=0, post-check=0, pre-check=0"
PASSWORD = "api_token"  # noqa: S105 (the API's literal: a token is the user name, and this its password)
UNKNOWN_PATH = "*"
CONTROL_PREFIX = "/_emulator"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Listener = Callable[[Handler], web.Server]


def plain_listener(handler: Handler) -> web.Server:
    """aiohttp's own."""
    return web.Server(handler, access_log=None)


class Line(NamedTuple):
    """One request in the log. `token` is the user's name, "" without a valid token; `http_status` is 0 where a
    fault sent no status line."""

    method: str
    path_qs: str
    token: str
    http_status: int


class _Target(NamedTuple):
    dialect: Dialect
    route: Route | None
    key: str


class Emulator:
    """A Toggl server over a world: `async with Emulator(world) as emulator: … emulator.url`.

    Args:
        world: what is served; it may be changed while it is.
        host, port: where to listen; port 0 takes a free one.
        null_lists: write empty lists as `null`, as the API was seen to do.
        gzip: pack answers for those who accept it.
        log_size: how many of the latest requests `log` keeps.
        listener: makes what accepts connections (the proxy has one of its own).

    Attributes:
        requests: path template ("/api/v8/clients/{client_id}") -> requests so far, of any method and outcome;
            "*" stands for unknown paths.
        log: the latest requests as `Line`s.
        faults: what is to go wrong.
        control: answers what begins with "/_emulator"; such requests are neither counted, logged nor spoilt.
    """

    def __init__(
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        null_lists: bool = False,
        gzip: bool = False,
        log_size: int = 10_000,
        listener: Listener = plain_listener,
    ) -> None:
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self.log: deque[Line] = deque(maxlen=log_size)
        self._address = (host, port)
        self.control: Handler | None = None
        self._listener = listener
        self._gzip = gzip
        self._null_lists = null_lists
        self.load(world)
        self._numbers = count(1)
        self._stopping = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    def load(self, world: World) -> None:
        """Serve another world from now on. Faults, counts and log stay."""
        self.world = world
        self._dialects: tuple[Dialect, ...] = (V8(world, null_lists=self._null_lists),)
        self._users: dict[str | None, User] = {}

    async def start(self) -> None:
        """Listen. Raises OSError if the address cannot be had."""
        self._stopping.clear()
        self._runner = web.ServerRunner(self._listener(self._serve), shutdown_timeout=2.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._address).start()
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop listening, end what still hangs, close all connections."""
        if self._runner is None:
            return
        # A connection between accept() and its transport is lost, with noise, if the server closes just then
        # (asyncio of CPython 3.11); it takes two turns of the loop, so let what has begun end.
        for _ in range(3):
            await asyncio.sleep(0)
        # First the door, then the guests: a client that is cut off likes to come back at once.
        for site in list(self._runner.sites):
            await site.stop()
        self._stopping.set()
        await self._runner.cleanup()
        self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Base URL, without a path. Raises RuntimeError before `start`."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the emulator is not running")
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    # One request ------------------------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path_qs = request.raw_path
        if path_qs[:1] != "/":  # the absolute form, which proxies send
            path_qs = request.rel_url.raw_path_qs
        path, _, query = path_qs.partition("?")
        if self.control is not None and path.startswith(CONTROL_PREFIX):
            return await self.control(request)
        user = self._user(request.headers.get("Authorization"))
        name = "" if user is None else user.name
        target = self._find(path)
        self.requests[UNKNOWN_PATH if target.route is None else target.route.template] += 1
        mishap = self.faults.take(request.method, path, name) if self.faults.script else None
        response: web.StreamResponse
        if mishap is None:
            response = self._response(request, await self._perform(request, target, user, query))
        else:
            perform = partial(self._perform, request, target, user, query)
            response = await mishap.send(Exchange(request, perform, self._stopping))
        self.log.append(Line(request.method, path_qs, name, response.status))
        return response

    def _user(self, authorization: str | None) -> User | None:
        """Whose token the header holds. Headers that were good once are remembered as they stand."""
        user = self._users.get(authorization)
        if user is None:
            token = _token(authorization or "")
            user = self.world.user_of_token(token) if token else None
            if user is not None:
                self._users[authorization] = user
        return None if user is None or user.is_revoked else user

    def _find(self, path: str) -> _Target:
        if "%" in path:
            path = unquote(path)
        for dialect in self._dialects:
            if path.startswith(dialect.prefix + "/"):
                return _Target(dialect, *dialect.find(path))
        return _Target(self._dialects[0], None, "")

    async def _perform(self, request: web.BaseRequest, target: _Target, user: User | None, query: str) -> Answer:
        """Carry the request out. Checks in this order: path, method, token, size; the rest is the dialect's."""
        dialect, route, key = target
        if route is None:
            return dialect.refuse(404, "Not found")
        call = route.calls.get(request.method)
        if call is None:
            answer = dialect.refuse(405, "Method not allowed")
            answer.headers = {"Allow": ", ".join(route.calls)}
            return answer
        if user is None:
            return dialect.refuse(403, "Invalid API token")
        if request.method not in {"POST", "PUT"}:
            return call(Ask(user, key, query))
        try:
            body = await _body(request)
        except web.HTTPRequestEntityTooLarge:
            return dialect.refuse(413, "Request is too large")
        return call(Ask(user, key, query, request.content_type, body))

    def _response(self, request: web.BaseRequest, answer: Answer) -> web.Response:
        headers = {
            "Content-Type": answer.content_type,
            "Cache-Control": CACHE_CONTROL,
            "X-Request-Id": f"{next(self._numbers):032x}",
        }
        if answer.headers:
            headers.update(answer.headers)
        body = answer.body
        if self._gzip and body:
            headers["Vary"] = "Accept-Encoding"
            if _accepts_gzip(request.headers.get("Accept-Encoding", "")):
                headers["Content-Encoding"] = "gzip"
                body = answer.packed()
        return web.Response(status=answer.status, body=body, headers=headers)


def announcement(world: World, url: str) -> dict[str, object]:
    """What a script must know to use the emulator: where it listens, what it speaks, whose tokens see what."""
    tokens = [
        {"name": name, "token": token, "workspaces": sorted(world.user(name).access)}
        for name, token in world.tokens.items()
    ]
    return {"url": url, "api": ["v8"], "tokens": tokens}


async def _body(request: web.BaseRequest) -> bytes:
    """The whole body, 1 MiB at most (aiohttp's limit)."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # curl waits a second for this
    return await request.read()


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


@lru_cache(maxsize=64)
def _accepts_gzip(accept_encoding: str) -> bool:
    for choice in accept_encoding.lower().split(","):
        coding, _, weight = choice.replace(" ", "").partition(";q=")
        if coding in {"gzip", "x-gzip", "*"}:
            return weight.strip("0.") != "" or weight == ""
    return False
