"""The calls of v9 on the clients of a workspace."""

from syncd.emulator import rights
from syncd.emulator import v9_read as read
from syncd.emulator import v9_wire as wire
from syncd.emulator.dialect import Answer, Ask
from syncd.emulator.rows import Client, Missing, Workspace
from syncd.emulator.v9_source import NO_RIGHT, PAID_FEATURE, Source, Stop


class Clients:
    """All members see all clients; rights to write are those of `rights`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._world = source.world

    def page(self, ask: Ask) -> Answer:
        """`status`=active (default), archived, both; `name`: part of the name, in any case."""
        workspace, source = self._source.workspace(ask), self._source
        query = read.Query(ask.query)
        status, name = read.status(query), query.text("name").casefold()
        wanted = {"active": (False,), "archived": (True,), "both": (False, True)}[status]

        def render() -> bytes:
            rows = self._world.clients_of(workspace.id)
            found = (row for row in rows if row.archived in wanted and name in row.name.casefold())
            return source.array(wire.client(row, notes=source.switches.notes_in_lists) for row in found)

        return source.pages.get(("clients", workspace.id, status, name), source.stamp_of(workspace), render)

    def create(self, ask: Ask) -> Answer:
        workspace = self._writable(ask)
        sent = self._read(ask, workspace)
        row = self._world.create_client(workspace.id, sent.name or "", sent.notes or None, creator_id=ask.user.id)
        return _one(row)

    def get(self, ask: Ask) -> Answer:
        return _one(self._client(ask, self._source.workspace(ask)))

    def update(self, ask: Ask) -> Answer:
        workspace = self._writable(ask)
        row = self._client(ask, workspace)
        sent = self._read(ask, workspace)
        return _one(self._world.update_client(row.id, name=sent.name, notes=sent.notes))

    def delete(self, ask: Ask) -> Answer:
        workspace = self._source.workspace(ask)
        row = self._client(ask, workspace)
        if not rights.may_delete(ask.user, workspace):
            raise Stop(403, NO_RIGHT)
        self._world.delete_client(row.id)
        return Answer(200, wire.one(row.id))

    def archive(self, ask: Ask) -> Answer:
        """Answers the ids of the projects that are archived along."""
        workspace = self._writable(ask)
        row = self._client(ask, workspace)
        if self._source.switches.archive_is_paid and not workspace.premium:
            raise Stop(402, PAID_FEATURE)
        return Answer(200, wire.one(self._world.archive_client(row.id)))

    def restore(self, ask: Ask) -> Answer:
        workspace = self._writable(ask)
        row = self._client(ask, workspace)
        sent = read.body(ask.body or b"{}", read.Restore)
        return _one(self._world.restore_client(row.id, None if sent.restore_all_projects else sent.projects))

    def data(self, ask: Ask) -> Answer:
        """The clients with these ids; those that are not in the workspace are left out (assumed)."""
        workspace = self._source.workspace(ask)
        found = filter(None, map(self._world.clients.get, sorted(set(read.body(ask.body, list[read.Id])))))
        return Answer(200, self._source.array(wire.client(row) for row in found if row.workspace_id == workspace.id))

    # Within -----------------------------------------------------------------------------------------------

    def _writable(self, ask: Ask) -> Workspace:
        workspace = self._source.workspace(ask)
        if not rights.may_write(ask.user, workspace):
            raise Stop(403, NO_RIGHT)
        return workspace

    def _client(self, ask: Ask, workspace: Workspace) -> Client:
        """The client in the path, which must be in the workspace in the path."""
        text = ask.key.partition("/")[2]
        row = self._world.clients.get(read.whole(text) or 0)
        if row is None or row.workspace_id != workspace.id:
            raise Missing("client", text)
        return row

    def _read(self, ask: Ask, workspace: Workspace) -> read.ClientFields:
        sent = read.body(ask.body, read.ClientFields)
        if sent.wid and sent.wid != workspace.id:
            raise Stop(400, "Workspace can't be changed")
        return sent


def _one(row: Client) -> Answer:
    return Answer(200, wire.one(wire.client(row)))
