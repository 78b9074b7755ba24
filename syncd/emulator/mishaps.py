"""What can befall an answer on its way, as `Mishap`s for `faults`. Sizes are bytes, shares are 0..1, waits seconds.

Those that bend the true answer carry the request out first (a write is done although its answer is spoilt); those
that put something else in its place do not, unless asked with `carry_out`.
"""

import asyncio
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator
from functools import lru_cache

from aiohttp import web

from syncd.emulator.dialect import JSON, Answer
from syncd.emulator.faults import Exchange, Mishap

HTML = b"<html><head><title>Oops</title></head><body><h1>Something went wrong</h1></body></html>"
_PIECE = 64 << 10


class _Sent(web.StreamResponse):
    """Stands for bytes that are on the wire already, so that aiohttp adds none. `status` is for the log: 0 = no
    status line was sent."""

    async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002 (the name is aiohttp's)
        self.force_close()

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Nothing to add."""


# In place of the answer --------------------------------------------------------------------------------------


def status(code: int, body: bytes = b"", headers: dict[str, str] | None = None, *, content_type: str = JSON) -> Mishap:
    """An answer of any kind: `status(429, headers={"Retry-After": "2"})`."""

    async def send(_: Exchange) -> web.StreamResponse:
        return web.Response(status=code, body=body, headers={"Content-Type": content_type, **(headers or {})})

    return Mishap(f"status {code}", send)


def html(code: int = 200, body: bytes = HTML) -> Mishap:
    """A page for people, such as proxies and captive portals send."""
    return Mishap(f"html {code}", status(code, body, content_type="text/html; charset=utf-8").send)


def redirect(location: str, code: int = 302) -> Mishap:
    """Sends the client elsewhere."""
    return Mishap(f"redirect {code}", status(code, headers={"Location": location}).send)


def disconnect(*, carry_out: bool = False) -> Mishap:
    """Closes the connection (FIN) before the status line."""

    async def send(exchange: Exchange) -> web.StreamResponse:
        if carry_out:
            await exchange.perform()
        return _raw(exchange, 0)

    return Mishap("disconnect", send)


def reset(*, carry_out: bool = False) -> Mishap:
    """Resets the connection (RST) before the status line."""

    async def send(exchange: Exchange) -> web.StreamResponse:
        if carry_out:
            await exchange.perform()
        if (transport := exchange.request.transport) is not None:
            # SO_LINGER with a time of 0 makes the kernel send RST instead of FIN.
            sock: socket.socket = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        return _Sent(status=0)

    return Mishap("reset", send)


def garbage(data: bytes = b"\x15\x03\x01\x00\x02\x02\x46 this is not HTTP\r\n\r\n") -> Mishap:
    """Bytes that are no HTTP answer, then the end."""

    async def send(exchange: Exchange) -> web.StreamResponse:
        return _raw(exchange, 0, data)

    return Mishap("garbage", send)


def hang() -> Mishap:
    """No byte at all until the server stops."""

    async def send(exchange: Exchange) -> web.StreamResponse:
        await exchange.stopping.wait()
        return _raw(exchange, 0)

    return Mishap("hang", send)


def huge(size_bytes: int) -> Mishap:
    """An empty JSON list, blown up with spaces to that size: well-formed, only too much."""

    async def send(exchange: Exchange) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": JSON, "Content-Length": str(size_bytes)})
        try:
            await answer.prepare(exchange.request)
            for piece in _padded_list(size_bytes):
                await answer.write(piece)
            await answer.write_eof()
        except ConnectionError:  # the client has had enough, as it should
            answer.force_close()
        return answer

    return Mishap("huge", send)


def gzip_bomb(size_bytes: int = 256 << 20) -> Mishap:
    """A gzip body about a thousandth of `size_bytes` long, that unpacks to so much of an empty JSON list."""

    async def send(_: Exchange) -> web.StreamResponse:
        headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
        return web.Response(body=_bomb(size_bytes), headers=headers)

    return Mishap("gzip bomb", send)


# The answer, bent --------------------------------------------------------------------------------------------


def wrong_type(content_type: str = "text/html; charset=utf-8") -> Mishap:
    """The true answer under another content type."""

    async def send(exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.perform()
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": content_type})

    return Mishap("wrong type", send)


def truncate(share: float = 0.5) -> Mishap:
    """The Content-Length of the whole body, `share` of it, then the end."""

    async def send(exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.perform()
        length = f"Content-Length: {len(answer.body)}"
        return _raw(exchange, answer.status, _head(answer, length), _share(answer.body, share))

    return Mishap("truncate", send)


def cut_chunked(share: float = 0.5) -> Mishap:
    """`share` of the body in whole chunks, then the end without the chunk that ends a body."""

    async def send(exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.perform()
        body = _share(answer.body, share)
        chunk = b"%x\r\n%b\r\n" % (len(body), body)
        return _raw(exchange, answer.status, _head(answer, "Transfer-Encoding: chunked"), chunk)

    return Mishap("cut chunked", send)


def unframed(share: float = 1.0) -> Mishap:
    """`share` of the body without any length: only the end of the connection ends it, cut or not."""

    async def send(exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.perform()
        return _raw(exchange, answer.status, _head(answer), _share(answer.body, share))

    return Mishap("unframed", send)


def slow(pieces: int = 10, pause_s: float = 0.1) -> Mishap:
    """The true answer, its body in so many pieces with a pause before each."""

    async def send(exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.perform()
        parts = [_head(answer, f"Content-Length: {len(answer.body)}")]
        step = max(1, -(-len(answer.body) // pieces))
        parts += [answer.body[start : start + step] for start in range(0, len(answer.body), step)]
        for part in parts[:-1]:
            _write(exchange, part)
            try:
                async with asyncio.timeout(pause_s):
                    await exchange.stopping.wait()
                return _raw(exchange, answer.status)
            except TimeoutError:
                continue
        return _raw(exchange, answer.status, parts[-1])

    return Mishap("slow", send)


def gzip_truncated(share: float = 0.5) -> Mishap:
    """`share` of the gzip body, under the Content-Length of just that: HTTP sees nothing amiss."""
    return Mishap("gzip truncated", _packed(lambda packed: _share(packed, share)))


def gzip_without_trailer() -> Mishap:
    """The gzip body without its last 8 bytes (checksum and length): all the data is there, unproven."""
    return Mishap("gzip without trailer", _packed(lambda packed: packed[:-8]))


# Within ------------------------------------------------------------------------------------------------------


def _packed(cut: Callable[[bytes], bytes]) -> Callable[[Exchange], Awaitable[web.StreamResponse]]:
    async def send(exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.perform()
        headers = {"Content-Type": answer.content_type, "Content-Encoding": "gzip"}
        return web.Response(status=answer.status, body=cut(answer.packed()), headers=headers)

    return send


def _write(exchange: Exchange, data: bytes) -> None:
    """Past aiohttp, straight to the socket; nothing if the client has gone."""
    if data and (transport := exchange.request.transport) is not None:
        transport.write(data)


def _raw(exchange: Exchange, http_status: int, *parts: bytes) -> web.StreamResponse:
    """Send these bytes as they are, then close."""
    _write(exchange, b"".join(parts))
    if (transport := exchange.request.transport) is not None:
        transport.close()
    return _Sent(status=http_status)


def _head(answer: Answer, *fields: str) -> bytes:
    lines = (f"HTTP/1.1 {answer.status} -", f"Content-Type: {answer.content_type}", *fields, "Connection: close")
    return "\r\n".join((*lines, "", "")).encode("ascii")


def _share(body: bytes, share: float) -> bytes:
    return body[: int(len(body) * share)]


def _padded_list(size_bytes: int) -> Iterator[bytes]:
    """`[`, spaces, `]`: together so many bytes, at least 2."""
    yield b"["
    for start in range(0, size_bytes - 2, _PIECE):
        yield b" " * min(_PIECE, size_bytes - 2 - start)
    yield b"]"


@lru_cache(maxsize=4)
def _bomb(size_bytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)  # 31: the gzip format
    return b"".join([*map(packer.compress, _padded_list(size_bytes)), packer.flush()])
