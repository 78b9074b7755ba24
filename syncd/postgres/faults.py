"""What an error of the driver means: wait, act, or a bug. One sentence, without password and without rows."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg

from syncd.errors import DatabaseError, DatabaseUnavailable, DatabaseUnusable

READ_ONLY = "25006"
"""The server became a replica, or always was one."""

_WAIT = ("08", "53", "57", "25P03", READ_ONLY, "40", "55P03")
"""SQLSTATE prefixes that pass: connection, resources, shutdown and statement time-out, idle time-out, replica,
serialisation, lock."""

_BROKEN = re.compile(r"clos|lost|released|in progress|Transaction|connection|pool", re.IGNORECASE)

_POOLER = "a pooler mixes up prepared statements; let it pool by session, or track them (docs/replicas.md)"
_ACT = {
    "26000": _POOLER,
    "28": "the server refuses this user or password; mend [database] url",
    "3D": "this database does not exist: create it, or mend [database] url",
    "42501": "the user lacks a right that syncd needs; run `syncd migrate` as the owner",
    "42P01": "a table of syncd is missing; run `syncd migrate`",
    "42P05": _POOLER,
    "42703": "a column of syncd is missing; run `syncd migrate`",
    "3F": "a schema of syncd is missing; run `syncd migrate`",
}


def place(url: str) -> str:
    """host:port/database of a URL, for messages."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or 'local socket'}{port}{parts.path}"


def translate(error: BaseException, where: str) -> DatabaseError | None:
    """What `error` means for whoever has to act; None: not the database's doing."""
    sqlstate: str | None = getattr(error, "sqlstate", None)
    if sqlstate is None:
        reason = _transport_reason(error)
        return DatabaseUnavailable(f"PostgreSQL at {where}: {reason}") if reason else None
    if isinstance(error, asyncpg.InvalidCachedStatementError):  # the schema changed under a prepared statement
        return DatabaseUnavailable(f"PostgreSQL at {where}: the schema changed", sqlstate=sqlstate)
    for prefix, advice in _ACT.items():
        if sqlstate.startswith(prefix):
            return DatabaseUnusable(f"PostgreSQL at {where}: {advice} (SQLSTATE {sqlstate})")
    if sqlstate.startswith(_WAIT):
        return DatabaseUnavailable(
            f"PostgreSQL at {where}: {type(error).__name__} (SQLSTATE {sqlstate})", sqlstate=sqlstate
        )
    return None


def _transport_reason(error: BaseException) -> str | None:
    # asyncpg's own: the connection is closed, is closing, was reset; or, where the server ended an idle session and its
    # last word came between two statements, "cannot switch to state …; another operation is in progress".
    # Its other interface errors (a wrong number of arguments, say) are mistakes of ours.
    if isinstance(error, asyncpg.InternalClientError):
        return "the connection broke"
    if isinstance(error, asyncpg.InterfaceError):
        return "the connection broke" if _BROKEN.search(str(error)) else None
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return None


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise what the driver raises inside as DatabaseUnavailable or DatabaseUnusable; other errors pass."""
    try:
        yield
    except DatabaseError:
        raise
    except Exception as error:
        meaning = translate(error, where)
        if meaning is None:
            raise
        raise meaning from None
