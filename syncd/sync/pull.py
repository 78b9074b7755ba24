"""One pull, the straight line: fetch, unchanged?, decode, plan, apply, report.

begin ─▶ fetch ─▶ digest equal? ─▶ finish            one UPDATE, nothing else
                      │ no
                      ▼
                    decode ─▶ per workspace: read ─▶ plan ─▶ apply   one transaction each, fenced
                                                              │
                                                              ▼
                                      lost workspaces, quarantine ─▶ finish   the digest follows the rows
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from syncd.clock import Clock
from syncd.errors import (
    DatabaseError,
    FencedOut,
    QuotaExhausted,
    SyncdError,
    TogglUnavailable,
    Unforeseen,
)
from syncd.failpoints import reach
from syncd.postgres.store import Store
from syncd.postgres.writer import Begun
from syncd.records import ALWAYS, Reject, Resource, Sighting, WorkspaceSnapshot
from syncd.sync.apply import Applier
from syncd.sync.budget import Budget
from syncd.sync.completeness import clients_moved, doubt
from syncd.sync.consequences import consequence
from syncd.sync.deletes import DeleteRules
from syncd.sync.report import Counts, PullReport, database_time
from syncd.sync.room import Room
from syncd.toggl.client import Conversation, Toggl
from syncd.toggl.dialect import Dialect, ListingPlan
from syncd.toggl.traffic import Retry

ABANDON_S = 2.0
"""How long a shutdown waits for the database to take a turn back."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose turn it is: a token by its configured name. `secret` goes into a request header and nowhere else."""

    name: str
    secret: str = field(repr=False)
    workspaces: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """How pulls behave, from the configuration. `projects`: strategy of listing them; `resources`: what is mirrored."""

    projects: str
    pull_timeout: timedelta
    full_every: timedelta
    deletes: DeleteRules = field(default_factory=DeleteRules)
    resources: tuple[Resource, ...] = ALWAYS


