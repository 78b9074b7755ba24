"""The emulator on a socket. It knows HTTP and no rule of the API: dialects answer, and faults spoil.

It stands on aiohttp's low-level server, without router and middlewares: a list that has not changed is found by two
look-ups in dictionaries and sent as the bytes it was rendered to.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import formatdate
from functools import lru_cache, partial
from itertools import count
from types import TracebackType
from typing import NamedTuple, Self

from aiohttp import web

from syncd.emulator.api import BODIED, Api, Version, Visit
from syncd.emulator.dialect import Answer
from syncd.emulator.faults import Exchange, Faults
from syncd.emulator.limits import Limits, Meter
from syncd.emulator.model import World
from syncd.emulator.switches import Switches

CACHE_CONTROL = "no-cache, private, no-store, must-revalidate, max-stale=0, post-check=0, pre-check=0"
UNKNOWN_PATH = "*"
CONTROL_PREFIX = "/_emulator"
_PLAIN = Switches()

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


class Emulator:
    """A Toggl server over a world: `async with Emulator(world) as emulator: … emulator.url`.

    Args:
        world: what is served; it may be changed while it is.
        host, port: where to listen; port 0 takes a free one.
        api: the versions of the API that it speaks: "v8", "v9" or "both".
        switches: how it behaves where nobody knows how the API does.
        limits: how much one may ask; None: as much as one likes.
        now: the present instant for limits; left out, it is the world's.
        gzip: pack answers for those who accept it.
        log_size: how many of the latest requests `log` keeps.
        listener: makes what accepts connections (the proxy has one of its own).

    Attributes:
        requests: path template ("/api/v8/clients/{client_id}") -> requests so far, of any method and outcome;
            "*" stands for unknown paths.
        api: what answers, without a socket.
        meter: with `limits`, who asked how much, and in its `ledger` each request that was counted; it outlasts `load`.
        log: the latest requests as `Line`s.
        faults: what is to go wrong.
        control: answers what begins with "/_emulator"; such requests are neither counted, logged nor spoilt.
    """

    def __init__(  # noqa: PLR0913 - one argument per option
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api: Version = "both",
        switches: Switches = _PLAIN,
        limits: Limits | None = None,
        now: Callable[[], datetime] | None = None,
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
        self._api_of = partial(Api, version=api, now=now)
        self._at_first = (limits, switches)
        self.world = world
        self.configure(limits, switches)
        self._numbers = count(1)
        self._stopping = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    def load(self, world: World) -> None:
        """Serve another world from now on. Faults, counts and log stay."""
        self.world = world
        self.api = self._api_of(world, switches=self.switches, meter=self.meter)

    def configure(self, limits: Limits | None, switches: Switches) -> None:
        """Other limits, counted anew, and other switches from now on."""
        self.limits, self.switches = limits, switches
        refused_count, size = switches.refused_calls_counted, self.log.maxlen
        self.meter = Meter(limits, refused_count=refused_count, ledger_size=size) if limits else None
        self.load(self.world)

    def start_over(self, world: World) -> None:
        """As it was made, but over this world: the limits and switches of then, no faults, no counts, no log."""
        self.world = world
        self.configure(*self._at_first)
        self.faults.forget()
        self.forget_requests()

    def forget_requests(self) -> None:
        """Count from 0 again, and empty the log."""
        self.requests.clear()
        self.log.clear()

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
        if self.control is not None and f"{path}/".startswith(f"{CONTROL_PREFIX}/"):
            return await self.control(request)
        visit = self.api.visit(request.method, path, request.headers.get("Authorization"))
        name = "" if visit.user is None else visit.user.name
        self.requests[UNKNOWN_PATH if visit.route is None else visit.route.template] += 1
        refusal = self.api.refusal(visit)  # before what may go wrong: limits count what comes, not what is answered
        mishap = self.faults.take(request.method, path, name) if self.faults.script else None
        response: web.StreamResponse
        if mishap is None:
            response = self._response(request, await self._perform(request, visit, query, refusal))
        else:
            perform = partial(self._perform, request, visit, query, refusal)
            response = await mishap.send(Exchange(request, perform, self._stopping))
        self.log.append(Line(request.method, path_qs, name, response.status))
        return response

    async def _perform(self, request: web.BaseRequest, visit: Visit, query: str, refusal: Answer | None) -> Answer:
        """Carry the request out; its body is read only if nothing else is wrong with it."""
        if refusal is not None:
            return refusal
        if request.method not in BODIED:
            return self.api.perform(visit, query)
        try:
            body = await _body(request)
        except web.HTTPRequestEntityTooLarge:
            return visit.dialect.refuse(413, "Request is too large")
        # Published v8 libraries name no type at all, and were served.
        kind = request.content_type if "Content-Type" in request.headers else "application/json"
        return self.api.perform(visit, query, kind, body)

    def _response(self, request: web.BaseRequest, answer: Answer) -> web.Response:
        headers = {
            "Content-Type": answer.content_type,
            "Cache-Control": CACHE_CONTROL,
            "X-Request-Id": f"{next(self._numbers):032x}",
            "Date": _http_date(int(self.world.now().timestamp())),
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


def announcement(emulator: Emulator) -> dict[str, object]:
    """What a script must know to use the emulator: where it listens, what it speaks, whose tokens see what."""
    world = emulator.world
    tokens = [
        {"name": name, "token": token, "workspaces": sorted(world.user(name).access)}
        for name, token in world.tokens.items()
    ]
    return {"url": emulator.url, "api": emulator.api.versions, "tokens": tokens}


async def _body(request: web.BaseRequest) -> bytes:
    """The whole body, 1 MiB at most (aiohttp's limit)."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # curl waits a second for this
    return await request.read()


@lru_cache(maxsize=4)
def _http_date(unix_s: int) -> str:
    return formatdate(unix_s, usegmt=True)


@lru_cache(maxsize=64)
def _accepts_gzip(accept_encoding: str) -> bool:
    for choice in accept_encoding.lower().split(","):
        coding, _, weight = choice.replace(" ", "").partition(";q=")
        if coding in {"gzip", "x-gzip", "*"}:
            return weight.strip("0.") != "" or weight == ""
    return False
