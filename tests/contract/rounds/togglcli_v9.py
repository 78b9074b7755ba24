"""togglcli 4, API v9, by requests, through the classes behind its command line."""

from steps import CLIENTS, PROJECTS, TOKEN, WORKSPACE, step
from toggl import api
from toggl.utils import Config

config = Config.factory(None)
config.api_token = TOKEN
config.timezone = "utc"
config.default_wid = WORKSPACE

workspace = api.Workspace.objects.get(WORKSPACE, config=config)
step("get the workspace", workspace.id, WORKSPACE)
before = api.Client.objects.all(workspace=workspace, config=config)
step("list clients", 0 < len(before) <= CLIENTS, True)
step("list projects", len(api.Project.objects.all(workspace=workspace, config=config)), PROJECTS)
made = api.Client(name="Tapir GmbH", notes="first", workspace=workspace, config=config)
made.save()
step("create a client", made.id is not None, True)
step("get the client", api.Client.objects.get(made.id, workspace=workspace, config=config).name, "Tapir GmbH")
made.name = "Tapir AG"
made.save()
step("update the client", api.Client.objects.get(made.id, workspace=workspace, config=config).name, "Tapir AG")
project = api.Project(name="Trail", client=made, workspace=workspace, config=config)
project.save()
step("create a project", project.id is not None, True)
found = api.Project.objects.get(project.id, workspace=workspace, config=config)
step("get the project", (found.name, found.client.id, found.active), ("Trail", made.id, True))
project.name = "Trail II"
project.active = False
project.save()
found = api.Project.objects.get(project.id, workspace=workspace, config=config)
step("update and archive the project", (found.name, found.active), ("Trail II", False))
project.delete(config=config)
made.delete(config=config)
step("delete both", len(api.Client.objects.all(workspace=workspace, config=config)), len(before))
