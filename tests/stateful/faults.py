"""What can befall an answer, and at which request of a pull: the emulator's own mishaps, by name."""

from collections import Counter
from collections.abc import Callable

from aiohttp import web

from syncd.emulator import mishaps
from syncd.emulator.faults import Exchange, Faults, Mishap

QUOTA = {"X-Toggl-Quota-Remaining": "0", "X-Toggl-Quota-Resets-In": "1800"}
LARGE = 1 << 20

KINDS: dict[str, Callable[[], Mishap]] = {
    "status 400": lambda: mishaps.status(400, b'"Bad Request"'),
    "status 401": lambda: mishaps.status(401),
    "status 402": lambda: mishaps.status(402, b"[]"),
    "quota": lambda: mishaps.status(402, headers=QUOTA),
    "status 403": lambda: mishaps.status(403),
    "status 404": lambda: mishaps.status(404),
    "status 405": lambda: mishaps.status(405),
    "status 410": lambda: mishaps.status(410),
    "status 429": lambda: mishaps.status(429, headers={"Retry-After": "1"}),
    "status 429 for long": lambda: mishaps.status(429, headers={"Retry-After": "600"}),
    "status 500": lambda: mishaps.status(500),
    "status 503": lambda: mishaps.status(503),
    "an object": lambda: mishaps.status(200, b'{"data": null}'),
    "html": mishaps.html,
    "html 502": lambda: mishaps.html(502),
    "redirect": lambda: mishaps.redirect("http://127.0.0.1:9/"),
    "disconnect": mishaps.disconnect,
    "reset": mishaps.reset,
    "garbage": mishaps.garbage,
    "hang": mishaps.hang,
    "huge": lambda: mishaps.huge(LARGE),
    "gzip bomb": lambda: mishaps.gzip_bomb(LARGE),
    "wrong type": mishaps.wrong_type,
    "truncate": mishaps.truncate,
    "cut chunked": mishaps.cut_chunked,
    "unframed": mishaps.unframed,
    "unframed, cut": lambda: mishaps.unframed(0.5),
    "slow": lambda: mishaps.slow(3, 0.01),
    "gzip truncated": mishaps.gzip_truncated,
    "gzip without trailer": mishaps.gzip_without_trailer,
}
SLOW = ("hang", "slow")
"""Kinds that are pulled through with little patience."""

PLACES = ("workspaces", "clients", "first projects", "later projects", "tags")


def arm(faults: Faults, kind: str, place: str, token: str, *, lasts: bool, fired: Counter[str]) -> None:
    """Strike one request of a token, or with `lasts` that and all that follow it in the same place.

    `fired` counts what struck.
    """
    blow, first = KINDS[kind](), 2 if place == "later projects" else 1
    seen = 0

    async def send(exchange: Exchange) -> web.StreamResponse:
        nonlocal seen
        if exchange.request.path.rsplit("/", 1)[-1] == place.rsplit(" ", 1)[-1]:
            seen += 1
            if seen == first or (lasts and seen > first):
                fired[f"fault: {kind}"] += 1
                fired[f"fault at {place}"] += 1
                return await blow.send(exchange)
        answer = await exchange.perform()
        headers = {"Content-Type": answer.content_type, **(answer.headers or {})}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    faults.add(Mishap(kind, send), token=token, times=None)
