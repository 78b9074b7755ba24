"""One pull, the straight line: fetch, unchanged?, decode, plan, apply, report.

begin ─▶ fetch ─▶ digest equal? ─▶ finish            one UPDATE, nothing else
                      │ no
                      ▼
                    decode ─▶ per workspace: read ─▶ plan ─▶ apply   one transaction each, fenced
                                                              │
                                                              ▼
                                               quarantine ─▶ finish  the digest follows the rows
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from syncd.clock import Clock
from syncd.errors import DatabaseError, SyncdError, TogglUnavailable, Unforeseen
from syncd.plan import WorkspacePlan
from syncd.postgres.store import Begun, IdsElsewhere, Store
from syncd.records import Reject, Sighting, WorkspaceSnapshot
from syncd.sync.consequences import consequence
from syncd.sync.planning import plan_workspace
from syncd.sync.report import PullReport
from syncd.toggl.client import Conversation, Retry, Toggl
from syncd.toggl.dialect import Dialect, ListingPlan, digest


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose turn it is: a token by its configured name. `secret` goes into a request header and nowhere else."""

    name: str
    secret: str = field(repr=False)
    workspaces: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """How pulls behave, from the configuration. `projects`: strategy of listing them."""

    projects: str
    pull_timeout: timedelta
    full_every: timedelta


