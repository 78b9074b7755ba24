"""The calls of v9 on the projects of a workspace."""

from collections.abc import Callable
from datetime import date
from typing import Any

from msgspec import UNSET, UnsetType

from syncd.emulator import rights
from syncd.emulator import v9_read as read
from syncd.emulator import v9_wire as wire
from syncd.emulator.dialect import Answer, Ask
from syncd.emulator.rows import Missing, Project, Refused, Workspace, name_problems
from syncd.emulator.v9_source import NO_RIGHT, PAID_FEATURE, Shown, Source, Stop

SORTS: dict[str, Callable[[Project], Any]] = {
    "id": lambda row: row.id,
    "name": lambda row: row.name.casefold(),
    "at": lambda row: row.at,
    "created_at": lambda row: row.created_at or row.at,
    "start_date": lambda row: row.started_on,
    "end_date": lambda row: row.end_date or date.max,
    "active": lambda row: row.active,
    "billable": lambda row: row.billable,
}
"""Fields to sort by; equal ones, and those that are not here, come by id."""


class Projects:
    """Members do not see private projects; rights to write are those of `rights`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._world = source.world

    def page(self, ask: Ask) -> Answer:
        """A page of those that all filters let through; `active` left out means both."""
        workspace, source = self._source.workspace(ask), self._source
        sent = read.projects(ask.query)
        size = sent.per_page
        if size > read.MAX_PER_PAGE:
            if source.switches.per_page_over_max == "refuse":
                raise Stop(400, "Invalid per_page")
            size = read.MAX_PER_PAGE

        def render() -> bytes:
            page = self._found(ask, workspace, sent)[self._slice(sent.page, size)]
            return source.array(source.project(ask.user, workspace, item) for item in page)

        if sent.since is not None:
            source.check_since(sent.since)
            return Answer(200, render())
        # Whether one sees rates follows from this and from the workspace.
        key = ("projects", workspace.id, rights.sees_all(ask.user, workspace), ask.query)
        return source.pages.get(key, source.stamp_of(workspace), render)

    def create(self, ask: Ask) -> Answer:
        """`active` left out makes an archived project (users report)."""
        workspace = self._source.workspace(ask)
        if not rights.may_write(ask.user, workspace):
            raise Stop(403, "Only admins may create projects in this workspace")
        sent, row = self._read(ask, workspace)
        row = {"active": False, "is_private": workspace.projects_private_by_default, **row}
        client_id = self._client_id(ask, workspace, sent)
        made = self._world.create_project(workspace.id, client_id=None if client_id is UNSET else client_id, **row)
        return self._one(ask, workspace, made, status=False)

    def get(self, ask: Ask) -> Answer:
        workspace = self._source.workspace(ask)
        return self._one(ask, workspace, self._project(ask, workspace))

    def update(self, ask: Ask) -> Answer:
        workspace = self._source.workspace(ask)
        stored = self._project(ask, workspace)
        if not rights.may_write(ask.user, workspace):
            raise Stop(403, NO_RIGHT)
        sent, row = self._read(ask, workspace, stored)
        if (client_id := self._client_id(ask, workspace, sent)) is not UNSET:
            row["client_id"] = client_id
        return self._one(ask, workspace, self._world.update_project(stored.id, **row))

    def delete(self, ask: Ask) -> Answer:
        """`teDeletionMode` is checked; there are no time entries that it could be about."""
        workspace = self._source.workspace(ask)
        row = self._project(ask, workspace)
        if read.Query(ask.query).text("teDeletionMode") not in {"", "delete", "unassign"}:
            raise Stop(400, "Invalid teDeletionMode")
        if not rights.may_delete(ask.user, workspace):
            raise Stop(403, NO_RIGHT)
        self._world.delete_project(row.id)
        return Answer(200, wire.one(row.id))

    # Within -----------------------------------------------------------------------------------------------

    def _found(self, ask: Ask, workspace: Workspace, sent: read.ProjectQuery) -> list[Shown]:
        """What the filters let through, in order; deleted rows pass them all."""
        today, switches = self._source.today(), self._source.switches
        filtered = sent.since is None or switches.since_honours_filters
        shown = self._source.projects(ask.user, workspace, sent.since)
        found = [item for item in shown if item.deleted_at or not filtered or _wants(sent, item.row, today)]
        field = sent.sort_field if sent.sort_field in SORTS else switches.default_sort
        if field != "id" or sent.descending:
            found.sort(key=lambda item: (SORTS[field](item.row), item.row.id), reverse=sent.descending)
        return found

    def _slice(self, page: int, size: int) -> slice:
        """Where a page lies. With short pages, every odd one (1, 3 …) holds one row less."""
        if not self._source.switches.short_pages or size == 1:
            return slice((page - 1) * size, page * size)
        begin = (page - 1) * size - page // 2
        return slice(begin, begin + size - page % 2)

    def _project(self, ask: Ask, workspace: Workspace) -> Project:
        """The project in the path, which must be in the workspace in the path, and visible."""
        project_id = read.whole(ask.key.partition("/")[2])
        if not project_id:
            raise Stop(400, "Invalid project_id")
        row = self._world.projects.get(project_id)
        if row is None or row.workspace_id != workspace.id:
            raise Missing("project", project_id)
        if not any(rights.visible_projects(ask.user, workspace, [row])):
            raise Stop(self._source.switches.foreign_status, NO_RIGHT)
        return row

    def _read(
        self, ask: Ask, workspace: Workspace, stored: Project | None = None
    ) -> tuple[read.ProjectFields, dict[str, Any]]:
        """What was sent, also as fields of a row. Stops the call for fields that the plan does not have."""
        sent = read.body(ask.body, read.ProjectFields)
        row = read.project_row(sent)
        if stored is None:
            row.setdefault("name", "")
        if problems := name_problems(row.get("name", "unchanged")):
            raise Refused(problems)
        if not workspace.premium and any(getattr(sent, name) not in {UNSET, False} for name in read.PAID):
            raise Stop(402, PAID_FEATURE)
        start = row.get("start_date") or (stored.started_on if stored else self._source.today())
        end = row.get("end_date", stored and stored.end_date)
        if end is not None and end < start:
            raise Stop(400, "End date is before start date")
        return sent, row

    def _client_id(self, ask: Ask, workspace: Workspace, sent: read.ProjectFields) -> int | UnsetType | None:
        """The client that was named by id, or by its name: then it is made if it is not there (assumed)."""
        client_id = sent.cid if sent.client_id is UNSET else sent.client_id
        if client_id is not UNSET or not sent.client_name:
            return client_id
        rows = (row for row in self._world.clients_of(workspace.id) if row.name == sent.client_name)
        row = next(rows, None)
        return row.id if row else self._world.create_client(workspace.id, sent.client_name, creator_id=ask.user.id).id

    def _one(self, ask: Ask, workspace: Workspace, row: Project, *, status: bool = True) -> Answer:
        return Answer(200, wire.one(self._source.project(ask.user, workspace, Shown(row), status=status)))


def _wants(sent: read.ProjectQuery, row: Project, today: date) -> bool:
    return (
        (sent.active == "both" or row.active == (sent.active == "true"))
        and sent.name in row.name.casefold()
        and sent.billable in {None, row.billable}
        and (not sent.client_ids or row.client_id in sent.client_ids)
        and (not sent.project_ids or row.id in sent.project_ids)
        and (not sent.statuses or row.status(today) in sent.statuses)
        and (not sent.only_templates or row.template is True)
    )
