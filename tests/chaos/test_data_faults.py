"""One record of many is odd. Each oddity has one outcome, and its neighbours never suffer.

| outcome     | the record                          | deletes of its scope | further                             |
|-------------|-------------------------------------|----------------------|-------------------------------------|
| stored      | as it came                          | go on                |                                     |
| sanitised   | without what cannot be stored       | go on                | `_sanitized` in its `extra`         |
| quarantined | put aside, the row stays as it was  | frozen               | a reason; released when mended       |
| doubted     | stored                              | frozen               | the list contradicts itself         |
| unreadable  | none of the answer is used          | frozen: no pull      | nobody can say where a record ends  |

Deletes are as eager as they can be configured, and each oddity lasts for more pulls than a delete needs.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from syncd.errors import ContractChanged
from syncd.postgres.migrate import Connection
from syncd.sync.pull import Puller
from tests.chaos.kit import EAGER, PROOFS_MOST, T0, Databases, looking_at, pool_of, register, rules, sourced
from tests.postgres_fixture import name_of
from tests.servers import serve_handler

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT = "2024-05-01T10:00:00+00:00"
VICTIM, NEIGHBOUR, LEAVER, NEWCOMER = 50, 51, 60, 999
"""Of the clients of workspace 1: the odd one, one that is edited, one that is deleted, one that is new."""
FURTHER_LEAVER, LEAVING_PROJECT = 2005, 305
"""Deleted at the same time: a client of workspace 2, a project of workspace 1."""

Kind = Literal["stored", "sanitised", "quarantined", "doubted", "unreadable"]


class Odd(NamedTuple):
    """What comes in the victim's place, and what becomes of it.

    `shows`: a column of the victim's row -> its value, where it is stored. `reason` of quarantine or doubt. `freezes`:
    which other scopes are frozen with its own, where the record does not tell its workspace.
    """

    record: bytes
    kind: Kind
    reason: str = ""
    shows: tuple[str, Any] | None = None
    freezes_all: bool = False


def row(**fields: Any) -> bytes:
    """The victim with other fields; a value of bytes is JSON as it stands, None leaves the field out."""
    known = {"id": VICTIM, "wid": 1, "name": "Victim", "at": AT} | fields
    encoded = {
        name: value if isinstance(value, bytes) else msgspec.json.encode(value)
        for name, value in known.items()
        if value is not None
    }
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + value for name, value in encoded.items()) + b"}"


def stored(column: str, value: Any, **fields: Any) -> Odd:
    return Odd(row(**fields), "stored", shows=(column, value))


def sanitised(column: str, value: Any, **fields: Any) -> Odd:
    return Odd(row(**fields), "sanitised", shows=(column, value))


def aside(reason: str, *, freezes_all: bool = False, **fields: Any) -> Odd:
    return Odd(row(**fields), "quarantined", reason, freezes_all=freezes_all)


NULL = b"null"
FAITHFUL = {
    "right to left": "שלום עולם",
    "emoji": "👩‍👩‍👧 🏳️‍🌈",
    "line breaks": "a\r\nb\tc",
    "escape codes": "\x1b[31mred\x1b[0m",
    "a formula": "=HYPERLINK('x')",
    "quotes": "'; DROP TABLE toggl.clients; --\"\\",
    "nothing": "",
    "spaces": "   ",
    "as long as may be": "x" * 65_536,
    "the name of another": "Client 7",
}

ODD: dict[str, Odd] = {
    # Text ---------------------------------------------------------------------------------------------------
    **{f"a name of {what}": stored("name", name, name=name) for what, name in FAITHFUL.items()},
    "a NUL in the name": sanitised("name", "a\ufffdb", name=rb'"a\u0000b"'),
    "a NUL in the notes": sanitised("notes", "\ufffd", notes=rb'"\u0000"'),
    "a high surrogate alone": sanitised("name", "a\ufffdb", name=rb'"a\ud83db"'),
    "a low surrogate alone": sanitised("name", "\ufffd", name=rb'"\uDE00"'),
    "surrogates in the wrong order": sanitised("name", "\ufffd\ufffd", name=rb'"\ude00\ud83d"'),
    "a proper pair of surrogates": stored("name", "😀", name=rb'"\ud83d\ude00"'),
    "an escaped backslash before u0000": stored("name", r"\u0000", name=rb'"\\u0000"'),
    "a name that is too long": sanitised("name", "x" * 65_536, name="x" * 70_000),
    "a name of a megabyte": sanitised("name", "é" * 65_536, name="é" * (1 << 20)),
    "invalid UTF-8": aside("unreadable", name=b'"\xff\xfe"'),
    "a name that is a number": aside("malformed", name=5),
    "no name": aside("malformed", name=None),
    "a name that is null": aside("malformed", name=NULL),
    "a currency that is too long": aside("malformed", cur="E" * 65),
    # Amounts ------------------------------------------------------------------------------------------------
    "a rate of 0.1": stored("hourly_rate", Decimal("0.1"), hrate=b"0.1"),
    "a rate of 0": stored("hourly_rate", Decimal(0), hrate=b"0"),
    "a rate with an exponent": stored("hourly_rate", Decimal(1200), hrate=b"1.2e3"),
    "a rate finer than is kept": stored("hourly_rate", Decimal("0.3333"), hrate=b"0.33333333333333333333"),
    "a rate that is text": stored("hourly_rate", Decimal("12.5"), hrate="12.5"),
    "a rate that is null": stored("hourly_rate", None, hrate=NULL),
    "a negative rate": aside("amount_out_of_range", hrate=b"-0.01"),
    "a rate of 1e12": aside("amount_out_of_range", hrate=b"1e12"),
    "a rate of 1e999": aside("amount_out_of_range", hrate=b"1e999"),
    "a rate of 1e-999": stored("hourly_rate", Decimal(0), hrate=b"1e-999"),
    "a rate that is the text NaN": aside("amount_out_of_range", hrate="NaN"),
    "a rate that is the text Infinity": aside("amount_out_of_range", hrate="Infinity"),
    "a rate that is true": aside("malformed", hrate=True),
    "a rate that is NaN": aside("unreadable", hrate=b"NaN", freezes_all=True),
    "a rate that is Infinity": aside("unreadable", hrate=b"-Infinity", freezes_all=True),
    # Ids ----------------------------------------------------------------------------------------------------
    "id 0": aside("malformed", id=0),
    "a negative id": aside("malformed", id=-5),
    "id 2^63": aside("malformed", id=b"9223372036854775808"),
    "an id of 5000 digits": aside("malformed", id=b"9" * 5000),
    "an id that is true": aside("malformed", id=True),
    "an id that is 50.0": aside("malformed", id=b"50.0"),
    "an id that is text": aside("malformed", id="50"),
    "an id that is null": aside("malformed", id=NULL),
    "no id": aside("malformed", id=None),
    "no workspace": aside("malformed", wid=None, freezes_all=True),
    "workspace 0": aside("malformed", wid=0, freezes_all=True),
    # Instants -----------------------------------------------------------------------------------------------
    "an at with another offset": stored("name", "Victim", at="2024-05-01T12:00:00+02:00"),
    "an at in nanoseconds": stored("name", "Victim", at="2024-05-01T10:00:00.123456789Z"),
    "an at in the future": stored("name", "Later", name="Later", at="2999-01-01T00:00:00Z"),
    "no at": aside("malformed", at=None),
    "an at that is null": aside("malformed", at=NULL),
    "an at without offset": aside("malformed", at="2024-05-01T10:00:00"),
    "an at that is no date": aside("malformed", at="never"),
    "an at that is a number": aside("malformed", at=1714557600),
    "an at in year 1": aside("instant_out_of_range", at="0001-01-01T00:00:00Z"),
    "an at in year 9999": aside("instant_out_of_range", at="9999-12-31T23:59:59Z"),
    "an at before the first day": aside("malformed", at="0000-01-01T00:00:00Z"),
    # Shape --------------------------------------------------------------------------------------------------
    "an unknown field": stored("extra", {"nice": [1]}, nice=[1]),
    "an unknown field with a NUL": sanitised("extra", {"n\ufffd": "\ufffd", "_sanitized": True}, n="?"),
    "an unknown field of 1e999": aside("malformed", nice=b"1e999"),
    "an unknown field of 400 digits": stored("name", "Victim", nice=b"9" * 400),
    "a secret that is echoed": stored("extra", None, api_token="0123456789abcdef"),
    "a key twice": stored("name", "Last", name=b'"First","name":"Last"'),
    "a list 100 deep": stored("name", "Victim", nice=b"[" * 100 + b"]" * 100),
    "a list 100000 deep": Odd(row(nice=b"[" * 100_000 + b"]" * 100_000), "unreadable"),
    "a number": Odd(b"5", "quarantined", "malformed", freezes_all=True),
    "a list": Odd(b"[]", "quarantined", "malformed", freezes_all=True),
    "null": Odd(b"null", "quarantined", "malformed", freezes_all=True),
    "an empty record": Odd(b"{}", "quarantined", "malformed", freezes_all=True),
    "half a record": Odd(row()[:-1], "unreadable"),
    "a record and a half": Odd(row() + row()[:9], "unreadable"),
    "a name without an end": Odd(row(name=b'"Victim'), "unreadable"),
    # Twice --------------------------------------------------------------------------------------------------
    "twice the same": Odd(row() + b"," + row(), "stored", shows=("name", "Victim")),
    "twice, and they differ": Odd(row(name="One") + b"," + row(name="Two"), "doubted", "duplicates"),
    "twice, the older last": Odd(
        row(name="New", at="2024-05-02T00:00:00Z") + b"," + row(name="Old"), "doubted", "duplicates", ("name", "New")
    ),
    "well, and once more malformed": Odd(row() + b"," + row(at="never"), "quarantined", "malformed"),
}  # fmt: skip
ODD["an unknown field with a NUL"] = Odd(
    row()[:-1] + rb',"n\u0000":"\u0000"}', "sanitised", shows=("extra", {"n\ufffd": "\ufffd", "_sanitized": True})
)


@dataclass
class Lists:
    """A v8 server of two workspaces. `clients`: id -> JSON of all clients; `projects`: of workspace 1."""

    clients: dict[int, bytes] = field(default_factory=dict)
    projects: dict[int, bytes] = field(default_factory=dict)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.path.strip("/").split("/")[2:]:
            case ["workspaces"]:
                rows = [b'{"id":1,"name":"One","admin":true}', b'{"id":2,"name":"Two","admin":true}']
            case ["clients"]:
                rows = [*self.clients.values()]
            case ["clients", id_]:
                found = self.clients.get(int(id_))
                return web.Response(body=b'{"data":' + found + b"}") if found else web.Response(status=404)
            case ["workspaces", "1", "projects"]:
                rows = [*self.projects.values()]
            case _:
                rows = []
        return web.Response(body=b"[" + b",".join(rows) + b"]", content_type="application/json")


def good_lists() -> Lists:
    clients = {n: row(id=n, name=f"Client {n}") for n in range(1, 101)}
    clients |= {n: row(id=n, wid=2, name=f"Client {n}") for n in range(2001, 2013)}
    projects = {n: row(id=n, name=f"Project {n}", cid=n - 300) for n in range(301, 313)}
    return Lists(clients | {VICTIM: row()}, projects)


@dataclass
class Stand:
    lists: Lists
    puller: Puller
    audit: Connection

    async def is_live(self, id_: int, table: str = "clients") -> bool:
        found = await self.audit.fetchval(f"SELECT deleted_at IS NULL FROM toggl.{table} WHERE id = $1", id_)
        return bool(found)

    async def shown(self, column: str, id_: int = VICTIM) -> Any:
        value = await self.audit.fetchval(f"SELECT {column} FROM toggl.clients WHERE id = $1", id_)
        return msgspec.json.decode(value) if column == "extra" and value is not None else value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def template(databases: Databases, migrated_template: str) -> AsyncIterator[str]:
    """A database that mirrors the good lists; nobody is connected to it."""
    lists = good_lists()
    async with (
        serve_handler(lists.serve) as base_url,
        sourced(base_url, rules()) as source,
        databases.copy(migrated_template) as url,
    ):
        await register(url)
        report = await source.pull(url)
        assert report is not None
        assert (report.result, report.row_count) == ("changed", 124)
        await databases.backends_gone(url)
        yield name_of(url)


@pytest_asyncio.fixture(loop_scope="module")
async def stand(databases: Databases, template: str) -> AsyncIterator[Stand]:
    lists = good_lists()
    async with (
        serve_handler(lists.serve) as base_url,
        sourced(base_url, rules()) as source,
        databases.copy(template) as url,
        pool_of(url) as database,
        looking_at(url) as audit,
    ):
        assert database is not None
        yield Stand(lists, source.puller(database), audit)


@pytest.fixture(autouse=True)
def no_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists must do without: a single object is not asked for."""
    monkeypatch.setattr(PROOFS_MOST, 0)


