"""One workspace into the mirror: plan on what is stored, apply, and be right about what is gone and what is refused.

something to bury? ─▶ merge its slices ─▶ plan ─▶ apply ─▶ commit     one transaction, tried again while
       │ yes                  │ a row is refused                      the database stumbles
       ▼                      ▼
ask the source for     find out which, put it aside,
it by its id           merge without it
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import tenacity

from syncd.clock import Clock
from syncd.errors import DatabaseUnavailable, TogglError
from syncd.failpoints import reach
from syncd.plan import Culprit, Diff, WorkspacePlan
from syncd.postgres.store import RowRefused, Store
from syncd.postgres.writer import Begun
from syncd.records import Reject, Resource, Workspace, WorkspaceSnapshot
from syncd.sync.completeness import doubt, without
from syncd.sync.deletes import Decision, DeleteRules
from syncd.sync.merging import Merging
from syncd.sync.planning import Pulling, plan_workspace, tallied
from syncd.sync.report import PullReport, database_time
from syncd.toggl.client import Conversation, Toggl
from syncd.toggl.dialect import Dialect

T = TypeVar("T")

DATABASE_ATTEMPTS = 5
DATABASE_BACKOFF_S = 0.1
DATABASE_BACKOFF_MOST_S = 2.0

PROOFS_MOST = 5
"""Objects of a workspace that are asked for one by one before they are buried; more would cost too many requests."""


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies the workspaces of one pull."""

    store: Store
    begun: Begun
    rules: DeleteRules
    conversation: Conversation
    dialect: Dialect
    report: PullReport
    clock: Clock
    toggl: Toggl
    seen: Mapping[Resource, frozenset[int]]

    async def apply(self, snapshot: WorkspaceSnapshot) -> tuple[WorkspacePlan, Sequence[Reject]]:
        """Apply one workspace, in one transaction; what the database refused of it.

        Before anything is buried, the source is asked for it by its id: if it shows one that its list lacked, the list
        proves nothing.

        Raises:
            DatabaseError, FencedOut, InvariantViolated: nothing of this workspace was written, or all of it.
        """
        plan, rejects = await self._apply_stubbornly(snapshot, is_sure=False)
        if not plan.doomed:
            return plan, rejects
        alive = await self._find_alive(snapshot.workspace, _listable(plan.doomed, snapshot))
        snapshot = doubt(snapshot, "contradicted", alive)
        return await self._apply_stubbornly(snapshot, is_sure=True)

    async def stand_by(self, workspace_id: int) -> int:
        """Leave a workspace to another token; how many rows this one saw in it."""
        with database_time(self.report, self.clock):
            return await self._retrying(partial(self.store.stand_by, self.begun, workspace_id))

    async def lose(self, visible: Sequence[int]) -> None:
        """Freeze what the token saw in other workspaces than these.

        Others are told to look again: two tokens that lose what they share wait for each other, and one has to retry.
        """
        with database_time(self.report, self.clock):
            await self._retrying(partial(self.store.lose_workspaces, self.begun, visible))

    async def _apply_stubbornly(
        self, snapshot: WorkspaceSnapshot, *, is_sure: bool
    ) -> tuple[WorkspacePlan, Sequence[Reject]]:
        """Try again while the database stumbles, and without the records that it refuses.

        Trying again is safe at any point, also when a commit's answer was lost: what is applied already is found
        unchanged, and a snapshot confirms an absence once, however often it is applied.
        """
        with database_time(self.report, self.clock):
            try:
                return await self._retrying(partial(self._apply_once, snapshot, is_sure=is_sure)), []
            except RowRefused:
                rest, rejects = without(snapshot, await self._retrying(partial(self._find_culprits, snapshot)))
                return await self._retrying(partial(self._apply_once, rest, is_sure=True)), rejects

    async def _apply_once(self, snapshot: WorkspaceSnapshot, *, is_sure: bool) -> WorkspacePlan:
        """The plan as it was carried out; if it dooms rows and nobody `is_sure` of that, it was not."""
        async with self.store.workspace(self.begun, snapshot.workspace.id) as writer:
            pulling = self._pulling(await writer.read_decisions())
            await writer.write_workspace(snapshot.workspace.name)
            stored = await writer.read(snapshot.scopes)
            plan = plan_workspace(snapshot, stored, pulling)
            if plan.doomed and not is_sure:
                return plan
            tallies = await Merging(writer, stored, pulling, writer.write_rows).merge(snapshot)
            plan = tallied(plan, snapshot, stored, tallies)
            await writer.apply(plan)
            reach("before_workspace_commit")
        return plan

    async def _find_culprits(self, snapshot: WorkspaceSnapshot) -> list[Culprit]:
        """Which records the database refuses: tried in a transaction that is rolled back.

        Where a new client is refused its projects get a stub for it, as they will without it: they are no culprits.
        """
        found: list[Culprit] = []

        async def find(resource: Resource, changes: Diff[Any], stubs: list[int]) -> list[Culprit]:
            culprits = await writer.find_culprits(resource, changes, stubs)
            found.extend(culprits)
            return culprits

        with contextlib.suppress(_RollBack):
            async with self.store.workspace(self.begun, snapshot.workspace.id) as writer:
                await writer.write_workspace(snapshot.workspace.name)
                stored = await writer.read(snapshot.scopes)
                await Merging(writer, stored, self._pulling({}), find).merge(snapshot)
                raise _RollBack
        return found

    async def _find_alive(self, workspace: Workspace, objects: Sequence[tuple[Resource, int]]) -> set[Resource]:
        """Resources of which the source still shows one of these objects. What it does not answer proves nothing.

        A client that may not be looked at is there: every member of a workspace sees its clients, unless the workspace
        keeps them for its admins, as paid plans can.
        """
        left = self.conversation.traffic.quota_remaining
        requests = ((resource, id_, self.dialect.single(workspace, resource, id_)) for resource, id_ in objects)
        asked = [(resource, id_, request) for resource, id_, request in requests if request is not None]
        if len(asked) > PROOFS_MOST or (left is not None and left <= len(asked)):
            return set()
        found: set[Resource] = set()
        for resource, id_, request in asked:
            with contextlib.suppress(TogglError):
                answer = await self.conversation.send(request)
                if self.dialect.shows(answer, id_) or (resource == "client" and answer.http_status == 403):
                    found.add(resource)
        return found

    def _pulling(self, decisions: dict[str, Decision]) -> Pulling:
        begun = self.begun
        return Pulling(begun.token, begun.rank, begun.began_at, self.rules, decisions, self.seen)

    async def _retrying(self, attempt: Callable[[], Awaitable[T]]) -> T:
        def count(_state: tenacity.RetryCallState) -> None:
            self.report.db_retries += 1

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(DATABASE_ATTEMPTS),
            wait=self._backoff_s,
            retry=tenacity.retry_if_exception_type(DatabaseUnavailable),
            sleep=self.toggl.sleep,
            before_sleep=count,
            reraise=True,
        )
        return await retrying(attempt)

    def _backoff_s(self, state: tenacity.RetryCallState) -> float:
        """Full jitter under a doubling ceiling."""
        ceiling_s = min(DATABASE_BACKOFF_MOST_S, DATABASE_BACKOFF_S * 2.0**state.attempt_number)
        return self.toggl.jitter.full(ceiling_s)


def _listable(objects: list[tuple[Resource, int]], snapshot: WorkspaceSnapshot) -> list[tuple[Resource, int]]:
    """Those that the list would hold if they were there: listed by client, a project that left its client is not."""
    return [(resource, id_) for resource, id_ in objects if snapshot.scopes[resource].strategy != "client"]


class _RollBack(Exception):
    """Leaves a transaction that was only a try."""
