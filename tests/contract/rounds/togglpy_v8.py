"""TogglPy 0.1.2, API v8, by urllib. Its calls for clients only read; it writes by its general request methods."""

import json

from steps import CLIENTS, PROJECTS, TOKEN, WORKSPACE, step
from toggl.TogglPy import Endpoints, Toggl

toggl = Toggl()
toggl.setAPIKey(TOKEN)

step("list workspaces", WORKSPACE in [row["id"] for row in toggl.getWorkspaces()], True)
before = [row for row in toggl.getClients() if row["wid"] == WORKSPACE]
step("list clients", len(before), CLIENTS)
step("find a client by its name", toggl.getClient(name=before[0]["name"]), before[0])
everything = [row for client in before for row in toggl.getClientProjects(client["id"], active="both")]
step("list each client's projects", len(everything), PROJECTS)
step("list the workspace's projects", 0 < len(toggl.getWorkspaceProjects(WORKSPACE)) <= PROJECTS, True)
step("get a project", toggl.getProject(everything[0]["id"])["data"], everything[0])
sent = {"client": {"name": "Yak GmbH", "wid": WORKSPACE}}
made = json.loads(toggl.postRequest(Endpoints.CLIENTS, sent))["data"]
step("create a client", (made["name"], made["wid"]), ("Yak GmbH", WORKSPACE))
url = f"{Endpoints.CLIENTS}/{made['id']}"
step("get the client", toggl.request(url)["data"], made)
changed = json.loads(toggl.postRequest(url, {"client": {"name": "Yak AG"}}, method="PUT"))["data"]
step("update the client", (changed["id"], changed["name"]), (made["id"], "Yak AG"))
step("delete the client", toggl.postRequest(url, method="DELETE"), 200)
step("it is gone", toggl.getClient(id=made["id"]), None)
