"""The independent model: what the source holds, what each token may see of it, what a token was shown.

Nothing here asks syncd's decisions, its decoder or the emulator's own rights: the world's rows are read as data, and
who sees what is worked out anew. Times are steps: one for each change of the world.
"""

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from syncd.emulator.model import World
from syncd.emulator.rows import Client, Project, Tag

Row = Client | Project | Tag
Key = tuple[str, int]
"""Resource and id."""

State = tuple[Any, ...]
"""The columns of `COLUMNS`, in their order: workspace first, `at` last."""

COLUMNS = {
    "client": ("workspace_id", "name", "notes", "hourly_rate", "currency", "at"),
    "project": ("workspace_id", "client_id", "name", "active", "is_private", "billable", "color", "rate", "at"),
    "tag": ("workspace_id", "name", "at"),
}
WIRE = {
    "client": ("wid", "name", "notes", "hrate", "cur", "at"),
    "project": ("wid", "cid", "name", "active", "is_private", "billable", "color", "rate", "at"),
    "tag": ("wid", "name", "at"),
}


def state_of(row: Row, *, rates: bool) -> State:
    """A row of the source as columns; without `rates`, as somebody sees it who may not see money."""
    if isinstance(row, Tag):
        return row.workspace_id, row.name, row.at
    amount = row.hrate if isinstance(row, Client) else row.rate
    money = Decimal(str(amount)) if rates and amount is not None else None
    if isinstance(row, Client):
        return row.workspace_id, row.name, row.notes, money, row.cur if rates else None, row.at
    flags = row.active, row.is_private, row.billable
    return row.workspace_id, row.client_id, row.name, *flags, row.color, money, row.at


def shown_in(answers: Iterable[tuple[str, int, bytes]]) -> dict[Key, State]:
    """The rows in (path, status, body) of answers, as columns."""
    shown: dict[Key, State] = {}
    for path, status, body in answers:
        resource = path.rsplit("/", 1)[-1].removesuffix("s")
        if status != 200 or resource not in WIRE:
            continue
        try:
            rows = json.loads(body, parse_float=Decimal, parse_int=Decimal)
        except ValueError:
            continue
        for row in rows if isinstance(rows, list) else []:
            row["at"] = datetime.fromisoformat(row["at"])
            shown[resource, int(row["id"])] = tuple(row.get(name) for name in WIRE[resource])
    return shown


def administered_in(answers: Iterable[tuple[str, int, bytes]]) -> set[int]:
    """Workspaces that the answers call the token an admin of, which it need not be any more."""
    found: set[int] = set()
    for path, status, body in answers:
        if status == 200 and path.endswith("/workspaces"):
            with contextlib.suppress(ValueError):
                rows = json.loads(body)
                found |= {row["id"] for row in rows if row["admin"]} if isinstance(rows, list) else set()
    return found


