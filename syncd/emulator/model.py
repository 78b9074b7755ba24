"""The world that the emulator serves: workspaces, users, clients, projects, tags, and what a write does to them.

Pure: no sockets, no clock of its own, no API version. Rows are frozen; an update puts a new row in the place of
the old one, so a row that a test has kept never changes under its hands. The methods of `World` are all-powerful;
what a user may see and do is asked of `rights`. Deleted clients and projects leave tombstones, so that it can be told
what went when.

Each write moves the row's `at` to the present second: never backwards, and two writes in one second share it, as
at the source (its times have whole seconds, but for those of tags). The one exception is taught by the source too:
deleting a client takes the client from its projects and leaves their `at` alone (users report, toggl/mobileapp #1905).
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from syncd.emulator.ground import Ground, found
from syncd.emulator.rows import TAKEN, Client, Project, Refused, Tag, Tombstone, name_problems


class World(Ground):
    """All that exists. `now` returns the present instant (aware); it is asked once per write."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.clients: dict[int, Client] = {}
        self.projects: dict[int, Project] = {}
        self.tags: dict[int, Tag] = {}
        self.deleted_clients: dict[int, Tombstone[Client]] = {}
        self.deleted_projects: dict[int, Tombstone[Project]] = {}

    def delete_workspace(self, workspace_id: int) -> None:
        """Delete a workspace with all rows in it; its members lose sight of it. Raises Missing."""
        for client in self.clients_of(workspace_id):
            self.delete_client(client.id)
        for project in self.projects_of(workspace_id):
            self.delete_project(project.id)
        for tag in self.tags_of(workspace_id):
            self.delete_tag(tag.id)
        for user in self.users.values():
            if workspace_id in user.access:
                self.unshare(user.name, workspace_id)
        del self.workspaces[workspace_id], self._shelves[workspace_id]

    # Clients ------------------------------------------------------------------------------------------------

    def client(self, client_id: int) -> Client:
        """Raises Missing."""
        return found(self.clients, "client", client_id)

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
        return found(self.projects, "project", project_id)

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

    # Tags ---------------------------------------------------------------------------------------------------

    def tag(self, tag_id: int) -> Tag:
        """Raises Missing."""
        return found(self.tags, "tag", tag_id)

    def tags_of(self, workspace_id: int) -> list[Tag]:
        """All tags of a workspace, ascending by id."""
        return [self.tags[i] for i in sorted(self._shelf(workspace_id).tag_ids.values())]

    def create_tag(
        self,
        workspace_id: int,
        name: str,
        *,
        tag_id: int | None = None,
        at: datetime | None = None,
        creator_id: int | None = None,
    ) -> Tag:
        """A new tag; otherwise as `create_client`."""
        self.workspace(workspace_id)
        self._check_tag(workspace_id, None, name)
        row = Tag(self._new_id("tag", self.tags, tag_id), workspace_id, name, at or self.now(), creator_id)
        self._put_tag(row)
        return row

    def update_tag(self, tag_id: int, *, name: str | UnsetType = UNSET) -> Tag:
        """Rename a tag; `at` moves in any case. Raises as `create_tag` does."""
        stored = self.tag(tag_id)
        name = stored.name if name is UNSET else name
        self._check_tag(stored.workspace_id, tag_id, name)
        del self._shelves[stored.workspace_id].tag_ids[stored.name]
        row = msgspec.structs.replace(stored, name=name, at=max(stored.at, self.now()))
        self._put_tag(row)
        return row

    def delete_tag(self, tag_id: int) -> None:
        """Raises Missing."""
        row = self.tag(tag_id)
        shelf = self._shelves[row.workspace_id]
        del self.tags[tag_id], shelf.tag_ids[row.name]
        shelf.revision += 1

    # Within -------------------------------------------------------------------------------------------------

    def _set_archived(self, stored: Client, *, archived: bool) -> Client:
        row = msgspec.structs.replace(stored, archived=archived, at=self._instant(stored.at))
        self._put_client(row)
        return row

    def _check_client(
        self, workspace_id: int, client_id: int | None, name: str, notes: str | None, cur: str | None
    ) -> None:
        problems = name_problems(name)
        if self._shelves[workspace_id].client_ids.get(name, client_id) != client_id:
            problems.append(TAKEN)
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
            problems.append(TAKEN)
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

    def _check_tag(self, workspace_id: int, tag_id: int | None, name: str) -> None:
        problems = name_problems(name)
        if self._shelves[workspace_id].tag_ids.get(name, tag_id) != tag_id:
            problems.append(TAKEN)
        if problems:
            raise Refused(problems)

    def _put_tag(self, row: Tag) -> None:
        shelf = self._shelves[row.workspace_id]
        self.tags[row.id] = row
        shelf.tag_ids[row.name] = row.id
        shelf.revision += 1
