"""API v8: its paths, and what each call does to the world. Pure; the words on the wire are in `v8_wire`.

| path                          | calls                                              |
|-------------------------------|----------------------------------------------------|
| /clients                      | GET all the user sees, over all workspaces; POST   |
| /clients/{client_id}          | GET, PUT, DELETE                                   |
| /clients/{client_id}/projects | GET ?active=true (default), false (archived), both |
| /projects                     | POST                                               |
| /projects/{project_id}        | GET, PUT, DELETE; /projects/1,2,3 deletes all      |
| /workspaces                   | GET                                                |
| /workspaces/{wid}             | GET                                                |
| /workspaces/{wid}/clients     | GET, workspace admins only                         |
| /workspaces/{wid}/projects    | GET ?active=, workspace admins only                |
| /workspaces/{wid}/tags        | GET                                                |

Errors are arrays of sentences: 403 bad token or no right, 404 no such row, and 404 also when a create or update is
refused (v8 docs). Assumed: 400 for what cannot be read, 415 for a body that does not call itself JSON, 403 rather
than 404 for a row in a workspace of others, an empty body after DELETE, other parameters than `active` ignored.
"""

from collections.abc import Callable
from functools import wraps

from msgspec import UNSET

from syncd.emulator import rights
from syncd.emulator import v8_wire as wire
from syncd.emulator.dialect import Answer, Ask, Pages, Route
from syncd.emulator.model import World
from syncd.emulator.rows import Client, Missing, Project, Refused, User, Workspace

NO_RIGHT = "User does not have access to this resource."


class _Stop(Exception):
    """Ends a call with an error answer."""

    def __init__(self, http_status: int, *messages: str) -> None:
        super().__init__(http_status, *messages)
        self.answer = Answer(http_status, wire.messages(*messages))


def _call(call: Callable[[Ask], Answer]) -> Callable[[Ask], Answer]:
    """A call that answers with an error instead of raising it."""

    @wraps(call)
    def answered(ask: Ask) -> Answer:
        try:
            return call(ask)
        except _Stop as stop:
            return stop.answer
        except wire.BadRequest as error:
            return Answer(400, wire.messages(str(error)))
        except Missing as error:
            return Answer(404, wire.messages(str(error)))
        except Refused as error:
            return Answer(404, wire.messages(*error.messages))

    return answered