@dataclass(frozen=True, slots=True)
class Puller:
    """Everything that a pull needs; one per process. `budget` None: the API has no quotas."""

    toggl: Toggl
    dialect: Dialect
    store: Store
    rules: Rules
    clock: Clock
    on_retry: Callable[[str, Retry], None]
    budget: Budget | None = None
    room: Room = field(default_factory=Room)

    async def pull(self, subject: Subject, *, full: bool = False) -> PullReport:
        """Pull one token. Whatever the source or the database do ends in a report, never in an exception.

        Where the quota would not last for it, no pull begins and the token is due again after the reset.

        `full`: compare everything, whatever the digest says.

        Raises:
            asyncio.CancelledError: a shutdown; the open transaction is rolled back and the token due again at once.
        """
        report = PullReport(subject.name, counts={resource: Counts() for resource in self.rules.resources})
        started = self.clock.monotonic()
        begun: Begun | None = None
        try:
            if not await self._affords(report, full=full):
                return report
            begun = await self._begin(subject, report)
            await self._walk_in_time(subject, begun, report, full=full or begun.full_due)
            await keep_hold(self.toggl, self.store, begun.token)
        except SyncdError as error:
            await self._fail(begun, report, error)
        except Exception as error:  # noqa: BLE001 - one token's surprise must not touch the others
            unforeseen = Unforeseen(f"{type(error).__name__}; this is a mistake of syncd, see its log")
            unforeseen.__cause__ = error
            await self._fail(begun, report, unforeseen)
        except asyncio.CancelledError:
            if begun is not None:
                await self._abandon(begun, report)
            raise
        finally:
            report.duration_s = self.clock.monotonic() - started
            if self.budget is not None and report.sheet is not None:
                self.budget.drop(report.sheet)
        return report

    async def _affords(self, report: PullReport, *, full: bool) -> bool:
        """Look into the budget, if there is one: whether what is left of the quotas covers the pull."""
        if self.budget is not None:
            try:
                report.sheet = await self.budget.open(report.token, full=full)
            except QuotaExhausted as error:
                report.is_postponed, report.error, report.reason = True, error, "quota_saved"
                report.next_due_at = await self.budget.ledger.postpone(report.token, error.retry_after_s)
        return not report.is_postponed

    async def _settle(self, report: PullReport, *, is_whole: bool | None) -> None:
        """Close the books, before the row says when the next pull is due."""
        if self.budget is not None and report.sheet is not None:
            with database_time(report, self.clock):
                report.stretch = await self.budget.close(report.sheet, is_whole=is_whole) or report.stretch

    async def _abandon(self, begun: Begun, report: PullReport) -> None:
        """Give the turn back, if the database answers soon: whoever cancelled us is about to leave."""
        with contextlib.suppress(TimeoutError, DatabaseError):
            async with asyncio.timeout(ABANDON_S):
                await self.store.abandon(begun)
                await keep_hold(self.toggl, self.store, begun.token)
                await self._settle(report, is_whole=None)

    async def _begin(self, subject: Subject, report: PullReport) -> Begun:
        with database_time(report, self.clock):
            begun = await self.store.begin(
                subject.name, timeout=self.rules.pull_timeout, full_every=self.rules.full_every
            )
        if begun.rested_s is not None:
            self.toggl.rested(subject.name, begun.rested_s)
        reach("after_begin")
        report.pull_id, report.began_at = begun.pull_id, begun.began_at
        report.last_success_at, report.row_count = begun.last_success_at, begun.row_count
        return begun

    async def _walk_in_time(self, subject: Subject, begun: Begun, report: PullReport, *, full: bool) -> None:
        limit = self.rules.pull_timeout
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await self._walk(subject, begun, report, full=full)
        except TimeoutError:
            raise TogglUnavailable(f"the pull did not end within {limit}") from None

    async def _walk(self, subject: Subject, begun: Begun, report: PullReport, *, full: bool) -> None:
        conversation = self._talk(subject, report)
        if self.budget is not None and report.sheet is not None:
            await self.budget.identify(report.sheet, conversation)
        plan = await self._plan(subject, begun, report, full=full)
        report.left = sorted(plan.left)
        fetched = await conversation.converse(self.dialect.listing(plan))
        reach("after_fetch")
        seen = fetched.digest
        report.is_whole = fetched.is_whole
        if seen == begun.digest and not full:
            await self._finish_unchanged(begun, report)
            return
        report.is_compared = True
        async with self.room.place():
            sighting = self.dialect.decode(fetched)
            del fetched  # bodies and records are the largest things a pull holds
            rejects = await self._apply_all(begun, sighting, report, conversation)
        await self._finish_changed(begun, report, sighting, rejects, seen)

    async def _plan(self, subject: Subject, begun: Begun, report: PullReport, *, full: bool) -> ListingPlan:
        """What to ask for."""
        plan = ListingPlan(self.rules.projects, subject.workspaces, resources=self.rules.resources)
        if full:
            return plan
        if self.dialect.is_metered:
            with database_time(report, self.clock):
                plan = msgspec.structs.replace(plan, left=await self.store.share(begun))
        return msgspec.structs.replace(plan, remembered=begun.strategies, cursors=begun.cursors)

    def _talk(self, subject: Subject, report: PullReport) -> Conversation:
        conversation = self.toggl.conversation(
            subject.name, subject.secret, lambda retry: self.on_retry(subject.name, retry)
        )
        report.traffic = conversation.traffic
        return conversation

    def _applier(self, begun: Begun, report: PullReport, conversation: Conversation, sighting: Sighting) -> Applier:
        return Applier(
            store=self.store,
            begun=begun,
            rules=self.rules.deletes,
            conversation=conversation,
            dialect=self.dialect,
            report=report,
            clock=self.clock,
            toggl=self.toggl,
            seen=sighting.ids(),
        )

    async def _apply_all(
        self, begun: Begun, sighting: Sighting, report: PullReport, conversation: Conversation
    ) -> list[Reject]:
        """Apply every workspace; what was put aside, by the dialect or by the database."""
        visible = sighting.visible
        before = begun.workspace_ids
        if before is not None:
            report.gained = sorted(set(visible) - set(before))
            report.lost = sorted(set(before) - set(visible))
        snapshots = sighting.workspaces
        if report.gained or report.lost:
            snapshots = [doubt(snapshot, "workspaces_changed", snapshot.scopes) for snapshot in snapshots]
        applier = self._applier(begun, report, conversation, sighting)
        report.row_count = sum([await applier.stand_by(workspace_id) for workspace_id in sighting.left])
        rejects = list(sighting.rejects)
        for snapshot in snapshots:
            deepened, unread = await self._deepened(snapshot, begun, conversation)
            plan, refused = await applier.apply(deepened)
            reach("after_workspace_commit")
            report.add(plan)
            rejects += [*unread, *refused]
        if report.lost:
            await applier.lose(visible)
            reach("after_lost_workspaces")
        return rejects

    async def _deepened(
        self, snapshot: WorkspaceSnapshot, begun: Begun, conversation: Conversation
    ) -> tuple[WorkspaceSnapshot, Sequence[Reject]]:
        """The snapshot, with all projects instead of the changed ones where a client's fate may have touched the rest.

        Deleting a client takes it from its projects and moves no `at`, so that they do not count as changed (users
        report, toggl/mobileapp #1905); what archiving one does to the `at` of its projects nobody wrote down.
        """
        if not snapshot.scopes["project"].is_delta:
            return snapshot, ()
        known = await self.store.known_clients(begun, snapshot.workspace.id)
        if not clients_moved(snapshot.scopes["client"], known):
            return snapshot, ()
        walked = await conversation.converse(self.dialect.walk(snapshot.workspace))
        return snapshot.but({"project": walked.projects}), walked.rejects

    async def _finish_unchanged(self, begun: Begun, report: PullReport) -> None:
        traffic = report.traffic
        await self._settle(report, is_whole=report.is_whole)
        reach("before_finish")
        with database_time(report, self.clock):
            due = await self.store.finish_unchanged(
                begun, traffic.requests, traffic.quota_remaining, is_whole=report.is_whole
            )
        self._succeed(begun, report, due)
        report.result = "unchanged"

    async def _finish_changed(
        self, begun: Begun, report: PullReport, sighting: Sighting, rejects: list[Reject], seen: bytes
    ) -> None:
        for reject in rejects:
            report.counts["client" if reject.resource == "workspace" else reject.resource].quarantined += 1
        reasons = {notice.detail for notice in report.notices if notice.kind == "incomplete"}
        written = report.total("written")
        report.reason = ", ".join(sorted(reasons | ({"rejects"} if rejects else set())))
        report.result = "partial" if report.reason else "changed" if written else "unchanged"
        trusted = seen if report.is_settled and not rejects else None
        await self._settle(report, is_whole=report.is_whole)
        traffic = report.traffic
        with database_time(report, self.clock):
            report.quarantined, report.released = await self.store.quarantine(begun, rejects)
            reach("after_quarantine")
            if written:
                counts = msgspec.to_builtins(report.counts)
                await self.store.close_pull(begun, "partial" if report.reason else "changed", counts)
            reach("before_finish")
            due = await self.store.finish_changed(
                begun,
                traffic.requests,
                traffic.quota_remaining,
                trusted,
                report.row_count,
                sighting.visible,
                is_whole=report.is_whole,
            )
        self._succeed(begun, report, due)

    def _succeed(self, begun: Begun, report: PullReport, due: datetime | None) -> None:
        """Note the success; without a due time there was none, for a later pull has taken over."""
        if due is None:
            raise FencedOut(f"a later pull of token {begun.token} took over")
        reach("after_finish")
        report.last_success_at, report.next_due_at = begun.began_at, due

    async def _fail(self, begun: Begun | None, report: PullReport, error: SyncdError) -> None:
        """Put the failure into the report and, if the database can, on the token's row."""
        outcome = consequence(error, 0.0 if begun is None else begun.rejected_s)
        report.result, report.error, report.reason = "failed", error, outcome.reason
        await self._settle(report, is_whole=None)
        if begun is None:
            return
        # Else the row says `running` until its time is up, then `late`.
        with contextlib.suppress(DatabaseError), database_time(report, self.clock):
            report.next_due_at = await self.store.finish_failed(
                begun, outcome.status, str(error), outcome.action, outcome.hold_s
            )
        await keep_hold(self.toggl, self.store, begun.token)


async def keep_hold(toggl: Toggl, store: Store, token: str) -> None:
    """Write down what is left of a Retry-After: this process knows of it, the next one would not."""
    hold_s = toggl.held_s(token)
    if hold_s:
        with contextlib.suppress(DatabaseError):
            await store.hold(token, hold_s)
