"""API v9: its paths. Pure; the calls are in `v9_me`, `v9_clients`, `v9_projects`, the words in `v9_wire`, `v9_read`.

| path                                              | calls                                                     |
|---------------------------------------------------|-----------------------------------------------------------|
| /me                                               | GET ?with_related_data                                    |
| /me/logged, /me/quota                             | GET                                                       |
| /me/clients, /me/workspaces                       | GET ?since                                                |
| /me/projects                                      | GET ?include_archived, since                              |
| /me/projects/paginated                            | GET ?start_project_id, per_page, since                    |
| /workspaces, /workspaces/{wid}                    | GET                                                       |
| /workspaces/{wid}/clients                         | GET ?status, name; POST                                   |
| /workspaces/{wid}/clients/data                    | POST                                                      |
| /workspaces/{wid}/clients/{client_id}             | GET, PUT, DELETE                                          |
| /workspaces/{wid}/clients/{client_id}/archive     | POST; /restore, too                                       |
| /workspaces/{wid}/projects                        | GET ?active, since, page, per_page and more filters; POST |
| /workspaces/{wid}/projects/{project_id}           | GET, PUT, DELETE ?teDeletionMode                          |
| /workspaces/{wid}/tags                            | GET                                                       |

Errors are JSON strings: 400 what cannot be read or is refused, 402 paid features, 403 wrong token or no right, 404 no
such row; 401 without credentials has an empty body. What is not known of the API is a switch (`switches`).
"""

from collections.abc import Callable

from syncd.emulator import v9_wire as wire
from syncd.emulator.dialect import Answer, Ask, Route
from syncd.emulator.model import World
from syncd.emulator.rows import User
from syncd.emulator.switches import Switches
from syncd.emulator.v9_clients import Clients
from syncd.emulator.v9_me import Me
from syncd.emulator.v9_projects import Projects
from syncd.emulator.v9_source import Source

_NONE = Switches()


class V9:
    """The v9 dialect over a world. `quota` tells what is left of a user's buckets."""

    prefix = "/api/v9"

    def __init__(
        self,
        world: World,
        switches: Switches = _NONE,
        quota: Callable[[User], list[wire.Quota]] = lambda _: [],
    ) -> None:
        source = Source(world, switches)
        me, clients, projects = Me(source, quota), Clients(source), Projects(source)
        self._source = source
        self._fixed: dict[str, Route] = {}
        self._routes: dict[tuple[str, ...], Route] = {}
        add, one_client = self._add, "/workspaces/{wid}/clients/{client_id}"
        add("/me", GET=me.me)
        add("/me/logged", GET=me.logged)
        add("/me/quota", GET=me.quota)
        add("/me/clients", GET=me.clients)
        add("/me/projects", GET=me.projects)
        add("/me/projects/paginated", GET=me.projects_paginated)
        add("/me/workspaces", GET=me.workspaces)
        add("/workspaces", GET=me.all_workspaces)
        add("/workspaces/{wid}", GET=me.workspace)
        add("/workspaces/{wid}/clients", GET=clients.page, POST=clients.create)
        add(one_client, GET=clients.get, PUT=clients.update, DELETE=clients.delete)
        add(f"{one_client}/archive", POST=clients.archive)
        add(f"{one_client}/restore", POST=clients.restore)
        add("/workspaces/{wid}/projects", GET=projects.page, POST=projects.create)
        add("/workspaces/{wid}/projects/{project_id}", GET=projects.get, PUT=projects.update, DELETE=projects.delete)
        add("/workspaces/{wid}/tags", GET=me.tags)
        self._by_ids = self._route("/workspaces/{wid}/clients/data", POST=clients.data)

    def find(self, path: str) -> tuple[Route | None, str]:
        route = self._fixed.get(path)
        if route is not None:
            return route, ""
        parts = path.split("/")[3:]  # "workspaces", wid, resource, id, verb
        ids = parts[1::2][:2]
        if "" in ids:
            return None, ""
        if parts[2:] == ["clients", "data"]:
            return self._by_ids, ids[0]
        return self._routes.get((str(len(parts)), *parts[::2])), "/".join(ids)

    def refuse(self, http_status: int, message: str) -> Answer:
        return Answer(http_status, wire.one(message))

    def stranger(self, *, anonymous: bool) -> Answer:
        if anonymous:
            return Answer(401, b"", headers={"X-Authorization-Missing": "true"})
        return self.refuse(403, "Incorrect username and/or password")

    def _route(self, path: str, **calls: Callable[[Ask], Answer]) -> Route:
        answered = {method: self._source.call(call) for method, call in calls.items()}
        return Route(self.prefix + path, answered, "organization" if "{wid}" in path else "user")

    def _add(self, path: str, **calls: Callable[[Ask], Answer]) -> None:
        route = self._route(path, **calls)
        if "{" not in path:
            self._fixed[route.template] = route
            return
        parts = path.split("/")[1:]
        self._routes[str(len(parts)), *parts[::2]] = route
