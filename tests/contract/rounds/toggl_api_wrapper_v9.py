"""toggl-api-wrapper 2, API v9, by httpx."""

from httpx import BasicAuth
from steps import CLIENTS, PROJECTS, TOKEN, WORKSPACE, step
from toggl_api import ClientBody, ClientEndpoint, ProjectBody, ProjectEndpoint, UserEndpoint

auth = BasicAuth(TOKEN, "api_token")
clients = ClientEndpoint(WORKSPACE, auth, re_raise=True)
projects = ProjectEndpoint(WORKSPACE, auth, re_raise=True)

step("logged in", UserEndpoint.verify_authentication(auth), True)
before = clients.collect(refresh=True)
step("list clients", 0 < len(before) <= CLIENTS, True)
step("list projects", len(projects.collect(refresh=True)), PROJECTS)
made = clients.add(ClientBody("Vole GmbH", notes="first"))
step("create a client", made.name, "Vole GmbH")
step("get the client", clients.get(made, refresh=True).name, "Vole GmbH")
step("update the client", clients.edit(made, ClientBody("Vole AG", notes="second")).name, "Vole AG")
project = projects.add(ProjectBody("Burrow", client_id=made.id, color=ProjectEndpoint.get_color("red")))
step("create a project", (project.name, project.client, project.active), ("Burrow", made.id, True))
step("get the project", projects.get(project, refresh=True).name, "Burrow")
changed = projects.edit(project, ProjectBody("Burrow II", active=False, client_id=made.id))
step("update and archive the project", (changed.name, changed.active), ("Burrow II", False))
projects.delete(project)
step("delete the project", project.id in [row.id for row in projects.collect(refresh=True)], False)
clients.delete(made)
step("delete the client", [row.id for row in clients.collect(refresh=True)], [row.id for row in before])