class Source:
    """All that the source ever was. Call `moment` after each change of the world or of somebody's rights.

    `by_client`: everybody lists projects client by client, and sees none without client. `resources`: those that are
    mirrored; nothing is known of the others.
    """

    def __init__(self, world: World, resources: Sequence[str], *, by_client: bool) -> None:
        self.by_client = by_client
        self.resources = resources
        self.step = 0
        self.world = world
        self.rows: dict[Key, Row] = {}
        self.past: dict[Key, list[Row]] = defaultdict(list)
        self.had: dict[Key, set[State]] = defaultdict(set)
        self.went_back: set[Key] = set()
        self.visible_since: dict[str, dict[Key, int]] = defaultdict(dict)
        self.moment()

    def moment(self) -> None:
        """Note what is new, and since when each token sees what it sees."""
        self.step += 1
        world, before = self.world, self.rows
        every = {resource: getattr(world, f"{resource}s") for resource in self.resources}
        self.rows = {(resource, id_): row for resource, rows in every.items() for id_, row in rows.items()}
        for key, row in self.rows.items():
            if row is not before.get(key):
                if any(row.at < old.at for old in self.past[key]):
                    self.went_back.add(key)
                self.past[key].append(row)
                self.had[key] |= {state_of(row, rates=True), state_of(row, rates=False)}
        for name in world.users:
            since = self.visible_since[name]
            self.visible_since[name] = {key: since.get(key, self.step) for key in self.sees(name)}

    def is_admin(self, token: str, workspace_id: int) -> bool:
        return self.world.users[token].access.get(workspace_id, False)

    def shows_by_id(self, token: str, key: Key) -> bool:
        """Whether the source shows a row to who asks for it by its id, whatever lists hold; tags it only lists."""
        user, row = self.world.users[token], self.rows.get(key)
        if row is None or isinstance(row, Tag) or user.is_revoked or row.workspace_id not in user.access:
            return False
        return user.access[row.workspace_id] or not (isinstance(row, Project) and row.is_private)

    def sees(self, token: str, listings: Mapping[int, str] | None = None) -> dict[Key, State]:
        """What a token may see. `listings`: how it lists the projects of a workspace, the best way if left out."""
        user = self.world.users[token]
        seen: dict[Key, State] = {}
        for key, row in self.rows.items():
            workspace = self.world.workspaces[row.workspace_id]
            if user.is_revoked or workspace.id not in user.access:
                continue
            admin = user.access[workspace.id]
            if isinstance(row, Project):
                by_client = self.by_client or not admin or (listings or {}).get(workspace.id) == "client"
                if (row.is_private and not admin) or (row.client_id is None and by_client):
                    continue
            rates = workspace.premium and (admin or not workspace.only_admins_see_billable_rates)
            seen[key] = state_of(row, rates=rates)
        return seen


@dataclass
class Lack:
    """A row that a token was shown once and no longer: since the pull that began at `since`, in `count` pulls."""

    since: int
    count: int


@dataclass
class Eye:
    """What the mirror can know through one token.

    `possible`: may be in the last snapshot that counts. `certain`: is in it, and was visible ever since. `epochs`: in
    which epoch of its workspace's listing a row was shown last. `admin_of`: workspaces it was ever seen to administer.
    `steady`: as what a row was shown last, in how many pulls in a row.
    """

    is_rejected: bool = False
    has_pulled: bool = False
    possible: set[Key] = field(default_factory=set)
    certain: set[Key] = field(default_factory=set)
    lacks: dict[Key, Lack] = field(default_factory=dict)
    epochs: dict[Key, int] = field(default_factory=dict)
    listings: dict[int, str] = field(default_factory=dict)
    epoch: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    admin_of: set[int] = field(default_factory=set)
    steady: dict[Key, Counter[State]] = field(default_factory=lambda: defaultdict(Counter))

    def take(self, shown: dict[Key, State], listed: dict[int, str], *, began: int, is_complete: bool) -> None:
        """One more snapshot that counts."""
        self.is_rejected, self.has_pulled = False, True
        for workspace_id, listing in listed.items():
            known = self.listings.setdefault(workspace_id, listing)
            if is_complete and known != listing:
                self.listings[workspace_id] = listing
                self.epoch[workspace_id] += 1
        for key in self.epochs.keys() - shown.keys():
            self.lacks.setdefault(key, Lack(began, 0)).count += 1
        for key, state in shown.items():
            self.lacks.pop(key, None)
            self.steady[key] = Counter({state: self.steady[key][state] + 1})
            self.epochs[key] = self.epoch[int(state[0])]
        self.possible = set(shown) | (set() if is_complete else self.possible)
        self.certain = set(shown) if is_complete else self.certain | shown.keys()

    def may_take(self, shown: dict[Key, State], *, began: int) -> None:
        """A snapshot of a pull that was fenced out: it may count for some workspaces, and for others not."""
        self.possible |= shown.keys()
        for key in self.epochs.keys() - shown.keys():
            self.lacks.setdefault(key, Lack(began, 0)).count += 1
        for key, state in shown.items():
            self.steady[key][state] += 1

    def must_miss(self, key: Key, workspace_id: int) -> bool:
        """Whether a row that this token no longer sees was one that it could not fail to miss."""
        resource, _ = key
        by_client = resource == "project" and self.listings.get(workspace_id) == "client"
        return key in self.epochs and (not by_client or self.epochs[key] == self.epoch[workspace_id])
