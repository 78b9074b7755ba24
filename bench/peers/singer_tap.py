"""A Singer tap, made as cheap as it can be: rows go from answer to message without being read.

    python -m bench.peers.singer_tap --url URL --tokens 40 [--state FILE] | target-postgres --config FILE

Without `--state` every row is emitted each time (FULL_TABLE). With it only rows whose `at` is younger than the youngest
of the last run, as tap-toggl does: that misses what changes without `at`, for example which client a project has.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from bench.bodies import secret

NUMBER, TEXT, TRUTH = ({"type": ["null", kind]} for kind in ("number", "string", "boolean"))
KEY = {"type": ["null", "integer"]}
TIME = {"type": ["null", "string"], "format": "date-time"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "clients": {"id": KEY, "wid": KEY, "name": TEXT, "at": TIME, "notes": TEXT, "hrate": NUMBER, "cur": TEXT},
    "projects": {"id": KEY, "wid": KEY, "cid": KEY, "name": TEXT, "billable": TRUTH, "is_private": TRUTH}
    | {"active": TRUTH, "at": TIME},
}
rows_of = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Age(msgspec.Struct):
    at: str


class _Workspace(msgspec.Struct):
    id: int


age_of = msgspec.json.Decoder(_Age).decode
workspaces_of = msgspec.json.Decoder(list[_Workspace]).decode


class Bookmark(NamedTuple):
    """The youngest `at` of the last run; "" before the first. RFC 3339 in one zone sorts as text."""

    at: str
    is_used: bool


class Tap:
    """Writes messages to stdout."""

    def __init__(self, bookmark: Bookmark) -> None:
        self._bookmark = bookmark
        self._youngest = bookmark.at

    def describe(self) -> None:
        for stream, fields in SCHEMAS.items():
            schema = {"type": "object", "properties": fields}
            _write({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": ["id"]})

    def emit(self, stream: str, body: bytes) -> None:
        head = f'{{"type":"RECORD","stream":"{stream}","record":'.encode()
        rows = self._young(body) if self._bookmark.is_used else map(bytes, rows_of(body))
        sys.stdout.buffer.writelines(head + row + b"}\n" for row in rows)

    def end(self) -> None:
        _write({"type": "STATE", "value": {"at": self._youngest}})
        sys.stdout.buffer.flush()

    def _young(self, body: bytes) -> Iterator[bytes]:
        for row in rows_of(body):
            at = age_of(row).at
            self._youngest = max(self._youngest, at)
            if at > self._bookmark.at:
                yield bytes(row)


async def tap(url: str, tokens: int, bookmark: Bookmark) -> None:
    """Emit what the tokens see, token by token."""
    out = Tap(bookmark)
    out.describe()
    async with aiohttp.ClientSession(url) as session:
        for token in range(tokens):
            auth = aiohttp.BasicAuth(secret(token), "api_token")
            (workspace,) = workspaces_of(await get(session, auth, "/api/v8/workspaces"))
            out.emit("clients", await get(session, auth, "/api/v8/clients"))
            path = f"/api/v8/workspaces/{workspace.id}/projects?active=both"
            out.emit("projects", await get(session, auth, path))
    out.end()


async def get(session: aiohttp.ClientSession, auth: aiohttp.BasicAuth, path: str) -> bytes:
    async with session.get(path, auth=auth) as response:
        response.raise_for_status()
        return await response.read()


def _write(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--state", type=Path)
    args = parser.parse_args()
    is_known = args.state is not None and args.state.exists()
    bookmark = Bookmark(json.loads(args.state.read_text())["at"] if is_known else "", args.state is not None)
    asyncio.run(tap(args.url, args.tokens, bookmark))


if __name__ == "__main__":
    main()