def change(lists: Lists) -> None:
    """What happens at the source besides."""
    lists.clients[NEIGHBOUR] = row(id=NEIGHBOUR, name="Edited", at="2024-05-03T00:00:00Z")
    lists.clients[NEWCOMER] = row(id=NEWCOMER, name="New")
    del lists.clients[LEAVER], lists.clients[FURTHER_LEAVER], lists.projects[LEAVING_PROJECT]


@pytest.mark.parametrize("name", ODD)
async def test_i14_one_odd_record(stand: Stand, name: str) -> None:
    """See the table above."""
    odd, lists = ODD[name], stand.lists
    lists.clients[VICTIM] = odd.record
    change(lists)
    is_frozen = odd.kind in ("quarantined", "doubted", "unreadable")
    for _ in range(EAGER.confirmations + 1):
        report = await stand.puller.pull(T0, full=True)
        assert report.reason == odd.reason or odd.kind != "doubted"
        assert type(report.error) is (ContractChanged if odd.kind == "unreadable" else type(None)), report.error
    # The neighbours
    is_applied = odd.kind != "unreadable"
    assert (await stand.shown("name", NEIGHBOUR) == "Edited") == is_applied
    assert await stand.is_live(NEWCOMER) == is_applied
    # The victim, and what is gone
    assert await stand.is_live(VICTIM)
    assert await stand.is_live(LEAVER) == is_frozen
    assert await stand.is_live(FURTHER_LEAVER) == (odd.freezes_all or not is_applied)
    assert await stand.is_live(LEAVING_PROJECT, "projects") == (not is_applied)
    if odd.shows is not None:
        column, value = odd.shows
        assert await stand.shown(column) == value
    reasons = [row["reason"] for row in await stand.audit.fetch("SELECT reason FROM syncd.quarantine")]
    assert reasons == ([odd.reason] if odd.kind == "quarantined" else [])
    if odd.kind == "quarantined" and "well" not in name:
        assert await stand.shown("name") == "Victim", "what was stored before stays"
    extra = await stand.shown("extra") or {}
    assert extra.get("_sanitized", False) == (odd.kind == "sanitised")
    # Mended
    lists.clients[VICTIM] = row(name="Mended", at="3000-01-01T00:00:00Z")
    report = await stand.puller.pull(T0)
    assert report.error is None
    assert len(report.released) == (odd.kind == "quarantined")
    await stand.puller.pull(T0)
    assert (await stand.puller.pull(T0)).result == "unchanged"
    assert await stand.shown("name") == "Mended"
    assert not await stand.is_live(LEAVER)
    assert await stand.audit.fetchval("SELECT count(*) FROM syncd.quarantine WHERE released_at IS NULL") == 0
    assert await stand.audit.fetchval("SELECT count(*) FROM toggl.clients_current") == 111


