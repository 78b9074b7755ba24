"""The world that the emulator serves: workspaces, users, clients, projects, and what a write does to them.

Pure: no sockets, no clock of its own, no API version. Rows are frozen; an update puts a new row in the place of
the old one, so a row that a test has kept never changes under its hands. The methods of `World` are all-powerful;
what a user may see and do is asked of `rights`. Deleted rows leave tombstones, so that it can be told what went when.

Each write moves the row's `at` to the present second: never backwards, and two writes in one second share it, as
at the source (the API's times have whole seconds). The one exception is taught by the source too: deleting a
client takes the client from its projects and leaves their `at` alone (users report, toggl/mobileapp #1905).
"""

from collections.abc import Callable, Collection, Container
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from syncd.emulator.rows import Client, Missing, Project, Refused, Tombstone, User, Workspace, name_problems

K = TypeVar("K")
V = TypeVar("V")

_EVER = datetime.min.replace(tzinfo=UTC)


class _Shelf(msgspec.Struct):
    """Where the rows of one workspace are found. `revision` moves with every write to the workspace."""

    client_ids: dict[str, int]
    project_ids: dict[int | None, list[int]]
    revision: int = 0


class World:
    """All that exists. `now` returns the present instant (aware); it is asked once per write."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = _EVER
        self._ids = {
            "workspace": 2_230_000,
            "client": 64_000_000,
            "project": 163_000_000,
            "user": 2_160_000,
            "organization": 2_100_000,
        }
        self._shelves: dict[int, _Shelf] = {}
        self.workspaces: dict[int, Workspace] = {}
        self.clients: dict[int, Client] = {}
        self.projects: dict[int, Project] = {}
        self.deleted_clients: dict[int, Tombstone[Client]] = {}
        self.deleted_projects: dict[int, Tombstone[Project]] = {}
        self.users: dict[str, User] = {}

    def now(self) -> datetime:
        """The present instant, in UTC and with its fraction."""
        return self._now().astimezone(UTC)

    # People -------------------------------------------------------------------------------------------------

    @property
    def tokens(self) -> dict[str, str]:
        """Name -> token of every user whose token is still good."""
        return {user.name: user.token for user in self.users.values() if not user.is_revoked}

    def add_user(self, name: str, token: str, *, user_id: int | None = None) -> User:
        """A new user who sees nothing yet; with the `user_id` of another one it is a further token of that person,
        who sees the same. Raises Refused if the name or the token is taken."""
        if name in self.users or any(user.token == token for user in self.users.values()):
            raise Refused([f"User {name} or its token has already been taken"])
        twin = next((user for user in self.users.values() if user.id == user_id), None)
        new_id = twin.id if twin else self._new_id("user", (), user_id)
        user = User(name, token, dict(twin.access) if twin else {}, id=new_id, joined=dict(twin.joined) if twin else {})
        self.users[name] = user
        return user

    def user(self, name: str) -> User:
        """Raises Missing."""
        return _found(self.users, "user", name)

    def user_of_token(self, token: str) -> User | None:
        """Who holds this token; None for an unknown or revoked one."""
        return next((u for u in self.users.values() if u.token == token and not u.is_revoked), None)

    def share(self, name: str, workspace_id: int, *, admin: bool = False) -> None:
        """Make a user a member of a workspace, or change the right it has there."""
        self.workspace(workspace_id)
        for user in self._tokens_of(name):
            user.access[workspace_id] = admin
            user.joined[workspace_id] = self.now().replace(microsecond=0)
            user.revision += 1

    def unshare(self, name: str, workspace_id: int) -> None:
        """Take a user out of a workspace: its rows leave that user's answers, though none was deleted."""
        for user in self._tokens_of(name):
            if user.access.pop(workspace_id, None) is None:
                raise Missing("workspace", workspace_id)
            user.revision += 1

    def revoke(self, name: str) -> None:
        """Make a user's token invalid for good, as a reset in the profile does."""
        self.user(name).is_revoked = True

    # Workspaces ---------------------------------------------------------------------------------------------

    def create_workspace(
        self, name: str, *, workspace_id: int | None = None, at: datetime | None = None, **settings: Any
    ) -> Workspace:
        """A new, empty workspace; `settings` are the further fields of `Workspace`. `at` defaults to now; without
        `organization_id` it has an organization of its own."""
        settings["organization_id"] = self._new_id("organization", (), settings.get("organization_id"))
        row = Workspace(
            self._new_id("workspace", self.workspaces, workspace_id), name, at or self._instant(), **settings
        )
        self.workspaces[row.id] = row
        self._shelves[row.id] = _Shelf({}, {})
        return row

    def workspace(self, workspace_id: int) -> Workspace:
        """Raises Missing."""
        return _found(self.workspaces, "workspace", workspace_id)

    def update_workspace(self, workspace_id: int, **fields: Any) -> Workspace:
        """Change any field of `Workspace` but id and at."""
        stored = self.workspace(workspace_id)
        if bad := fields.keys() & {"id", "at"}:
            raise Refused(f"{name} can't be changed" for name in sorted(bad))
        row = msgspec.structs.replace(stored, **fields, at=self._instant(stored.at))
        self.workspaces[row.id] = row
        self._shelves[row.id].revision += 1
        return row

    def delete_workspace(self, workspace_id: int) -> None:
        """Delete a workspace with all rows in it; its members lose sight of it. Raises Missing."""
        for client in self.clients_of(workspace_id):
            self.delete_client(client.id)
        for project in self.projects_of(workspace_id):
            self.delete_project(project.id)
        for user in self.users.values():
            if workspace_id in user.access:
                self.unshare(user.name, workspace_id)
        del self.workspaces[workspace_id], self._shelves[workspace_id]

    def revision(self, workspace_id: int) -> int:
        """A number that moves with every write to the workspace or to a row in it."""
        return self._shelves[workspace_id].revision

    # Clients ------------------------------------------------------------------------------------------------

    def client(self, client_id: int) -> Client:
        """Raises Missing."""
        return _found(self.clients, "client", client_id)

    def clients_of(self, workspace_id: int) -> list[Client]:
        """All clients of a workspace, ascending by id."""
        return [self.clients[i] for i in sorted(self._shelf(workspace_id).client_ids.values())]

    def create_client(  # noqa: PLR0913 - a row has that many fields
        self,
        workspace_id: int,
        name: str,
        notes: str | None = None,
        hrate: float | None = None,
        cur: str | None = None,
        *,
        client_id: int | None = None,
        at: datetime | None = None,
        creator_id: int | None = None,
    ) -> Client:
        """A new client. `client_id` and `at` are for building worlds; left out, they are the next id and now.

        Raises:
            Missing: no such workspace.
            Refused: the name is blank, too long or taken in this workspace, or a text holds a NUL.
        """
        workspace = self.workspace(workspace_id)
        self._check_client(workspace_id, None, name, notes, cur)
        row = Client(
            self._new_id("client", self.clients, client_id),
            workspace_id,
            name,
            at or self._instant(),
            notes or None,
            creator_id=creator_id,
        )
        if workspace.premium:  # elsewhere rates are dropped without a word (assumed)
            row = msgspec.structs.replace(row, hrate=hrate, cur=cur or None)
        self._put_client(row)
        return row

    def update_client(
        self,
        client_id: int,
        *,
        name: str | UnsetType = UNSET,
        notes: str | UnsetType | None = UNSET,
        hrate: float | UnsetType | None = UNSET,
        cur: str | UnsetType | None = UNSET,
    ) -> Client:
        """Change the fields given; `at` moves even if none differs. Raises as `create_client` does."""
        stored = self.client(client_id)
        fields: dict[str, Any] = {} if name is UNSET else {"name": name}
        if notes is not UNSET:
            fields["notes"] = notes or None
        if self.workspace(stored.workspace_id).premium:
            if hrate is not UNSET:
                fields["hrate"] = hrate
            if cur is not UNSET:
                fields["cur"] = cur or None
        row = msgspec.structs.replace(stored, **fields)
        self._check_client(row.workspace_id, client_id, row.name, row.notes, row.cur)
        row = msgspec.structs.replace(row, at=self._instant(stored.at))
        del self._shelves[row.workspace_id].client_ids[stored.name]
        self._put_client(row)
        return row

    def delete_client(self, client_id: int) -> None:
        """Delete a client. Its projects stay, without client, and their `at` does not move."""
        row = self.client(client_id)
        shelf = self._shelves[row.workspace_id]
        del self.clients[client_id], shelf.client_ids[row.name]
        self.deleted_clients[client_id] = Tombstone(row, self._instant(row.at))
        for project_id in shelf.project_ids.pop(client_id, ()):
            orphan = msgspec.structs.replace(self.projects[project_id], client_id=None)
            self.projects[project_id] = orphan
            shelf.project_ids.setdefault(None, []).append(project_id)
        shelf.revision += 1

    def archive_client(self, client_id: int) -> list[int]:
        """Archive a client and its active projects; returns the ids of those, ascending. Raises Missing."""
        self._set_archived(self.client(client_id), archived=True)
        project_ids = [row.id for row in self.projects_of_client(client_id) if row.active]
        for project_id in project_ids:
            self.update_project(project_id, active=False)
        return project_ids

    def restore_client(self, client_id: int, project_ids: Collection[int] | None = ()) -> Client:
        """Take a client out of the archive, and these of its projects (None: all). Raises Missing, and Refused if
        one of the projects is not the client's."""
        stored = self.client(client_id)
        own = {row.id: row for row in self.projects_of_client(client_id)}
        wanted = own if project_ids is None else project_ids
        if alien := set(wanted) - own.keys():
            raise Refused(f"Project with the ID {i} isn't present in client {client_id}" for i in sorted(alien))
        for project_id in wanted:
            if not own[project_id].active:
                self.update_project(project_id, active=True)
        return self._set_archived(stored, archived=False)

    # Projects -----------------------------------------------------------------------------------------------

    def project(self, project_id: int) -> Project:
        """Raises Missing."""
        return _found(self.projects, "project", project_id)

    def projects_of(self, workspace_id: int) -> list[Project]:
        """All projects of a workspace, archived and private ones too, ascending by id."""
        buckets = self._shelf(workspace_id).project_ids.values()
        return [self.projects[i] for i in sorted(i for bucket in buckets for i in bucket)]

    def projects_of_client(self, client_id: int) -> list[Project]:
        """All projects of a client, archived and private ones too, ascending by id. Raises Missing."""
        shelf = self._shelf(self.client(client_id).workspace_id)
        return [self.projects[i] for i in sorted(shelf.project_ids.get(client_id, ()))]

    def create_project(
        self,
        workspace_id: int,
        name: str,
        client_id: int | None = None,
        *,
        project_id: int | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> Project:
        """A new project; `fields` are the further fields of `Project`. Private and active by default.

        Raises:
            Missing: no such workspace.
            Refused: the name is blank, too long, has a NUL or is taken under this client; the client is not in
                this workspace.
        """
        self.workspace(workspace_id)
        self._check_project(workspace_id, None, client_id, name)
        new_id = self._new_id("project", self.projects, project_id)
        at = at or self._instant()
        fields.setdefault("created_at", at)
        row = Project(new_id, workspace_id, client_id, name, at, **fields)
        self._put_project(row)
        return row

    def update_project(self, project_id: int, **fields: Any) -> Project:
        """Change any field of `Project` but id, workspace_id and at; `active=False` archives it."""
        stored = self.project(project_id)
        if bad := fields.keys() & {"id", "workspace_id", "at"}:
            raise Refused(f"{name} can't be changed" for name in sorted(bad))
        row = msgspec.structs.replace(stored, **fields)
        self._check_project(row.workspace_id, project_id, row.client_id, row.name)
        row = msgspec.structs.replace(row, at=self._instant(stored.at))
        if row.rate != stored.rate:
            row = msgspec.structs.replace(row, rate_last_updated=row.at)
        self._drop_project(stored)
        self._put_project(row)
        return row

    def track(self, project_id: int, seconds: int) -> Project:
        """Add tracked time to a project: `actual_seconds` moves and `at` does not. Raises Missing."""
        stored = self.project(project_id)
        row = msgspec.structs.replace(stored, actual_seconds=(stored.actual_seconds or 0) + seconds)
        self.projects[project_id] = row
        self._shelves[row.workspace_id].revision += 1
        return row

    def delete_project(self, project_id: int) -> None:
        """Raises Missing."""
        row = self.project(project_id)
        self._drop_project(row)
        del self.projects[project_id]
        self.deleted_projects[project_id] = Tombstone(row, self._instant(row.at))
        self._shelves[row.workspace_id].revision += 1

    # Within -------------------------------------------------------------------------------------------------

    def _tokens_of(self, name: str) -> list[User]:
        """All users who are the same person as this one."""
        user_id = self.user(name).id
        return [user for user in self.users.values() if user.id == user_id]

    def _set_archived(self, stored: Client, *, archived: bool) -> Client:
        row = msgspec.structs.replace(stored, archived=archived, at=self._instant(stored.at))
        self._put_client(row)
        return row

    def _shelf(self, workspace_id: int) -> _Shelf:
        return _found(self._shelves, "workspace", workspace_id)

    def _instant(self, floor: datetime = _EVER) -> datetime:
        """The present second in UTC, never before one handed out earlier, nor before `floor`."""
        present = self._now().astimezone(UTC).replace(microsecond=0)
        self._last = max(self._last, present)
        return max(self._last, floor)

    def _new_id(self, kind: str, taken: Container[int], wanted: int | None) -> int:
        """`wanted`, or the next free id of this kind. Ids that the world chooses are never used twice."""
        if wanted in taken:
            raise Refused([f"ID {wanted} has already been taken"])
        new_id = self._ids[kind] + 1 if wanted is None else wanted
        self._ids[kind] = max(self._ids[kind], new_id)
        return new_id

    def _check_client(
        self, workspace_id: int, client_id: int | None, name: str, notes: str | None, cur: str | None
    ) -> None:
        problems = name_problems(name)
        if self._shelves[workspace_id].client_ids.get(name, client_id) != client_id:
            problems.append("Name has already been taken")
        # The source keeps its texts in PostgreSQL, which cannot hold a NUL.
        problems += [f"{label} is invalid" for label, text in (("Notes", notes), ("Cur", cur)) if "\0" in (text or "")]
        if problems:
            raise Refused(problems)

    def _check_project(self, workspace_id: int, project_id: int | None, client_id: int | None, name: str) -> None:
        problems = name_problems(name)
        if client_id is not None:
            client = self.clients.get(client_id)
            if client is None or client.workspace_id != workspace_id:
                problems.append(f"Client with the ID {client_id} isn't present in workspace {workspace_id}")
        rivals = self._shelves[workspace_id].project_ids.get(client_id, ())
        if any(i != project_id and self.projects[i].name == name for i in rivals):
            problems.append("Name has already been taken")
        if problems:
            raise Refused(problems)

    def _put_client(self, row: Client) -> None:
        shelf = self._shelves[row.workspace_id]
        self.clients[row.id] = row
        self.deleted_clients.pop(row.id, None)
        shelf.client_ids[row.name] = row.id
        shelf.revision += 1

    def _put_project(self, row: Project) -> None:
        shelf = self._shelves[row.workspace_id]
        self.projects[row.id] = row
        self.deleted_projects.pop(row.id, None)
        shelf.project_ids.setdefault(row.client_id, []).append(row.id)
        shelf.revision += 1

    def _drop_project(self, row: Project) -> None:
        bucket = self._shelves[row.workspace_id].project_ids[row.client_id]
        bucket.remove(row.id)
        if not bucket:
            del self._shelves[row.workspace_id].project_ids[row.client_id]


def _found(rows: dict[K, V], kind: str, key: K) -> V:
    try:
        return rows[key]
    except KeyError:
        raise Missing(kind, key) from None
