"""The connections to the API: what goes with every request, and whom they trust."""

import ssl
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import cache

import aiohttp
from aiohttp.connector import Connection

TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=30)
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "syncd"}

BEFORE_WRITING: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("BEFORE_WRITING", default=None)
"""What a request of this task awaits when it has its connection, just before it is written.

aiohttp's tracing has a signal there, too, but whoever listens to one pays for all of them, with every request.
"""


class _Request(aiohttp.ClientRequest):
    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if (wait := BEFORE_WRITING.get()) is not None:
            await wait()
        return await super().send(conn)


def open_session(timeout: aiohttp.ClientTimeout = TIMEOUT, *, force_close: bool = False) -> aiohttp.ClientSession:
    """The one session: no redirects (given per request), no cookies, no proxy or netrc from the environment.

    Bodies arrive compressed as sent, because only we verify the end of a gzip stream. `force_close`: a connection per
    request, for writes, whose outcome would be in doubt if they met a kept one that the server has given up.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=force_close),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=HEADERS,
        timeout=timeout,
        auto_decompress=False,
        trust_env=False,
        raise_for_status=False,
        request_class=_Request,
    )


@cache
def tls() -> ssl.SSLContext:
    """Certificates are verified, and TLS 1.2 is the least: what the system's OpenSSL allows may be older.

    Made when it is needed: reading all certificates takes as long as a hundred requests.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
