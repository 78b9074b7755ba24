"""toggl-python 0.3, API v9, by httpx over HTTP/2 where the server offers it. It knows no clients, only projects."""

from steps import PROJECTS, TOKEN, WORKSPACE, step
from toggl_python.auth import TokenAuth
from toggl_python.entities.user import CurrentUser
from toggl_python.entities.workspace import Workspace
from toggl_python.exceptions import BadRequest

auth = TokenAuth(TOKEN)
user, workspace = CurrentUser(auth=auth), Workspace(auth=auth)

step("logged in", user.logged(), True)
step("get me", user.me().default_workspace_id is not None, True)
step("list workspaces", WORKSPACE in [row.id for row in workspace.list()], True)
step("get the workspace", workspace.get(WORKSPACE).id, WORKSPACE)
first = workspace.get_projects(WORKSPACE, per_page=15)
second = workspace.get_projects(WORKSPACE, per_page=15, page=2)
step("list projects in pages", len({row.id for row in first} | {row.id for row in second}), PROJECTS)
archived = workspace.get_projects(WORKSPACE, active=False)
step("list archived projects", {row.active for row in archived}, {False})
step("get a project", workspace.get_project(WORKSPACE, first[0].id).name, first[0].name)
made = workspace.create_project(WORKSPACE, name="Walrus", active=True, is_private=True)
step("create a project", (made.name, made.active, made.workspace_id), ("Walrus", True, WORKSPACE))
changed = workspace.update_project(WORKSPACE, made.id, name="Walrus II", active=False)
step("update and archive the project", (changed.id, changed.name, changed.active), (made.id, "Walrus II", False))
since = int(made.at.timestamp())
step("list what changed since", made.id in [row.id for row in workspace.get_projects(WORKSPACE, since=since)], True)
step("delete the project", workspace.delete_project(WORKSPACE, made.id), True)
step("it is gone", made.id in [row.id for row in workspace.get_projects(WORKSPACE)], False)
deleted = [row for row in workspace.get_projects(WORKSPACE, since=since) if row.id == made.id]
step("since tells of the deletion", [row.server_deleted_at is not None for row in deleted], [True])
refused = ""
try:
    workspace.get_projects(WORKSPACE, since=1)
except (BadRequest, ValueError) as error:
    refused = str(error)
step("since is refused beyond 3 months", "3 months" in refused, True)
