"""What all calls of v9 share: who may see which workspace, how pages are kept, what `since` may be, how calls fail."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from functools import wraps
from typing import NamedTuple

from msgspec import Struct

from syncd.emulator import rights
from syncd.emulator import v9_read as read
from syncd.emulator import v9_wire as wire
from syncd.emulator.dialect import Answer, Ask, Pages
from syncd.emulator.model import World
from syncd.emulator.rows import TAKEN, Client, Missing, Project, Refused, User, Workspace
from syncd.emulator.switches import Switches

NO_RIGHT = "User does not have access to this resource."
NO_WORKSPACE = "Missing or invalid workspace_id"
PAID_FEATURE = "This feature is not part of the plan of this workspace."
DAY_S = 86_400


class Stop(Exception):
    """Ends a call with an error answer, whose body is a JSON string."""

    def __init__(self, http_status: int, message: str) -> None:
        super().__init__(http_status, message)
        self.answer = Answer(http_status, wire.one(message))


class Shown(NamedTuple):
    """A project to be shown, and when it was deleted if it was."""

    row: Project
    deleted_at: datetime | None = None


class Source:
    """The world as v9 shows it."""

    def __init__(self, world: World, switches: Switches) -> None:
        self.world = world
        self.switches = switches
        self.pages = Pages()
        self.empty = b"null" if switches.null_lists else b"[]"

    def call(self, call: Callable[[Ask], Answer]) -> Callable[[Ask], Answer]:
        """A call that answers with an error instead of raising it."""

        @wraps(call)
        def answered(ask: Ask) -> Answer:
            try:
                return call(ask)
            except Stop as stop:
                return stop.answer
            except read.BadRequest as error:
                return Stop(400, str(error)).answer
            except Missing as error:
                return Stop(404, str(error)).answer
            except Refused as error:
                taken = error.messages == (TAKEN,)
                return Stop(self.switches.duplicate_name_status if taken else 400, "; ".join(error.messages)).answer

        return answered

    def array(self, values: Iterable[Struct]) -> bytes:
        """A list, empty ones as the switch says."""
        return wire.array(values, empty=self.empty)

    # Who sees what ----------------------------------------------------------------------------------------

    def workspace(self, ask: Ask) -> Workspace:
        """The workspace in the path. Stops the call unless its user is a member."""
        workspace_id = read.whole(ask.key.partition("/")[0])
        if workspace_id not in ask.user.access:
            raise Stop(self.switches.foreign_status, NO_WORKSPACE)
        return self.world.workspaces[workspace_id]

    def workspaces(self, user: User) -> list[Workspace]:
        """The user's workspaces, ascending by id."""
        return [self.world.workspaces[workspace_id] for workspace_id in sorted(user.access)]

    def projects(self, user: User, workspace: Workspace, since: int | None) -> Iterator[Shown]:
        """The projects the user may see, ascending by id; with `since` those that changed, deleted ones too."""
        rows = rights.visible_projects(user, workspace, self.world.projects_of(workspace.id))
        if since is None:
            yield from map(Shown, rows)
            return
        shown = [Shown(row) for row in rows if row.at.timestamp() >= since]
        everything = rights.sees_all(user, workspace)
        for grave in self.world.deleted_projects.values():
            is_visible = grave.row.workspace_id == workspace.id and (everything or not grave.row.is_private)
            if is_visible and grave.deleted_at.timestamp() >= since:
                shown.append(Shown(grave.row, grave.deleted_at))
        yield from sorted(shown, key=lambda item: item.row.id)

    def clients(self, workspace: Workspace, since: int | None) -> list[tuple[Client, datetime | None]]:
        """The clients of a workspace with the time of their deletion, ascending by id; `since` as for projects."""
        live = self.world.clients_of(workspace.id)
        if since is None:
            return [(row, None) for row in live]
        shown = [(row, None) for row in live if row.at.timestamp() >= since]
        graves = (grave for grave in self.world.deleted_clients.values() if grave.row.workspace_id == workspace.id)
        gone = [(grave.row, grave.deleted_at) for grave in graves if grave.deleted_at.timestamp() >= since]
        return sorted([*shown, *gone], key=lambda item: item[0].id)

    def project(self, user: User, workspace: Workspace, shown: Shown, *, status: bool = True) -> Struct:
        """A project as that user sees it."""
        rates = rights.sees_rates(user, workspace)
        return wire.project(
            shown.row,
            self.today(),
            paid=workspace.premium,
            rates=rates,
            deleted_at=shown.deleted_at,
            status=status,
        )

    # Time -------------------------------------------------------------------------------------------------

    def today(self) -> date:
        """The day by which projects begin and end (UTC: assumed)."""
        return self.world.now().date()

    def since(self, query: read.Query) -> int | None:
        """The `since` of a query."""
        since = query.number("since")
        if since is not None:
            self.check_since(since)
        return since

    def check_since(self, since: int) -> None:
        """Stops the call if `since` (UNIX seconds) is too old, or in the future where that is refused."""
        present = self.world.now().timestamp()
        if since < present - self.switches.since_days * DAY_S:
            raise Stop(400, "Since cannot be older than 3 months")
        if since > present and self.switches.future_since_refused:
            raise Stop(400, "Invalid since")

    def stamp(self, user: User) -> tuple[int, ...]:
        """Moves with all that can change what a user's own lists show."""
        return (self.today().toordinal(), user.revision, *map(self.world.revision, user.access))

    def stamp_of(self, workspace: Workspace) -> tuple[int, int]:
        """Moves with all that can change what the lists of a workspace show."""
        return self.today().toordinal(), self.world.revision(workspace.id)
