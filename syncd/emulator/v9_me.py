"""The calls of v9 under /me, the list of workspaces, and the list of a workspace's tags: what nobody writes here."""

from collections.abc import Callable

from msgspec import Struct

from syncd.emulator import v9_read as read
from syncd.emulator import v9_wire as wire
from syncd.emulator.dialect import Answer, Ask
from syncd.emulator.rows import User, Workspace
from syncd.emulator.v9_source import Source, Stop


class Me:
    """`quota` tells what is left of a user's buckets, [] where nothing is limited."""

    def __init__(self, source: Source, quota: Callable[[User], list[wire.Quota]]) -> None:
        self._source = source
        self._quota = quota

    def logged(self, _: Ask) -> Answer:
        return Answer(200, b"")

    def me(self, ask: Ask) -> Answer:
        """With related data: all projects, clients and tags that the user sees, archived ones too (assumed); there are
        no time entries."""
        if not read.Query(ask.query).flag("with_related_data"):
            return Answer(200, wire.one(wire.me(ask.user)))
        source = self._source

        def render() -> bytes:
            related = {
                "clients": source.array(self._client_rows(ask.user, None, archived=True)),
                "projects": source.array(self._project_rows(ask.user, None, archived=True)),
                "tags": source.array(row for at in source.workspaces(ask.user) for row in self._tag_rows(at)),
                "time_entries": source.empty,
                "workspaces": source.array(wire.workspace(row, ask.user) for row in source.workspaces(ask.user)),
            }
            return wire.one(wire.me(ask.user, related))

        return source.pages.get(("me", ask.user.name), source.stamp(ask.user), render)

    def quota(self, ask: Ask) -> Answer:
        return Answer(200, self._source.array(self._quota(ask.user)))

    def clients(self, ask: Ask) -> Answer:
        since = self._source.since(read.Query(ask.query))
        archived = self._source.switches.me_clients_archived
        return self._page("clients", ask, since, lambda: self._client_rows(ask.user, since, archived=archived))

    def projects(self, ask: Ask) -> Answer:
        query = read.Query(ask.query)
        archived = query.flag("include_archived") or False
        since = self._source.since(query)
        return self._page("projects", ask, since, lambda: self._project_rows(ask.user, since, archived=archived))

    def projects_paginated(self, ask: Ask) -> Answer:
        """By id, from `start_project_id` on; archived ones too. The id itself is the first of its page (assumed:
        the default of 201 rows is one more than a page of others)."""
        query = read.Query(ask.query)
        start, per_page = query.number("start_project_id"), query.number("per_page", least=1)
        since = self._source.since(query)

        def rows() -> list[Struct]:
            shown = self._project_rows(ask.user, since, archived=True, start=start or 0)
            return shown[: per_page or read.PER_KEYSET_PAGE]

        return self._page("paginated", ask, since, rows)

    def workspaces(self, ask: Ask) -> Answer:
        """With `since` those that changed, or where the user's membership did."""
        since = self._source.since(read.Query(ask.query))

        def rows() -> list[Struct]:
            source, found = self._source, []
            for row in source.workspaces(ask.user):
                if since is None or max(row.at, ask.user.joined[row.id]).timestamp() >= since:
                    active = sum(item.row.active for item in source.projects(ask.user, row, None))
                    found.append(wire.workspace(row, ask.user, active_projects=active))
            return found

        return self._page("workspaces", ask, since, rows)

    def all_workspaces(self, ask: Ask) -> Answer:
        source = self._source
        return self._page(
            "all workspaces", ask, None, lambda: [wire.workspace(row, ask.user) for row in source.workspaces(ask.user)]
        )

    def workspace(self, ask: Ask) -> Answer:
        if read.whole(ask.key) not in self._source.world.workspaces:
            raise Stop(404, "Workspace not found")
        return Answer(200, wire.one(wire.workspace(self._source.workspace(ask), ask.user)))

    def tags(self, ask: Ask) -> Answer:
        """All tags of a workspace: there is no paging."""
        workspace, source = self._source.workspace(ask), self._source
        key, stamp = ("tags", workspace.id), source.stamp_of(workspace)
        return source.pages.get(key, stamp, lambda: source.array(self._tag_rows(workspace)))

    # Within -----------------------------------------------------------------------------------------------

    def _page(self, name: str, ask: Ask, since: int | None, rows: Callable[[], list[Struct]]) -> Answer:
        """A list, kept until something in it can have changed; answers to `since` are made each time."""
        source = self._source
        if since is not None:
            return Answer(200, source.array(rows()))
        return source.pages.get((name, ask.user.name, ask.query), source.stamp(ask.user), lambda: source.array(rows()))

    def _tag_rows(self, workspace: Workspace) -> list[Struct]:
        return [wire.tag(row) for row in self._source.world.tags_of(workspace.id)]

    def _client_rows(self, user: User, since: int | None, *, archived: bool) -> list[Struct]:
        notes, filtered = self._source.switches.notes_in_lists, self._filters(since)
        shown = [
            (row, deleted_at)
            for workspace in self._source.workspaces(user)
            for row, deleted_at in self._source.clients(workspace, since)
            if archived or deleted_at or not row.archived or not filtered
        ]
        shown.sort(key=lambda pair: pair[0].id)
        return [wire.client(row, notes=notes, deleted_at=deleted_at) for row, deleted_at in shown]

    def _project_rows(self, user: User, since: int | None, *, archived: bool, start: int = 0) -> list[Struct]:
        filtered, source = self._filters(since), self._source
        shown = [
            (workspace, item)
            for workspace in source.workspaces(user)
            for item in source.projects(user, workspace, since)
            if item.row.id >= start and (archived or item.deleted_at or item.row.active or not filtered)
        ]
        shown.sort(key=lambda pair: pair[1].row.id)
        return [source.project(user, workspace, item) for workspace, item in shown]

    def _filters(self, since: int | None) -> bool:
        return since is None or self._source.switches.since_honours_filters