class V8:
    """The v8 dialect over a world. `null_lists`: an empty list is `null`, as the API was seen to write it at times."""

    prefix = "/api/v8"

    def __init__(self, world: World, *, null_lists: bool = False) -> None:
        self._world = world
        self._empty = b"null" if null_lists else b"[]"
        self._pages = Pages()
        self._routes = {
            (route.template.count("/"), *route.template.split("/")[3:6:2]): route
            for route in (
                self._route("/clients", GET=self._list_clients, POST=self._create_client),
                self._route(
                    "/clients/{client_id}",
                    GET=self._get_client,
                    PUT=self._update_client,
                    DELETE=self._delete_client,
                ),
                self._route("/clients/{client_id}/projects", GET=self._list_client_projects),
                self._route("/projects", POST=self._create_project),
                self._route(
                    "/projects/{project_id}",
                    GET=self._get_project,
                    PUT=self._update_project,
                    DELETE=self._delete_projects,
                ),
                self._route("/workspaces", GET=self._list_workspaces),
                self._route("/workspaces/{wid}", GET=self._get_workspace),
                self._route("/workspaces/{wid}/clients", GET=self._list_workspace_clients),
                self._route("/workspaces/{wid}/projects", GET=self._list_workspace_projects),
                self._route("/workspaces/{wid}/tags", GET=self._list_workspace_tags),
            )
        }

    def _route(self, path: str, **calls: Callable[[Ask], Answer]) -> Route:
        return Route(self.prefix + path, {method: _call(call) for method, call in calls.items()})

    def find(self, path: str) -> tuple[Route | None, str]:
        parts = path.split("/")  # "", "api", "v8", resource, id, sub-resource
        route = self._routes.get((len(parts) - 1, *parts[3:6:2]))
        key = parts[4] if len(parts) > 4 else ""
        return (None if len(parts) > 4 and not key else route), key

    def refuse(self, http_status: int, message: str) -> Answer:
        return Answer(http_status, wire.messages(message))

    def stranger(self, *, anonymous: bool) -> Answer:  # noqa: ARG002 (v8 makes no difference)
        return self.refuse(403, "Invalid API token")

    # Clients ----------------------------------------------------------------------------------------------

    def _list_clients(self, ask: Ask) -> Answer:
        def render() -> bytes:
            rows = []
            for workspace in self._workspaces(ask.user):
                rates = _rates(ask.user, workspace)
                rows += [wire.client(row, rates=rates) for row in self._world.clients_of(workspace.id)]
            return wire.array(rows, empty=self._empty)

        return self._pages.get(("clients", ask.user.name), self._stamp(ask.user), render)

    def _create_client(self, ask: Ask) -> Answer:
        sent = wire.read_client(_json(ask))
        missing = [] if sent.name is not UNSET else ["Name can't be blank"]
        if sent.wid is UNSET:
            missing.append("Workspace can't be blank")
        if sent.name is UNSET or sent.wid is UNSET:
            raise _Stop(404, *missing)
        workspace = self._world.workspaces.get(sent.wid)
        if workspace is None or not rights.may_write(ask.user, workspace):
            raise _Stop(403, NO_RIGHT)
        hrate = None if sent.hrate is UNSET else sent.hrate
        row = self._world.create_client(
            workspace.id, sent.name, sent.notes or None, hrate, sent.cur or None, creator_id=ask.user.id
        )
        return self._one(ask.user, workspace, row)

    def _get_client(self, ask: Ask) -> Answer:
        row, workspace = self._client(ask)
        return self._one(ask.user, workspace, row)

    def _update_client(self, ask: Ask) -> Answer:
        row, workspace = self._client(ask)
        sent = wire.read_client(_json(ask))
        if not rights.may_write(ask.user, workspace):
            raise _Stop(403, NO_RIGHT)
        if sent.wid is not UNSET and sent.wid != row.workspace_id:
            raise _Stop(404, "Workspace can't be changed")
        row = self._world.update_client(row.id, name=sent.name, notes=sent.notes, hrate=sent.hrate, cur=sent.cur)
        return self._one(ask.user, workspace, row)

    def _delete_client(self, ask: Ask) -> Answer:
        row, workspace = self._client(ask)
        if not rights.may_delete(ask.user, workspace):
            raise _Stop(403, NO_RIGHT)
        self._world.delete_client(row.id)
        return Answer(200, b"", content_type="text/plain; charset=utf-8")

    def _list_client_projects(self, ask: Ask) -> Answer:
        row, workspace = self._client(ask)
        return self._projects(ask, workspace, row)

    # Projects ---------------------------------------------------------------------------------------------

    def _create_project(self, ask: Ask) -> Answer:
        sent = wire.read_project(_json(ask))
        if sent.name is UNSET or sent.wid is UNSET:
            raise _Stop(404, "Name can't be blank" if sent.name is UNSET else "Workspace can't be blank")
        workspace = self._world.workspaces.get(sent.wid)
        if workspace is None or not rights.may_write(ask.user, workspace):
            raise _Stop(403, NO_RIGHT)
        fields = {"billable": workspace.premium, "auto_estimates": False, **sent.row()}
        return self._one_project(ask.user, workspace, self._world.create_project(workspace.id, **fields))

    def _get_project(self, ask: Ask) -> Answer:
        row, workspace = self._project(ask.user, wire.read_id(ask.key))
        return self._one_project(ask.user, workspace, row)

    def _update_project(self, ask: Ask) -> Answer:
        row, workspace = self._project(ask.user, wire.read_id(ask.key))
        sent = wire.read_project(_json(ask))
        if not rights.may_write(ask.user, workspace):
            raise _Stop(403, NO_RIGHT)
        if sent.wid is not UNSET and sent.wid != row.workspace_id:
            raise _Stop(404, "Workspace can't be changed")
        return self._one_project(ask.user, workspace, self._world.update_project(row.id, **sent.row()))

    def _delete_projects(self, ask: Ask) -> Answer:
        """One or several; none if one of them may not be deleted (assumed)."""
        found = [self._project(ask.user, project_id) for project_id in sorted(set(wire.read_ids(ask.key)))]
        if not all(rights.may_delete(ask.user, workspace) for _, workspace in found):
            raise _Stop(403, NO_RIGHT)
        for row, _ in found:
            self._world.delete_project(row.id)
        return Answer(200, b"", content_type="text/plain; charset=utf-8")

    # Workspaces -------------------------------------------------------------------------------------------

    def _list_workspaces(self, ask: Ask) -> Answer:
        def render() -> bytes:
            rows = self._workspaces(ask.user)
            return wire.array((wire.workspace(row, admin=ask.user.access[row.id]) for row in rows), empty=self._empty)

        return self._pages.get(("workspaces", ask.user.name), self._stamp(ask.user), render)

    def _get_workspace(self, ask: Ask) -> Answer:
        row = self._workspace(ask)
        return Answer(200, wire.data(wire.workspace(row, admin=ask.user.access[row.id])))

    def _list_workspace_clients(self, ask: Ask) -> Answer:
        workspace = self._workspace(ask, admin=True)

        def render() -> bytes:
            rows = self._world.clients_of(workspace.id)
            return wire.array((wire.client(row, rates=workspace.premium) for row in rows), empty=self._empty)

        return self._pages.get(("clients", workspace.id), self._world.revision(workspace.id), render)

    def _list_workspace_projects(self, ask: Ask) -> Answer:
        return self._projects(ask, self._workspace(ask, admin=True), None)

    def _list_workspace_tags(self, ask: Ask) -> Answer:
        workspace = self._workspace(ask)

        def render() -> bytes:
            return wire.array(map(wire.tag, self._world.tags_of(workspace.id)), empty=self._empty)

        return self._pages.get(("tags", workspace.id), self._world.revision(workspace.id), render)

    # Within -----------------------------------------------------------------------------------------------

    def _client(self, ask: Ask) -> tuple[Client, Workspace]:
        row = self._world.client(wire.read_id(ask.key))
        if row.workspace_id not in ask.user.access:
            raise _Stop(403, NO_RIGHT)
        return row, self._world.workspaces[row.workspace_id]

    def _project(self, user: User, project_id: int) -> tuple[Project, Workspace]:
        row = self._world.project(project_id)
        workspace = self._world.workspaces[row.workspace_id]
        if workspace.id not in user.access or not any(rights.visible_projects(user, workspace, [row])):
            raise _Stop(403, NO_RIGHT)
        return row, workspace

    def _workspace(self, ask: Ask, *, admin: bool = False) -> Workspace:
        row = self._world.workspace(wire.read_id(ask.key))
        if ask.user.access.get(row.id) not in ((True,) if admin else (True, False)):
            raise _Stop(403, NO_RIGHT)
        return row

    def _workspaces(self, user: User) -> list[Workspace]:
        return [self._world.workspaces[workspace_id] for workspace_id in sorted(user.access)]

    def _stamp(self, user: User) -> tuple[int, ...]:
        """Moves with all that can change what a user's own lists show."""
        return (user.revision, *map(self._world.revision, user.access))

    def _one(self, user: User, workspace: Workspace, row: Client) -> Answer:
        return Answer(200, wire.data(wire.client(row, rates=_rates(user, workspace))))

    def _one_project(self, user: User, workspace: Workspace, row: Project) -> Answer:
        return Answer(200, wire.data(wire.project(row, rates=_rates(user, workspace))))

    def _projects(self, ask: Ask, workspace: Workspace, client: Client | None) -> Answer:
        """The projects of a client, or of a whole workspace. Viewers with equal rights share the page."""
        active = wire.read_active(ask.query)
        everything, rates = rights.sees_all(ask.user, workspace), _rates(ask.user, workspace)

        def render() -> bytes:
            world = self._world
            rows = world.projects_of_client(client.id) if client else world.projects_of(workspace.id)
            seen = (row for row in rights.visible_projects(ask.user, workspace, rows) if wire.wants(active, row))
            return wire.array((wire.project(row, rates=rates) for row in seen), empty=self._empty)

        key = ("projects", workspace.id, client and client.id, active, everything)
        return self._pages.get(key, self._world.revision(workspace.id), render)


def _rates(user: User, workspace: Workspace) -> bool:
    return workspace.premium and rights.sees_rates(user, workspace)


def _json(ask: Ask) -> bytes:
    """The body of a request, which must call itself JSON."""
    if ask.content_type != "application/json":
        raise _Stop(415, "Content-Type must be application/json")
    return ask.body
