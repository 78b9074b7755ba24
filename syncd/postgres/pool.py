"""Connections: how they are opened, what they know, how long anything may take."""

import os
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import msgspec

from syncd.errors import DatabaseUnusable
from syncd.postgres.faults import place, translated

COMMAND_TIMEOUT_S = 120.0
"""No statement of ours takes this long; a peer that vanished without a word is noticed by it."""

IDLE_LIFETIME_S = 60.0

_FILES = frozenset({"sslcert", "sslkey", "sslrootcert", "sslcrl"})
"""Parameters of a URL that name a file."""


async def prepare(connection: "asyncpg.Connection[Any]") -> None:
    """JSON travels as Python values, in binary, so that COPY takes it too."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + msgspec.json.encode(value),
        decoder=lambda body: msgspec.json.decode(body[1:]),
    )


async def leave_session(_connection: "asyncpg.Connection[Any]") -> None:
    """In place of the round trip by which asyncpg resets the session whenever a connection goes back into the pool.

    There is nothing to reset, which is what poolers between us and the server ask for, too: statements lock, set and
    make tables for a transaction, and what is held for longer has a connection of its own. asyncpg itself still rolls
    back a transaction that was left open.
    """


def _check_files(url: str) -> None:
    """The driver's error for a certificate that is not there is that for a socket that is not there yet."""
    for name, file in parse_qsl(urlsplit(url).query):
        if name in _FILES and not os.access(file, os.R_OK):
            raise DatabaseUnusable(f"[database] url: {name}: {file} cannot be read; correct the path")


async def open_pool(url: str, *, size: int, connect_timeout_s: float) -> "asyncpg.Pool[Any]":
    """A pool of at most `size` connections, proven by one that works.

    Raises:
        DatabaseUnavailable, DatabaseUnusable.
    """
    _check_files(url)
    with translated(place(url)):
        pool: asyncpg.Pool[Any] = await asyncpg.create_pool(
            url,
            min_size=0,  # with a floor, asyncpg's own task would log tracebacks while the server is away
            max_size=size,
            timeout=connect_timeout_s,
            command_timeout=COMMAND_TIMEOUT_S,
            max_inactive_connection_lifetime=IDLE_LIFETIME_S,
            server_settings={"application_name": "syncd", "timezone": "UTC"},
            init=prepare,
            reset=leave_session,
        )
        try:
            async with pool.acquire():
                return pool
        except BaseException:
            pool.terminate()
            raise
