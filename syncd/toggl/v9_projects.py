"""The projects of one v9 workspace: all of them, page by page, or only what changed. Pure.

Pages are counted, not chained: what is created, deleted or renamed while one walks moves rows from one page to
another. Pushed back, a row comes twice, which does no harm. Drawn forward over a page's edge it is never shown. Hence
the last question of a walk of several pages: what changed since it began? What comes is taken in, and where a row may
have slipped through, the walk proves no absence.
"""

from datetime import datetime, timedelta

import msgspec

from syncd.packed import SMALL_BLOCK
from syncd.records import Cursor, Project, Snapshot, Workspace
from syncd.toggl import v9_rows
from syncd.toggl.collector import Collector
from syncd.toggl.dialect import Answer, Digest, Request

PER_PAGE = 200
"""The most that the API gives (default 151). Source: the vendor's v9 specification."""

SMALLEST_LIMIT = 50
"""A first page shorter than this is the only one. A longer one may be what a server gives that allows no more."""

OVERLAP = timedelta(minutes=5)
"""Changes are asked for from so long before the last answer, because writes settle late at the source."""

REFUSED = frozenset({403, 404, 405})


class ProjectWalk:
    """Asks one thing after another. `cursor`: from when on the changes will do; None: all is asked for."""

    def __init__(self, workspace: Workspace, cursor: Cursor | None, digest: Digest) -> None:
        """Whoever became an admin since the cursor was set, or is none any more, sees other rows than before."""
        self.projects: Collector[Project] = Collector(v9_rows.project_rows, SMALL_BLOCK)
        self.workspace = workspace
        self._digest = digest
        self._began: datetime | None = None
        self._sizes: list[int] = []
        self._since = cursor.since if cursor is not None and cursor.is_admin == workspace.is_admin else None
        self.request: Request | None = self._next_page()
        """What to ask next; None: that was all."""

    @property
    def is_delta(self) -> bool:
        """Only changes were asked for."""
        return self._since is not None

    def snapshot(self) -> Snapshot[Project]:
        """What came of it. Without the source's time there is nothing to ask for changes from."""
        cursor = None if self._began is None else self._began - OVERLAP
        found = self.projects.snapshot(self.workspace.id, "workspace")
        return msgspec.structs.replace(found, is_delta=self.is_delta, cursor=cursor)

    def take(self, answer: Answer) -> None:
        """Read the answer to `request`, and decide what to ask next.

        Raises:
            TokenRejected, ContractChanged: see `raw_rows`.
        """
        asked, self.request = self.request, None
        if self._began is None:
            self._began = answer.date
        if answer.http_status == 400 and self.is_delta:  # "Since cannot be older than 3 months"
            self._start_over()
            return
        self._digest.add(answer)
        if answer.http_status in REFUSED:
            self.projects.doubt(self.workspace.id, f"http_{answer.http_status}")
        elif asked == self._next_page():
            self._take_page(answer)
        else:
            self._take_changes(answer)

    def _take_page(self, answer: Answer) -> None:
        """Go on with the next page, or behind the last of several ask what changed meanwhile.

        The last page is shorter than the one before it, or so short that no server would cut there. An empty second one
        counts: had a row of the first been deleted in between, what stood here would have moved there.
        """
        known = self.projects.count
        before = self._sizes[-1] if self._sizes else SMALLEST_LIMIT
        self._sizes.append(self.projects.add(answer, self.workspace.id))
        if self._sizes[-1] >= before:
            if self.projects.count > known:
                self.request = self._next_page()
            elif self.is_delta:  # lists of changes are not paged here, and this one may have been cut
                self._start_over()
            else:
                self.projects.doubt(self.workspace.id, "pages_repeat")
        elif len(self._sizes) > 1:
            if self._began is None:
                self.projects.doubt(self.workspace.id, "pages_unchecked")
            else:
                self.request = self._listed(("since", _seconds(self._began)))

    def _take_changes(self, answer: Answer) -> None:
        """What changed while pages were listed. A list as long as a page may be cut; one that is refused is none."""
        is_told = False
        if self._began is not None and answer.http_status != 400:
            is_told = self.projects.add_changes(answer, self.workspace.id, self._began) < self._sizes[0]
        if not is_told:
            self.projects.doubt(self.workspace.id, "pages_unchecked")

    def _start_over(self) -> None:
        """Ask for everything after all."""
        self.projects = Collector(v9_rows.project_rows, SMALL_BLOCK)
        self._since, self._began, self._sizes = None, None, []
        self.request = self._next_page()

    def _next_page(self) -> Request:
        since = () if self._since is None else (("since", _seconds(self._since)),)
        return self._listed(("page", str(len(self._sizes) + 1)), *since)

    def _listed(self, *query: tuple[str, str]) -> Request:
        """`active=both`: the default hides archived projects, or does not, by the version of the server."""
        path = f"/api/v9/workspaces/{self.workspace.id}/projects"
        asked = (("active", "both"), ("per_page", str(PER_PAGE)), *query)
        return Request(path, asked, organization=self.workspace.organization)


def _seconds(instant: datetime) -> str:
    """As the API wants its `since`."""
    return str(int(instant.timestamp()))
