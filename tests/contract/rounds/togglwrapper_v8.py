"""togglwrapper 2, API v8, by requests."""

from steps import CLIENTS, PROJECTS, TOKEN, WORKSPACE, step
from togglwrapper import Toggl

toggl = Toggl(TOKEN)
clients, workspaces = toggl.Clients, toggl.Workspaces

step("list workspaces", WORKSPACE in [row["id"] for row in workspaces.get()], True)
step("get the workspace", workspaces.get(WORKSPACE)["data"]["id"], WORKSPACE)
before = [row for row in clients.get() if row["wid"] == WORKSPACE]
step("list clients", len(before), CLIENTS)
step(
    "list the workspace's clients", [row["id"] for row in workspaces.get_clients(WORKSPACE)], [r["id"] for r in before]
)
active = workspaces.get_projects(WORKSPACE)
step("list the workspace's projects", 0 < len(active) <= PROJECTS, True)
everything = [row for client in before for row in clients.get_projects(client["id"], active="both")]
step("list each client's projects", len(everything), PROJECTS)
step("get a project", toggl.Projects.get(everything[0]["id"])["data"], everything[0])
made = clients.create({"client": {"name": "Zebra GmbH", "wid": WORKSPACE, "notes": "first"}})["data"]
step("create a client", (made["name"], made["wid"], made["notes"]), ("Zebra GmbH", WORKSPACE, "first"))
step("get the client", clients.get(made["id"])["data"], made)
changed = clients.update(made["id"], data={"client": {"name": "Zebra AG", "notes": "second"}})["data"]
step("update the client", (changed["id"], changed["name"], changed["notes"]), (made["id"], "Zebra AG", "second"))
step("its projects are none", clients.get_projects(made["id"], active="both"), [])
step("delete the client", clients.delete(made["id"]).status_code, 200)
step("it is gone", [row for row in clients.get() if row["wid"] == WORKSPACE], before)
