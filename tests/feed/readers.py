"""Three ways to follow the change feed: by polling, woken by notifications, and in small pages."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import asyncpg
import msgspec

AFTER = "SELECT * FROM toggl.changes WHERE position > $1 ORDER BY position, ordinal"
PAGE = """SELECT * FROM toggl.changes WHERE position >= $1 AND (position, ordinal) > ($1, $2)
          ORDER BY position, ordinal LIMIT 7"""


class Reader(ABC):
    """What one reader saw, in its order. `notified`: positions it was told of, if it listens."""

    name: str
    notified: list[int] | None = None

    def __init__(self, url: str) -> None:
        self._url = url
        self._last: int | None = None
        self.position = 0
        self.seen: list[Any] = []
        self.reads = 0

    async def __aenter__(self) -> Self:
        self.connection: asyncpg.Connection[Any] = await asyncpg.connect(self._url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()

    async def follow(self) -> None:
        """Until the position is reached at which it is to stop."""
        while self._last is None or self.position < self._last:
            await self.wait()
            await self.read()
            self.reads += 1

    def stop_at(self, position: int) -> None:
        self._last = position

    async def wait(self) -> None:
        await asyncio.sleep(0.001)

    @abstractmethod
    async def read(self) -> None:
        """Take what has come."""


class Polling(Reader):
    """Asks again and again."""

    name = "polling"

    async def read(self) -> None:
        if rows := await self.connection.fetch(AFTER, self.position):
            self.seen += rows
            self.position = rows[-1]["position"]


class Listening(Polling):
    """Asks when told that there is something."""

    name = "listening"

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.notified = []
        self._woken = asyncio.Event()
        await self.connection.add_listener("toggl_changes", self._hear)
        return self

    def stop_at(self, position: int) -> None:
        super().stop_at(position)
        self._woken.set()

    async def wait(self) -> None:
        await self._woken.wait()
        self._woken.clear()

    def _hear(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        assert self.notified is not None
        self.notified.append(msgspec.json.decode(str(payload))["position"])
        self._woken.set()


class Paging(Reader):
    """Takes a few changes at a time, also in the midst of a commit."""

    name = "paging"
    ordinal = 0

    async def read(self) -> None:
        while rows := await self.connection.fetch(PAGE, self.position, self.ordinal):
            self.seen += rows
            self.position, self.ordinal = rows[-1]["position"], rows[-1]["ordinal"]


READERS: tuple[Callable[[str], Reader], ...] = (Polling, Listening, Paging)