@dataclass(frozen=True, slots=True)
class Puller:
    """Everything that a pull needs; one per process."""

    toggl: Toggl
    dialect: Dialect
    store: Store
    rules: Rules
    clock: Clock
    on_retry: Callable[[str, Retry], None]

    async def pull(self, subject: Subject, *, full: bool = False) -> PullReport:
        """Pull one token. Whatever the source or the database do ends in a report, never in an exception.

        `full`: compare everything, whatever the digest says.

        Raises:
            asyncio.CancelledError: a shutdown; the open transaction is rolled back and the token due again at once.
        """
        report = PullReport(subject.name)
        started = self.clock.monotonic()
        begun: Begun | None = None
        try:
            async with self._timed(report):
                begun = await self.store.begin(
                    subject.name, timeout=self.rules.pull_timeout, full_every=self.rules.full_every
                )
            report.pull_id, report.began_at = begun.pull_id, begun.began_at
            report.last_success_at, report.row_count = begun.last_success_at, begun.row_count
            await self._walk_in_time(subject, begun, report, full=full or begun.full_due)
        except SyncdError as error:
            await self._fail(begun, report, error)
        except Exception as error:  # noqa: BLE001 - one token's surprise must not touch the others
            unforeseen = Unforeseen(f"{type(error).__name__}; this is a mistake of syncd, see its log")
            unforeseen.__cause__ = error
            await self._fail(begun, report, unforeseen)
        except asyncio.CancelledError:
            if begun is not None:
                await self.store.abandon(begun)
            raise
        finally:
            report.duration_s = self.clock.monotonic() - started
        return report

    async def _walk_in_time(self, subject: Subject, begun: Begun, report: PullReport, *, full: bool) -> None:
        limit = self.rules.pull_timeout
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await self._walk(subject, begun, report, full=full)
        except TimeoutError:
            raise TogglUnavailable(f"the pull did not end within {limit}") from None

    async def _walk(self, subject: Subject, begun: Begun, report: PullReport, *, full: bool) -> None:
        conversation = self.toggl.conversation(
            subject.name, subject.secret, lambda retry: self.on_retry(subject.name, retry)
        )
        report.traffic = conversation.traffic
        remembered = {} if full else begun.strategies
        listing_plan = ListingPlan(self.rules.projects, subject.workspaces, remembered)
        fetched = await conversation.converse(self.dialect.listing(listing_plan))
        seen = digest(fetched, self.dialect.version)
        if seen == begun.digest and not full:
            await self._finish_unchanged(begun, report, conversation)
            return
        report.full = True
        sighting = self.dialect.decode(fetched)
        del fetched  # the bodies are the largest thing a pull holds
        rejects = list(sighting.rejects)
        for snapshot in sighting.workspaces:
            async with self._timed(report):
                plan = await self._apply(begun, snapshot)
            self._count(report, plan)
            rejects += plan.rejects
        await self._finish_changed(begun, report, conversation, sighting, rejects, seen)

    async def _apply(self, begun: Begun, snapshot: WorkspaceSnapshot) -> WorkspacePlan:
        """Plan and apply one workspace in one transaction; again, looking further, if an id lives elsewhere."""
        try:
            return await self._apply_once(begun, snapshot, look_elsewhere=False)
        except IdsElsewhere:
            return await self._apply_once(begun, snapshot, look_elsewhere=True)

    async def _apply_once(self, begun: Begun, snapshot: WorkspaceSnapshot, *, look_elsewhere: bool) -> WorkspacePlan:
        async with self.store.workspace(begun, snapshot.workspace.id) as writer:
            clients, projects = await writer.read(snapshot, look_elsewhere=look_elsewhere)
            plan = plan_workspace(snapshot, clients, projects, begun.began_at)
            await writer.apply(plan)
        return plan

    def _count(self, report: PullReport, plan: WorkspacePlan) -> None:
        report.workspaces += 1
        report.clients.add(plan.clients)
        report.clients.stubs += len(plan.stub_clients)
        report.projects.add(plan.projects)
        for resource, scope in (("client", plan.clients), ("project", plan.projects)):
            report.incomplete += [(plan.workspace.id, resource, reason) for reason in scope.incomplete]

    async def _finish_unchanged(self, begun: Begun, report: PullReport, conversation: Conversation) -> None:
        traffic = conversation.traffic
        async with self._timed(report):
            due = await self.store.finish_unchanged(begun, traffic.requests, traffic.quota_remaining)
        self._succeed(begun, report)
        report.result, report.next_due_at = "unchanged", due

    async def _finish_changed(
        self,
        begun: Begun,
        report: PullReport,
        conversation: Conversation,
        sighting: Sighting,
        rejects: list[Reject],
        seen: bytes,
    ) -> None:
        report.row_count = sighting.row_count
        report.clients.quarantined = sum(reject.resource != "project" for reject in rejects)
        report.projects.quarantined = sum(reject.resource == "project" for reject in rejects)
        whole = not rejects and not report.incomplete
        written = report.clients.written + report.projects.written
        report.result = "partial" if not whole else "changed" if written else "unchanged"
        report.reason = "" if whole else ", ".join(sorted({why for *_, why in report.incomplete} or {"rejects"}))
        traffic = conversation.traffic
        async with self._timed(report):
            report.quarantined, report.released = await self.store.quarantine(begun, rejects)
            if written:
                counts = {
                    "client": msgspec.to_builtins(report.clients),
                    "project": msgspec.to_builtins(report.projects),
                }
                result = "changed" if whole else "partial"
                await self.store.close_pull(begun, result, counts)
            report.next_due_at = await self.store.finish_changed(
                begun, traffic.requests, traffic.quota_remaining, seen if whole else None, report.row_count
            )
        self._succeed(begun, report)

    def _succeed(self, begun: Begun, report: PullReport) -> None:
        report.last_success_at = begun.began_at

    async def _fail(self, begun: Begun | None, report: PullReport, error: SyncdError) -> None:
        """Put the failure into the report and, if the database can, on the token's row."""
        outcome = consequence(error, 0 if begun is None else begun.failures)
        report.result, report.error, report.reason = "failed", error, outcome.reason
        if begun is None:
            return
        with contextlib.suppress(DatabaseError):  # then the row says `running` until its time is up, then `late`
            async with self._timed(report):
                report.next_due_at = await self.store.finish_failed(
                    begun, outcome.status, str(error), outcome.action, outcome.hold_s
                )

    @asynccontextmanager
    async def _timed(self, report: PullReport) -> AsyncIterator[None]:
        """Count the time inside to the database."""
        started = self.clock.monotonic()
        try:
            yield
        finally:
            report.db_s += self.clock.monotonic() - started
