"""The rules by which the source changes: edits, moves, deletes, restores, and rights."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from syncd.emulator.model import World
from syncd.emulator.rows import Client, Project, Tag
from tests.stateful.source import COLUMNS, Key, Row, Source

BEGINNING = datetime(2024, 5, 1, 12, tzinfo=UTC)
TOKENS = ("t0", "t1", "t2")
WORKSPACES = (1, 2, 3)
RIGHTS = ("admin", "member", "none")

PICK = st.one_of(st.integers(0, 2), st.integers(0, 99))
"""Which of several rows, modulo how many there are: a few come often, for a row must see much to be in danger."""

RESOURCE = st.sampled_from(tuple(COLUMNS))
CLIENT_EDITS = ("rename", "set notes", "clear notes", "set rate", "clear rate", "touch")
PROJECT_EDITS = ("rename", "archive", "restore", "hide", "show", "set rate", "clear rate", "color", "touch")
RETURNS = ("same row", "same row, touched", "same name, new id")
DELETES = ("client", "project", "many projects", "all clients", "tag")
FEW = 4
"""Of so few rows none is deleted, lest nothing be left to happen to."""


def small_world(rights: dict[str, list[str]], world: World) -> None:
    """Three shared workspaces: a full one that hides its rates from members, a small one, one with many clients. Each
    has some tags."""
    for id_, (premium, hides) in zip(WORKSPACES, ((True, True), (True, False), (False, False)), strict=True):
        world.create_workspace(
            f"workspace {id_}", workspace_id=id_, premium=premium, only_admins_see_billable_rates=hides
        )
    for token in TOKENS:
        world.add_user(token, f"secret of {token}")
        for workspace_id, right in zip(WORKSPACES, rights[token], strict=True):
            if right != "none":
                world.share(token, workspace_id, admin=right == "admin")
    for workspace_id, clients, projects in zip(WORKSPACES, (3, 2, 7), (12, 3, 1), strict=True):
        ids = [world.create_client(workspace_id, f"client {n}", None, 40.0, "EUR").id for n in range(clients)]
        for n in range(projects):
            parent = ids[n % clients] if n % 4 != 3 else None
            world.create_project(workspace_id, f"project {n}", parent, is_private=n % 5 == 4, rate=20.0 + n)
        for n in range(projects // 2):
            world.create_tag(workspace_id, f"tag {n}")


class SourceRules(RuleBasedStateMachine):
    """Whatever may happen at the source. `fired` counts what did, over all examples of a run."""

    fired: ClassVar[Counter[str]] = Counter()

    world: World
    source: Source

    def __init__(self) -> None:
        super().__init__()
        self.second = 0
        self.serial = 0
        self.deleted: list[Row] = []

    def begin_world(self, rights: dict[str, list[str]], resources: Sequence[str], *, by_client: bool) -> None:
        self.world = World(self.now)
        small_world(rights, self.world)
        self.source = Source(self.world, resources, by_client=by_client)

    def now(self) -> datetime:
        """The present at the source."""
        return BEGINNING + timedelta(seconds=self.second)

    def did(self, what: str) -> None:
        self.fired[what] += 1

    def changed(self, what: str) -> None:
        """The world has changed."""
        self.did(what)
        self.source.moment()
        for token, eye in self.eyes().items():
            eye.certain &= self.source.visible_since[token].keys()

    def eyes(self) -> dict[str, Any]:
        return {}

    def pick_row(self, resource: str, pick: int) -> Any:
        """One of the rows that exist; None if there is none."""
        keys = sorted(key for key in self.source.rows if key[0] == resource)
        return self.source.rows[keys[pick % len(keys)]] if keys else None

    def fresh(self, what: str) -> str:
        """A name that was not used before."""
        self.serial += 1
        return f"{what} {self.serial}"

    # Edits ------------------------------------------------------------------------------------------------------

    @rule(pick=PICK, kind=st.sampled_from(CLIENT_EDITS), tick=st.booleans())
    def edit_client(self, pick: int, kind: str, tick: bool) -> None:
        """`tick`: a second passes first; else the edit may share its `at` with the one before."""
        row = self.pick_row("client", pick)
        if row is not None:
            self.second += tick
            self.do_edit_client(row, kind)
            self.changed(f"client: {kind}")

    def do_edit_client(self, row: Client, kind: str) -> None:
        number = float(self.second + self.serial) + 0.5
        fields: dict[str, dict[str, Any]] = {
            "rename": {"name": self.fresh("client name")},
            "set notes": {"notes": self.fresh("notes")},
            "clear notes": {"notes": None},
            "set rate": {"hrate": number, "cur": "USD"},
            "clear rate": {"hrate": None, "cur": None},
            "touch": {},
        }
        self.world.update_client(row.id, **fields[kind])

    @rule(pick=PICK, kind=st.sampled_from(PROJECT_EDITS), tick=st.booleans())
    def edit_project(self, pick: int, kind: str, tick: bool) -> None:
        row = self.pick_row("project", pick)
        if row is not None and self.is_free(row, row.client_id, row.name):
            self.second += tick
            self.do_edit_project(row, kind)
            self.changed(f"project: {kind}")

    def do_edit_project(self, row: Project, kind: str) -> None:
        number = float(self.second + self.serial) + 0.5
        fields: dict[str, dict[str, Any]] = {
            "rename": {"name": self.fresh("project name")},
            "archive": {"active": False},
            "restore": {"active": True},
            "hide": {"is_private": True},
            "show": {"is_private": False},
            "set rate": {"rate": number, "billable": True},
            "clear rate": {"rate": None, "billable": False},
            "color": {"color": self.fresh("color")},
            "touch": {},
        }
        self.world.update_project(row.id, **fields[kind])

    @rule(pick=PICK, to=PICK, tick=st.booleans())
    def move_project(self, pick: int, to: int, tick: bool) -> None:
        """To another client of its workspace, or to none."""
        row = self.pick_row("project", pick)
        if row is None:
            return
        parents = [None, *(client.id for client in self.world.clients_of(row.workspace_id))]
        parent = parents[to % len(parents)]
        if parent != row.client_id and self.is_free(row, parent, row.name):
            self.second += tick
            self.world.update_project(row.id, client_id=parent)
            self.changed("project: move" if parent else "project: leave its client")

    @precondition(lambda self: "tag" in self.source.resources)
    @rule(pick=PICK, tick=st.booleans())
    def rename_tag(self, pick: int, tick: bool) -> None:
        row = self.pick_row("tag", pick)
        if row is not None:
            self.second += tick
            self.world.update_tag(row.id, name=self.fresh("tag name"))
            self.changed("tag: rename")

    def is_free(self, row: Row, parent: int | None, name: str) -> bool:
        """No other row has this name there."""
        rivals: list[Any] = getattr(self.world, f"{self.key(row)[0]}s_of")(row.workspace_id)
        if isinstance(row, Project):
            rivals = [rival for rival in rivals if rival.client_id == parent]
        return all(rival.id == row.id or rival.name != name for rival in rivals)

    # Births and deaths --------------------------------------------------------------------------------------------

    @rule(workspace_id=st.sampled_from(WORKSPACES), resource=RESOURCE, to=PICK)
    def create(self, workspace_id: int, resource: str, to: int) -> None:
        if resource not in self.source.resources:
            return
        self.second += 1
        if resource == "client":
            self.world.create_client(workspace_id, self.fresh("new client"), "notes", 12.5, "EUR")
        elif resource == "tag":
            self.world.create_tag(workspace_id, self.fresh("new tag"))
        else:
            parents = [None, *(client.id for client in self.world.clients_of(workspace_id))]
            parent = parents[to % len(parents)]
            self.world.create_project(workspace_id, self.fresh("new project"), parent, is_private=to % 3 == 2)
        self.changed(f"{resource}: create")

    @rule(pick=PICK, kind=st.sampled_from((*DELETES[:2] * 3, *DELETES)))
    def delete(self, pick: int, kind: str) -> None:
        """One row, or more of a workspace than the guard lets through."""
        resource = next(resource for resource in COLUMNS if resource in kind)
        row = self.pick_row(resource, pick)
        if row is None or sum(key[0] == resource for key in self.source.rows) <= FEW:
            return
        doomed = [row]
        if kind == "many projects":
            doomed = self.world.projects_of(row.workspace_id)[pick % 3 :]
        elif kind == "all clients":
            doomed = self.world.clients_of(row.workspace_id)
        for each in doomed:
            self.deleted.append(each)
            getattr(self.world, f"delete_{resource}")(each.id)
        self.changed(f"delete {kind}")

    @precondition(lambda self: self.deleted)
    @rule(pick=PICK, kind=st.sampled_from(RETURNS))
    def bring_back(self, pick: int, kind: str) -> None:
        """What was deleted, last of all first, comes again: made anew under its name, or undeleted."""
        row = self.deleted[-1 - pick % len(self.deleted)]
        parent = row.client_id if isinstance(row, Project) and row.client_id in self.world.clients else None
        if self.key(row) in self.source.rows or not self.is_free(row, parent, row.name):
            return
        if kind == "same name, new id":
            self.recreate(row, parent)
        else:
            self.second += kind == "same row, touched"
            at = self.world._instant() if kind == "same row, touched" else row.at
            self.put(msgspec.structs.replace(row, at=at), parent)
        self.changed(f"bring back: {kind}")

    def recreate(self, row: Row, parent: int | None) -> None:
        """Another row of the same name."""
        if isinstance(row, Client):
            self.world.create_client(row.workspace_id, row.name, row.notes, row.hrate, row.cur)
        elif isinstance(row, Tag):
            self.world.create_tag(row.workspace_id, row.name)
        else:
            self.world.create_project(row.workspace_id, row.name, parent, is_private=row.is_private)

    @rule(pick=PICK, age=st.integers(0, 9), resource=RESOURCE)
    def set_back(self, pick: int, age: int, resource: str) -> None:
        """The source is restored from an older backup: a row is again what it was."""
        row = self.pick_row(resource, pick)
        past = [] if row is None else [old for old in self.source.past[self.key(row)] if old != row]
        if row is None or not past:
            return
        old = past[age % len(past)]
        parent = old.client_id if isinstance(old, Project) else None
        if (parent is not None and parent not in self.world.clients) or not self.is_free(row, parent, old.name):
            return
        if isinstance(row, Project):
            self.world._drop_project(row)
        else:
            del getattr(self.world._shelves[row.workspace_id], f"{resource}_ids")[row.name]
        self.put(old, parent)
        self.changed(f"{resource}: set back")

    def put(self, row: Row, parent: int | None) -> None:
        """Past the rules of the source: this row exists now."""
        if isinstance(row, Project):
            row = msgspec.structs.replace(row, client_id=parent)
        getattr(self.world, f"_put_{self.key(row)[0]}")(row)

    @staticmethod
    def key(row: Row) -> Key:
        return type(row).__name__.lower(), row.id

    # Rights -----------------------------------------------------------------------------------------------------

    @rule(token=st.sampled_from(TOKENS), workspace_id=st.sampled_from(WORKSPACES), right=st.sampled_from(RIGHTS))
    def change_right(self, token: str, workspace_id: int, right: str) -> None:
        access = self.world.users[token].access
        if right != "none":
            self.world.share(token, workspace_id, admin=right == "admin")
        elif workspace_id in access:
            self.world.unshare(token, workspace_id)
        else:
            return
        self.changed(f"right: {right}")

    @rule(token=st.sampled_from(TOKENS), revoked=st.sampled_from((False, False, False, True)))
    def revoke_or_give_back(self, token: str, revoked: bool) -> None:
        user = self.world.users[token]
        if user.is_revoked != revoked:
            user.is_revoked = revoked
            self.changed("token: revoke" if revoked else "token: give back")
