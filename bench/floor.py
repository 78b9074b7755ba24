"""The floor: the least work that moves the same rows. No diff, no history, no deletes, no retries, no pacing.

    python -m bench.floor copy|hash --url URL --database URL --api v8 --by workspace --tokens 200

`copy`: fetch, decode, binary COPY into tables that have a primary key and nothing else. `hash`: fetch, and one digest
of every body, which is the least that tells whether something changed.
"""

import argparse
import asyncio
import base64
import hashlib
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

import aiohttp
import asyncpg
import msgspec

from bench.bodies import PER_PAGE, secret

TABLES = """
CREATE TABLE clients (id bigint PRIMARY KEY, workspace_id bigint, name text, at timestamptz, notes text,
                      hourly_rate float8, currency text);
CREATE TABLE projects (id bigint PRIMARY KEY, workspace_id bigint, name text, at timestamptz, client_id bigint,
                       billable bool, is_private bool, active bool);
"""
CONNECTIONS = 4
REQUESTS_AT_ONCE = 8
PAGES_AT_ONCE = 50
"""So many pages go into one COPY."""

Kind = Literal["clients", "projects"]
Batch = tuple[Kind, list[bytes]]
Sink = Callable[[Kind, list[bytes]], Awaitable[int]]


class Client(msgspec.Struct, gc=False):
    id: int
    wid: int
    name: str
    at: datetime
    notes: str | None = None
    hrate: float | None = None
    cur: str | None = None


class Project(msgspec.Struct, gc=False):
    id: int
    wid: int
    name: str
    at: datetime
    cid: int | None = None
    billable: bool | None = None
    is_private: bool | None = None
    active: bool | None = None


class Key(msgspec.Struct, gc=False):
    id: int


decode: dict[Kind, Callable[[bytes], list[Any]]] = {
    "clients": msgspec.json.Decoder(list[Client]).decode,
    "projects": msgspec.json.Decoder(list[Project]).decode,
}
keys = msgspec.json.Decoder(list[Key]).decode
workspace_of = re.compile(rb'"wid":(\d+)')


class Reader:
    """Asks for everything that one token sees."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": "Basic " + base64.b64encode(f"{token}:api_token".encode()).decode()}

    async def by_workspace(self) -> AsyncIterator[Batch]:
        """v8: one list of clients, one of projects."""
        clients = await self._get("/api/v8/clients")
        yield "clients", [clients]
        found = workspace_of.search(clients)
        assert found is not None
        yield "projects", [await self._get(f"/api/v8/workspaces/{found[1].decode()}/projects?active=both")]

    async def by_client(self) -> AsyncIterator[Batch]:
        """v8: one list of clients, one of projects for each of them."""
        clients = await self._get("/api/v8/clients")
        yield "clients", [clients]
        paths = [f"/api/v8/clients/{key.id}/projects?active=both" for key in keys(clients)]
        bodies: list[bytes] = []
        for at in range(0, len(paths), REQUESTS_AT_ONCE):
            bodies += await asyncio.gather(*map(self._get, paths[at : at + REQUESTS_AT_ONCE]))
        yield "projects", bodies

    async def by_page(self) -> AsyncIterator[Batch]:
        """v9: the workspace, its clients, and its projects until a page is not full."""
        (workspace,) = keys(await self._get("/api/v9/me/workspaces"))
        yield "clients", [await self._get(f"/api/v9/workspaces/{workspace.id}/clients?status=both")]
        path = f"/api/v9/workspaces/{workspace.id}/projects?active=both&per_page={PER_PAGE}&page="
        pages: list[bytes] = []
        for page in itertools.count(1):
            body = await self._get(f"{path}{page}")
            pages.append(body)
            is_last = body.count(b'"created_at":') < PER_PAGE
            if is_last or len(pages) == PAGES_AT_ONCE:
                yield "projects", pages
                pages = []
            if is_last:
                return

    async def _get(self, path: str) -> bytes:
        async with self._session.get(self._url + path, headers=self._headers) as response:
            response.raise_for_status()
            return await response.read()


async def pull(args: argparse.Namespace, sink: Sink) -> int:
    """Everything that all tokens see into *sink*; how many rows or bodies that was."""
    room = asyncio.Semaphore(args.at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def read(token: int) -> int:
            reader = Reader(session, args.url, secret(token))
            batches = reader.by_page() if args.api == "v9" else getattr(reader, f"by_{args.by}")()
            async with room:
                return sum([await sink(kind, bodies) async for kind, bodies in batches])

        return sum(await asyncio.gather(*map(read, range(args.tokens))))


async def hash_all(args: argparse.Namespace) -> int:
    """The digests of all bodies; how many."""

    async def sink(_: Kind, bodies: list[bytes]) -> int:
        return len([hashlib.blake2b(body, digest_size=16).digest() for body in bodies])

    return await pull(args, sink)


async def copy_all(args: argparse.Namespace) -> int:
    """All rows into new tables; how many."""
    pool: asyncpg.Pool[Any]
    async with asyncpg.create_pool(args.database, min_size=1, max_size=CONNECTIONS) as pool:
        await pool.execute(TABLES)

        async def sink(kind: Kind, bodies: list[bytes]) -> int:
            rows = [msgspec.structs.astuple(row) for body in bodies for row in decode[kind](body)]
            async with pool.acquire() as connection:
                await connection.copy_records_to_table(kind, records=rows)
            return len(rows)

        return await pull(args, sink)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=("copy", "hash"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--database", default="")
    parser.add_argument("--api", choices=("v8", "v9"), default="v8")
    parser.add_argument("--by", choices=("workspace", "client"), default="workspace")
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--at-once", type=int, default=32, help="tokens that are asked for at the same time")
    args = parser.parse_args()
    print(asyncio.run(copy_all(args) if args.work == "copy" else hash_all(args)))


if __name__ == "__main__":
    main()