PROJECTS: dict[str, tuple[bytes, str, tuple[str, Any] | None]] = {
    "of another workspace": (row(id=301, wid=2, cid=1), "foreign_workspace", None),
    "of an unknown client": (row(id=301, cid=7777), "", ("client_id", 7777)),
    "of a client of another workspace": (row(id=301, cid=2001), "", ("client_id", 2001)),
    "of no client": (row(id=301), "", ("client_id", None)),
    "of client null": (row(id=301, cid=NULL), "", ("client_id", None)),
    "of client 0": (row(id=301, cid=0), "malformed", None),
    "of client -1": (row(id=301, cid=-1), "malformed", None),
    "of a client in words": (row(id=301, cid="1"), "malformed", None),
    "active in words": (row(id=301, cid=1, active="yes"), "malformed", None),
    "estimated at -1 hours": (row(id=301, cid=1, estimated_hours=-1), "malformed", None),
    "estimated at 2^62 hours": (row(id=301, cid=1, estimated_hours=2**62), "malformed", None),
    "with a rate of 1e13": (row(id=301, cid=1, rate=b"1e13"), "amount_out_of_range", None),
    "created in year 1": (row(id=301, cid=1, created_at="0001-01-01T00:00:00Z"), "instant_out_of_range", None),
}


@pytest.mark.parametrize("name", PROJECTS)
async def test_i14_one_odd_project(stand: Stand, name: str) -> None:
    """The same of what only projects have."""
    record, reason, shows = PROJECTS[name]
    stand.lists.projects[301] = record
    change(stand.lists)
    for _ in range(EAGER.confirmations + 1):
        report = await stand.puller.pull(T0, full=True)
        assert report.is_fresh, report.error
    assert await stand.is_live(301, "projects")
    assert await stand.is_live(LEAVING_PROJECT, "projects") == bool(reason)
    assert not await stand.is_live(LEAVER)
    rows = await stand.audit.fetch("SELECT resource, record_key, reason FROM syncd.quarantine")
    assert [tuple(each) for each in rows] == ([("project", "301", reason)] if reason else [])
    if shows is not None:
        assert await stand.audit.fetchval(f"SELECT {shows[0]} FROM toggl.projects WHERE id = 301") == shows[1]
    stand.lists.projects[301] = row(id=301, name="Mended", cid=1, at="2024-06-01T00:00:00Z")
    report = await stand.puller.pull(T0)
    assert len(report.released) == bool(reason)
    await stand.puller.pull(T0)
    assert not await stand.is_live(LEAVING_PROJECT, "projects")
    assert await stand.audit.fetchval("SELECT name FROM toggl.projects WHERE id = 301") == "Mended"


async def test_a_client_that_says_it_moved_to_another_workspace(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API says that never happens. It is put aside where it appears; where it was it is missing, but the source
    still shows it when asked for it."""
    monkeypatch.undo()
    stand.lists.clients[VICTIM] = row(wid=2)
    for _ in range(EAGER.confirmations + 1):
        report = await stand.puller.pull(T0, full=True)
        assert report.is_fresh, report.error
    rows = await stand.audit.fetch("SELECT resource, record_key, reason FROM syncd.quarantine")
    assert [tuple(each) for each in rows] == [("client", str(VICTIM), "workspace_changed")]
    assert await stand.is_live(VICTIM)
