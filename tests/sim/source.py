"""The simulated source: workspaces that several accounts share, each with rights of its own, and a life."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from syncd.records import ALWAYS, Resource
from tests.sim.loop import EPOCH


class Rights(NamedTuple):
    """Of one account in one workspace. `share`: which third of the private rows it sees, if it is no admin."""

    admin: bool
    share: int


@dataclass(slots=True)
class Row:
    """A client, project or tag at the source. `at`: whole seconds of virtual time. `gone`: deleted."""

    kind: Resource
    id: int
    wid: int
    name: str
    at: int
    private: bool = False
    money: str | None = None
    notes: str | None = None
    cid: int | None = None
    active: bool = True
    hours: int | None = None
    gone: bool = False


@dataclass(slots=True)
class World:
    """Everything at the source. `tokens`: account -> its workspaces.

    `admins_only`: listing a workspace's projects is for admins; `lists_deleted`: lists show deleted rows as such.
    `step_s`: how coarse `at` is; the coarser, the more edits share one. `kinds`: of row that come to be.
    """

    rng: Random
    admins_only: bool = False
    lists_deleted: bool = False
    step_s: int = 1
    kinds: tuple[Resource, ...] = ALWAYS
    names: dict[int, str] = field(default_factory=dict)
    tokens: dict[str, dict[int, Rights]] = field(default_factory=dict)
    rows: dict[tuple[Resource, int], Row] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    _past: dict[tuple[Resource, int], list[Row]] = field(default_factory=dict)
    _last_id: int = 0

    # -- what an account sees ------------------------------------------------------------------------------------

    def sees(self, token: str, row: Row) -> bool:
        """Whether it is there for this account."""
        rights = self.tokens[token].get(row.wid)
        if row.gone or rights is None:
            return False
        return rights.admin or not row.private or row.id % 3 == rights.share

    def lists(self, token: str, row: Row) -> bool:
        """Whether a full pull of this account would show it: the documented endpoint asks by client."""
        if not self.sees(token, row):
            return False
        if row.kind != "project" or not self.admins_only or self.tokens[token][row.wid].admin:
            return True
        client = self.rows.get(("client", row.cid or 0))
        return client is not None and self.sees(token, client)

    def of(self, kind: Resource, token: str, wid: int | None = None) -> list[Row]:
        """The rows that an account sees, ascending by id."""
        rows = sorted((row for (k, _), row in self.rows.items() if k == kind), key=lambda row: row.id)
        return [row for row in rows if (wid is None or row.wid == wid) and self.sees(token, row)]

    def projects_of(self, client: Row, token: str) -> list[Row]:
        """The projects of a client that an account sees."""
        found = [row for row in self.rows.values() if row.cid == client.id and row.wid == client.wid]
        return sorted((row for row in found if self.sees(token, row)), key=lambda row: row.id)

    def buried(self, kind: Resource, token: str, wid: int | None = None) -> list[Row]:
        """Deleted rows that lists still show, where this source does that."""
        if not self.lists_deleted:
            return []
        mine = self.tokens[token]
        rows = sorted((row for (k, _), row in self.rows.items() if k == kind and row.gone), key=lambda row: row.id)
        return [row for row in rows if row.wid in mine and wid in (None, row.wid) and not row.private]

    def json(self, row: Row, token: str) -> dict[str, Any]:
        """A row as a v8 list writes it: what is not set, or not for this account, is left out."""
        admin = self.tokens[token][row.wid].admin
        body: dict[str, Any] = {"id": row.id, "wid": row.wid, "name": row.name, "at": instant(row.at).isoformat()}
        if row.gone:
            body["server_deleted_at"] = instant(row.at).isoformat()
        more: dict[str, Any] = {}
        if row.kind == "client":
            more = {"notes": row.notes, "hrate": row.money if admin else None}
        elif row.kind == "project":
            more = {"cid": row.cid, "rate": row.money if admin else None, "actual_hours": row.hours}
            body |= {"active": row.active, "is_private": row.private}
        body |= {key: value for key, value in more.items() if value is not None}
        for money in ("hrate", "rate"):
            if money in body:
                body[money] = float(body[money])
        return body

    def expected(self, row: Row, token: str) -> dict[str, Any]:
        """The columns that the mirror must show of it, as this account sees it."""
        admin = self.tokens[token][row.wid].admin
        money = Decimal(row.money) if row.money is not None and admin else None
        common: dict[str, Any] = {"workspace_id": row.wid, "name": row.name, "at": instant(row.at)}
        if row.kind == "client":
            return common | {"notes": row.notes, "hourly_rate": money}
        if row.kind == "tag":
            return common
        seconds = None if row.hours is None else row.hours * 3600
        flags = {"active": row.active, "is_private": row.private}
        return common | flags | {"client_id": row.cid, "rate": money, "actual_seconds": seconds}

    # -- its life ------------------------------------------------------------------------------------------------

    def create(self, kind: Resource, wid: int, now: float) -> Row:
        """A new row, with whatever chance gives it."""
        self._last_id += 1
        rng = self.rng
        row = Row(kind, self._last_id, wid, f"{kind} {self._last_id}", self._stamp(now), private=rng.random() < 0.3)
        if kind == "tag":
            row.private = False
        row.money = rng.choice([None, "10.5", "20"])
        if kind == "client":
            row.notes = rng.choice([None, "note"])
        elif kind == "project":
            row.cid, row.hours = self._some_client(wid), rng.choice([None, 3])
        self.rows[kind, row.id] = row
        return row

    def live_once(self, now: float) -> str:
        """Something happens, at most one thing; its name."""
        rng = self.rng
        names = list(EVENTS)
        name = rng.choices(names, [EVENTS[each] for each in names])[0]
        rows = [row for row in self.rows.values() if not row.gone]
        row = rng.choice(rows) if rows else self.create("client", rng.choice(sorted(self.names)), now)
        if name in ("lose", "gain", "promote", "rename_workspace", "mass_delete", "create"):
            self._upheave(name, now)
        elif name in ("undelete", "restore"):
            self._go_back(name, row, now)
        else:
            self._edit(name, row, now)
        self.happened[name] += 1
        return f"{name} {row.kind} {row.id}"

    def _edit(self, name: str, row: Row, now: float) -> None:
        rng = self.rng
        self._remember(row)
        match name:
            case "rename":
                row.name = f"{row.kind} {row.id} {rng.randrange(1000)}"
            case "clear":
                row.money = row.notes = row.cid = None
            case "move":
                row.cid = self._some_client(row.wid) if row.kind == "project" else None
            case "private":
                row.private = row.kind != "tag" and not row.private
            case "volatile":
                row.hours = (row.hours or 0) + 1
                return
            case "delete":
                row.gone = True
            case "archive":
                row.active = not row.active
        row.at = self._stamp(now)

    def _go_back(self, name: str, row: Row, now: float) -> None:
        """A deleted row comes back, or a live one as it was before, `at` and all: a restored backup."""
        if name == "undelete":
            gone = [each for each in self.rows.values() if each.gone]
            if gone:
                back = self.rng.choice(gone)
                back.gone, back.at = False, self._stamp(now)
        elif self._past.get((row.kind, row.id)):
            self.rows[row.kind, row.id] = replace(self.rng.choice(self._past[row.kind, row.id]), gone=False)

    def _upheave(self, name: str, now: float) -> None:
        rng = self.rng
        token, wid = rng.choice(sorted(self.tokens)), rng.choice(sorted(self.names))
        mine = self.tokens[token]
        match name:
            case "lose":
                mine.pop(wid, None)
            case "gain":
                mine.setdefault(wid, Rights(rng.random() < 0.3, rng.randrange(3)))
            case "promote":
                if wid in mine:
                    mine[wid] = mine[wid]._replace(admin=not mine[wid].admin)
            case "rename_workspace":
                self.names[wid] += "'"
            case "mass_delete":
                share = rng.choice([0.5, 1.0])
                for row in list(self.rows.values()):
                    if row.wid == wid and row.kind == "project" and rng.random() < share:
                        row.gone, row.at = True, self._stamp(now)
            case "create":
                self.create(rng.choice(self.kinds), wid, now)

    def _stamp(self, now: float) -> int:
        return int(now) // self.step_s * self.step_s

    def _remember(self, row: Row) -> None:
        self._past.setdefault((row.kind, row.id), []).append(replace(row))

    def _some_client(self, wid: int) -> int | None:
        clients = [row.id for row in self.rows.values() if row.kind == "client" and row.wid == wid and not row.gone]
        return self.rng.choice([*clients, None])


EVENTS = {
    "rename": 10,
    "clear": 3,
    "move": 4,
    "private": 4,
    "volatile": 4,
    "archive": 2,
    "create": 8,
    "delete": 6,
    "undelete": 3,
    "restore": 1,
    "lose": 1,
    "gain": 3,
    "promote": 1,
    "rename_workspace": 1,
    "mass_delete": 0.3,
}
"""What can happen, and how often compared with the rest."""


def instant(at: int) -> datetime:
    """Virtual seconds as the source writes them."""
    return EPOCH + timedelta(seconds=at)
