"""What a dialect and the server say to one another: an `Ask` comes in, an `Answer` goes out. No I/O.

A dialect is one version of the API over the one `World`. The server finds the dialect by the prefix of the path and
the route by the dialect's table, reads the body where the route takes one, and sends what the call returns.
"""

import gzip
from collections.abc import Callable, Hashable
from typing import Literal, NamedTuple, Protocol

from syncd.emulator.rows import User

JSON = "application/json; charset=utf-8"


class Ask(NamedTuple):
    """One request, its sender known. `key` is the id in the path as text: "" where the path has none, "1/2" where
    it has two."""

    user: User
    key: str
    query: str = ""
    content_type: str = ""
    body: bytes = b""


class Answer:
    """One answer. Shared by all who get the same page, so that the body is rendered, and packed, only once."""

    __slots__ = ("_original", "_packed", "body", "content_type", "headers", "status")

    def __init__(
        self, status: int, body: bytes, *, content_type: str = JSON, headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        self._original: Answer | None = None
        self._packed: bytes | None = None

    def with_headers(self, headers: dict[str, str]) -> "Answer":
        """The same answer with more headers. It is not rendered, or packed, anew."""
        answer = Answer(
            self.status, self.body, content_type=self.content_type, headers={**(self.headers or {}), **headers}
        )
        answer._original = self._original or self
        return answer

    def packed(self) -> bytes:
        """The body as gzip, made at the first request for it; equal bodies give equal bytes."""
        if self._original is not None:
            return self._original.packed()
        if self._packed is None:
            self._packed = gzip.compress(self.body, compresslevel=6, mtime=0)
        return self._packed


class Route(NamedTuple):
    """The calls on one kind of path. `template` names it in counts: "/api/v8/clients/{client_id}". `bucket` tells
    whose hourly quota they use: the user's own, or that of the user in an organization."""

    template: str
    calls: dict[str, Callable[[Ask], Answer]]
    bucket: Literal["user", "organization"] | None = None


class Dialect(Protocol):
    """One version of the API. `prefix` is how its paths begin: "/api/v8"."""

    prefix: str

    def find(self, path: str) -> tuple[Route | None, str]:
        """The route of a path (percent-decoded, no query) and the id in it; None for an unknown path."""
        ...

    def refuse(self, http_status: int, message: str) -> Answer:
        """An error as this version words it: 404 unknown path, 405 wrong method, 413 …"""
        ...

    def stranger(self, *, anonymous: bool) -> Answer:
        """What somebody gets who has no good token; `anonymous`: who sent no credentials at all."""
        ...


class Pages:
    """Rendered lists, kept until the rows behind them change, the oldest dropped beyond `limit_bytes`."""

    def __init__(self, limit_bytes: int = 256 << 20) -> None:
        self._limit_bytes = limit_bytes
        self._size = 0
        self._pages: dict[Hashable, tuple[Hashable, Answer]] = {}

    def get(self, key: Hashable, stamp: Hashable, render: Callable[[], bytes]) -> Answer:
        """The page `key` as of `stamp`; `render` is called only if the page kept is from another stamp."""
        kept = self._pages.get(key)
        if kept is not None:
            if kept[0] == stamp:
                return kept[1]
            self._drop(key)
        answer = Answer(200, render())
        self._pages[key] = (stamp, answer)
        self._size += len(answer.body)
        while self._size > self._limit_bytes and len(self._pages) > 1:
            self._drop(next(iter(self._pages)))
        return answer

    def _drop(self, key: Hashable) -> None:
        self._size -= len(self._pages.pop(key)[1].body)
