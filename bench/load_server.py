"""Serves bodies from memory, so that what is measured is whoever asks for them.

    python -m bench.load_server --api v8 --by workspace --tokens 200 --clients 500 --projects 4 [--sharers 2]

Its first line on stdout is its URL. `PUT /state` with a list of changes (see `bodies.Change`) renders everything anew
and answers when that is done; `PUT /latency` with seconds makes every answer wait; `GET /stats` tells what was served.
"""

import argparse
import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import get_args
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from bench.bodies import Change, Shape, State, Workspace, changed, listed, pages, secret, workspace_row

Bodies = dict[tuple[str, str], bytes]
"""(Authorization header or "", path with query) -> body."""


class Shelf:
    """All bodies of one state."""

    def __init__(self, shape: Shape, state: State) -> None:
        self.bodies: Bodies = {}
        self._shape = shape
        self._state = state
        self._changed: dict[tuple[str, int], list[bytes]] = {}
        render = self._render_v8 if shape.api == "v8" else self._render_v9
        for number in range(shape.workspaces):
            render(number, Workspace(shape, number, state))

    def find(self, authorization: str, path: str) -> bytes | None:
        """The body of an answer; None: there is no such page."""
        body = self.bodies.get(("", path))
        if body is None:
            body = self.bodies.get((authorization, path))
        return self._changes(path) if body is None and "since=" in path else body

    def _owners(self, number: int) -> list[str]:
        sharers = self._shape.sharers
        tokens = range(number * sharers, (number + 1) * sharers)
        return ["Basic " + base64.b64encode(f"{secret(token)}:api_token".encode()).decode() for token in tokens]

    def _render_v8(self, number: int, workspace: Workspace) -> None:
        clients = listed(list(workspace.clients()))
        for who in self._owners(number):
            self.bodies[who, "/api/v8/workspaces"] = f"[{workspace_row(self._shape, number)}]".encode()
            self.bodies[who, "/api/v8/clients"] = clients
        of_clients = [list(workspace.projects(client)) for client in range(self._shape.clients)]
        if self._shape.by == "workspace":
            path = f"/api/v8/workspaces/{workspace.id}/projects?active=both"
            self.bodies["", path] = listed([row for rows in of_clients for row in rows])
        else:
            for key, rows in zip(workspace.client_ids(), of_clients, strict=True):
                self.bodies["", f"/api/v8/clients/{key}/projects?active=both"] = listed(rows)

    def _render_v9(self, number: int, workspace: Workspace) -> None:
        for who in self._owners(number):
            self.bodies[who, "/api/v9/me"] = f'{{"id":{2_000_000 + number}}}'.encode()
            self.bodies[who, "/api/v9/me/workspaces"] = f"[{workspace_row(self._shape, number)}]".encode()
        path = f"/api/v9/workspaces/{workspace.id}"
        self.bodies["", f"{path}/clients?status=both"] = listed(list(workspace.clients()))
        projects = [row for client in range(self._shape.clients) for row in workspace.projects(client)]
        for page, body in enumerate([*pages(projects), b"[]"], 1):
            self.bodies["", f"{path}/projects?active=both&per_page=200&page={page}"] = body
        for after in range(len(self._state) + 1):
            self._changed[f"{path}/projects", after] = changed(projects, after, self._state)

    def _changes(self, path: str) -> bytes | None:
        """A list of what changed; without a page all of it is on one."""
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        older = sum(change.at_s < int(query["since"][0]) for change in self._state)
        found = self._changed.get((parts.path, older))
        page = int(query.get("page", "1")[0])
        return None if found is None else found[page - 1] if page <= len(found) else b"[]"


class LoadServer:
    """Answers, and counts."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._shelf = Shelf(shape, ())
        self._latency_s = 0.0
        self._requests = 0
        self._sent_bytes = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request of a contestant's, or one of the three that steer."""
        path = request.raw_path
        body = self._shelf.find(request.headers.get("Authorization", ""), path)
        if body is None:
            return await self._steer(request)
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        self._requests += 1
        self._sent_bytes += len(body)
        return web.Response(body=body, content_type="application/json")

    async def _steer(self, request: web.BaseRequest) -> web.StreamResponse:
        steers: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[object]]] = {
            ("PUT", "/state"): self._set_state,
            ("PUT", "/latency"): self._set_latency,
            ("GET", "/stats"): self._stats,
        }
        steer = steers.get((request.method, request.raw_path))
        if steer is None:
            return web.Response(status=404)
        return web.json_response(await steer(request))

    async def _set_state(self, request: web.BaseRequest) -> None:
        state = tuple(Change(*change) for change in json.loads(await request.read()))
        del self._shelf  # two would be twice the memory
        self._shelf = Shelf(self._shape, state)

    async def _set_latency(self, request: web.BaseRequest) -> None:
        self._latency_s = float(await request.read())

    async def _stats(self, _: web.BaseRequest) -> dict[str, int]:
        return {"requests": self._requests, "bytes": self._sent_bytes}


async def serve(shape: Shape) -> None:
    """Until the process is ended."""
    server = web.ServerRunner(web.Server(LoadServer(shape).answer, access_log=None))
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    print("http://{}:{}".format(*server.addresses[0][:2]), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    hints = Shape.__annotations__
    parser.add_argument("--api", choices=get_args(hints["api"]), default="v8")
    parser.add_argument("--by", choices=get_args(hints["by"]), default="workspace")
    for name, default in (("tokens", 200), ("clients", 500), ("projects", 4), ("sharers", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asyncio.run(serve(Shape(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
