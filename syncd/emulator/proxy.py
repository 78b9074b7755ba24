"""The emulator as a forward proxy: programs that have the vendor's URL built in run against it as they are.

The first bytes of a connection decide. `CONNECT host:443` for one of HOSTS is answered with 200; then the client
begins TLS, which ends here, and what comes out of it goes to the emulator's HTTP server as if there had been no
tunnel. All else goes to that server as it came: the same port serves plain requests, in the absolute form that
proxies are sent or in the usual one. Nothing is ever dialled: other hosts are refused with 403 and a sentence.
"""

import asyncio
from http import HTTPStatus
from ipaddress import ip_address
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from syncd.emulator.authority import Authority
from syncd.emulator.server import Handler

HOSTS = ("api.track.toggl.com", "track.toggl.com", "www.toggl.com")
"""Those that the vendor's API has had."""

_CONNECT = b"CONNECT "
_END = b"\r\n\r\n"
_MAX_HEAD_BYTES = 16 << 10
_HANDSHAKE_S = 20.0
_GOODBYE_S = 2.0


def environment(url: str, ca_path: str) -> dict[str, str]:
    """The variables by which most programs are led through the proxy at `url` and trust its CA.

    Read by: curl, Python (urllib, requests, httpx, and aiohttp with trust_env), Go and Node (from 22.21 on).
    Both spellings, since curl reads `http_proxy` in lower case only and others prefer either.
    """
    proxies = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": "localhost,127.0.0.1,::1"}
    trust = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return {
        **proxies,
        **{name.lower(): value for name, value in proxies.items()},
        **dict.fromkeys(trust, ca_path),
        "NODE_USE_ENV_PROXY": "1",
    }


class Proxy(web.Server):
    """What listens in place of aiohttp's server: `Emulator(world, listener=partial(Proxy, authority=…))`."""

    def __init__(self, handler: Handler, *, authority: Authority) -> None:
        super().__init__(_refusing_others(handler), access_log=None)
        self.context = authority.context
        self.doors: set[_Door] = set()
        self._tunnels: dict[RequestHandler, asyncio.Transport] = {}

    def __call__(self) -> "_Door":  # type: ignore[override]
        return _Door(self)

    def admit(self, transport: asyncio.Transport, early: bytes, tunnel: asyncio.Transport | None = None) -> None:
        """Let HTTP begin on a connection of which `early` was read. `tunnel` is what TLS runs over."""
        handler = super().__call__()
        if tunnel is not None:
            self._tunnels[handler] = tunnel
        transport.set_protocol(handler)
        handler.connection_made(transport)
        if early:
            handler.data_received(early)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self._tunnels.pop(handler, None)
        super().connection_lost(handler, exc)

    async def shutdown(self, timeout: float | None = None) -> None:
        for door in list(self.doors):
            door.shut()
        await super().shutdown(timeout)
        for tunnel in list(self._tunnels.values()):
            tunnel.abort()  # without waiting for the client's goodbye in TLS


class _Door(asyncio.Protocol):
    """A connection of which it is not known yet what it wants, or that is in its TLS handshake."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._head = b""
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._proxy.doors.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the name is asyncio's)
        self._proxy.doors.discard(self)

    def shut(self) -> None:
        if self._handshake is not None:
            self._handshake.cancel()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._head.startswith(_CONNECT[: len(self._head)]):
            self._proxy.doors.discard(self)
            self._proxy.admit(self._transport, self._head)
        elif _END in self._head:
            self._connect()
        elif len(self._head) > _MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too long.")

    def _connect(self) -> None:
        head, _, rest = self._head.partition(_END)
        target = head.split(b"\r\n", 1)[0].split(b" ")[1].decode("latin-1")
        host, _, port = target.rpartition(":")
        if host.lower() not in HOSTS or port != "443":
            self._refuse(HTTPStatus.FORBIDDEN, refusal(target))
        elif rest:
            self._refuse(HTTPStatus.BAD_REQUEST, "Wait for the answer to CONNECT before you send more.")
        else:
            self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._handshake = asyncio.get_running_loop().create_task(self._start_tls())

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        body = f"{sentence}\n".encode()
        fields = f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\nConnection: close"
        self._transport.write(f"HTTP/1.1 {status.value} {status.phrase}\r\n{fields}\r\n\r\n".encode() + body)
        self._transport.close()

    async def _start_tls(self) -> None:
        inside = _Inside()
        try:
            secured = await asyncio.get_running_loop().start_tls(
                self._transport,
                inside,
                self._proxy.context,
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_S,
                ssl_shutdown_timeout=_GOODBYE_S,
            )
        except OSError:  # the client has gone, or does not trust us: it knows
            self._transport.abort()
        else:
            if secured is not None and not inside.is_lost:
                self._proxy.admit(secured, inside.early, self._transport)
        finally:
            self._proxy.doors.discard(self)


class _Inside(asyncio.Protocol):
    """Keeps what comes out of TLS until somebody is there to read it: it may come before `start_tls` returns."""

    def __init__(self) -> None:
        self.early = b""
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self.early += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the name is asyncio's)
        self.is_lost = True


def refusal(target: str) -> str:
    """What is said to those who want to go elsewhere."""
    return f"This is an emulator of {', '.join(HOSTS)}; it connects to nobody, nor to {target}."


def _refusing_others(handler: Handler) -> Handler:
    """The handler, for requests in the usual form, or in the absolute form to one of HOSTS or to ourselves."""

    async def served(request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path[:1] != "/" and request.url.host not in HOSTS and not _is_own(request):
            return web.Response(status=403, text=refusal(f"{request.url.host}:{request.url.port}") + "\n")
        return await handler(request)

    return served


def _is_own(request: web.BaseRequest) -> bool:
    """Whether the request is for this very port of this machine, by its address."""
    url, transport = request.url, request.transport
    if transport is None or url.host is None or url.port != transport.get_extra_info("sockname")[1]:
        return False
    try:
        return url.host == "localhost" or ip_address(url.host).is_loopback
    except ValueError:
        return False
