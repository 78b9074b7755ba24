"""A proxy between a client and PostgreSQL that knows where messages begin, and can cut the connection at any of them.

The protocol: what the client sends first has a length and no type (a request for TLS, a cancellation, or the start-up);
the answer to a request for TLS is a single letter; everything after has a type of one byte and a length of four, which
counts itself. Source: PostgreSQL documentation, "Message Formats".
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

Side = Literal["frontend", "backend"]
"""Whose message: the client's or the server's."""

When = Literal["before", "after"]

_START_UP, _TLS = 196608, 80877103
_COMMIT = b"COMMIT"


@dataclass(frozen=True, slots=True)
class Cut:
    """Where to cut: right before or after the message with this `number`, counted from 1 or from the last cut.

    `after` a message of the client the server has it and the client never sees an answer; `before` it the server never
    knew. What the other side said until then has arrived.
    """

    side: Side
    number: int
    when: When = "after"

    def __str__(self) -> str:
        return f"{self.when} {self.side} message {self.number}"


class _Torn(Exception):
    """This connection is to end."""


class Proxy:
    """`async with Proxy(url) as proxy: … proxy.url`. One port, any number of connections.

    Attributes:
        counts: messages by side since the beginning or the last cut, over all connections.
        cuts: cuts that were made.
        commits: which messages of the client, by number, were commits.
        passed: messages of both sides, ever.
        is_mute: as if the peer had vanished: everything is swallowed, nothing is closed.
    """

    def __init__(self, url: str) -> None:
        """`url`: of the real server."""
        self.counts: Counter[Side] = Counter()
        self.cuts: list[Cut] = []
        self.commits: list[int] = []
        self.passed = 0
        self.is_mute = False
        self._alarms: list[tuple[int, asyncio.Event]] = []
        self._armed: deque[Cut] = deque()
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def arm(self, *cuts: Cut) -> None:
        """Make these cuts, one after the other; counting begins anew."""
        self._armed = deque(cuts)
        self.counts.clear()

    def after(self, messages: int) -> asyncio.Event:
        """An event that comes when so many more messages have passed, of either side."""
        event = asyncio.Event()
        self._alarms.append((self.passed + messages, event))
        return event

    @property
    def unmade(self) -> list[Cut]:
        """Cuts whose message never came."""
        return list(self._armed)

    @property
    def url(self) -> str:
        """The URL of the same database, through the proxy."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        user = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{user}@{host}:{port}"))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)  # what is being accepted gets its task
        for task, to_client in self._connections.items():
            task.cancel()
            to_client.close()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._connections[asyncio.create_task(self._serve(client, to_client))] = to_client

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            to_client.close()
            return
        tls_asked: deque[bool] = deque()
        pumps = [
            asyncio.create_task(self._pump("frontend", client, to_server, tls_asked)),
            asyncio.create_task(self._pump("backend", server, to_client, tls_asked)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            to_server.close()  # what was written still goes out: the server gets the last message whole
            to_client.close()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, side: Side, source: asyncio.StreamReader, target: asyncio.StreamWriter, tls_asked: deque[bool]
    ) -> None:
        """Pass messages on until one side ends, or a cut is due."""
        is_starting = True
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, _Torn):
            while True:
                if side == "backend" and is_starting:
                    message = await source.readexactly(1)  # a letter about TLS, or the type of the first real message
                    if tls_asked and tls_asked.popleft():
                        self._pass(side, message, target)
                        continue
                    message += await _sized(source)
                    is_starting = False
                elif is_starting:
                    message = await _sized(source)
                    code = int.from_bytes(message[4:8])
                    tls_asked.append(code == _TLS)
                    is_starting = code != _START_UP
                else:
                    message = await source.readexactly(1)
                    message += await _sized(source)
                self._pass(side, message, target)

    def _pass(self, side: Side, message: bytes, target: asyncio.StreamWriter) -> None:
        if self.is_mute:
            return
        self.counts[side] += 1
        self.passed += 1
        for number, event in self._alarms:
            if number <= self.passed:
                event.set()
        if side == "frontend" and message.startswith(_COMMIT, 5):
            self.commits.append(self.counts[side])
        cut = self._armed[0] if self._armed else None
        if cut is None or cut.side != side or cut.number != self.counts[side]:
            target.write(message)
            return
        if cut.when == "after":
            target.write(message)
        self.cuts.append(self._armed.popleft())
        self.counts.clear()
        raise _Torn


async def _sized(source: asyncio.StreamReader) -> bytes:
    """A length and what it counts."""
    head = await source.readexactly(4)
    return head + await source.readexactly(int.from_bytes(head) - 4)


def all_cuts(frontend: int, backend: int, whens: Iterable[When]) -> list[Cut]:
    """Every cut of a run with so many messages of each side."""
    sides: tuple[tuple[Side, int], ...] = (("frontend", frontend), ("backend", backend))
    return [Cut(side, n, when) for side, count in sides for n in range(1, count + 1) for when in whens]
