"""What a pull changes in a workspace: decided slice by slice for its rows, by ids alone for what is gone. Pure.

    plan_workspace              what absence comes to, and what the token is known to see from now on
    slices ─▶ diff ─▶ tally     of each slice of the snapshot's records, with the rows that it is compared with
                        │
                        ▼
                     tallied    the plan with all that

So a workspace of any size takes the room of one slice, and of its ids.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter

import msgspec

from syncd.plan import Deletes, Diff, Scope, ScopePlan, StoredScope, Tally, Viewer, WorkspacePlan
from syncd.records import Parent, R, Record, Resource, Snapshot, Stored, Workspace, WorkspaceSnapshot
from syncd.sync.deletes import Decision, DeleteRules, ScopeName, plan_deletes, unconfirmed_by
from syncd.sync.diff import next_regressions
from syncd.sync.visibility import heirs_of, keep_only, next_scope, owned_by_others, restart, witnesses_of

FUTURE = timedelta(days=1)
"""An `at` further ahead than this is worth a line: it would win against every later edit until then."""

SLICE = 1_000
"""Records that are compared and written at a time."""


class Pulling(msgspec.Struct, frozen=True):
    """Who pulls, when it began by the database's clock, and by which rules.

    `seen`: ids of all records of this pull, whatever their workspace. A row that turns up elsewhere is not gone, though
    the API says that a workspace never changes.
    """

    token: str
    rank: int
    began_at: datetime
    deletes: DeleteRules
    decisions: Mapping[str, Decision] = {}
    seen: Mapping[Resource, frozenset[int]] = {}


def slices(snapshot: Snapshot[R], elsewhere: frozenset[int]) -> Iterator[list[R]]:
    """The records but those whose ids are `elsewhere`, at most SLICE at a time."""
    ours = (record for id_, record in snapshot.records.items() if id_ not in elsewhere)
    while records := list(islice(ours, SLICE)):
        yield records


def count(
    tally: Tally,
    changes: Diff[R],
    rows: Mapping[int, Stored[R]],
    before: Scope | None,
    began_at: datetime,
    *,
    is_complete: bool,
) -> Tally:
    """The tally with one slice more. `is_complete`: so was the snapshot, and a record older than its row counts."""
    live = [record for record in changes.stale if rows[record.id].deleted_at is None]
    is_new = before is None or before.seen_at != began_at  # else a transaction that is tried again
    remembered = next_regressions(live, before.regressions if before else {}, counts=is_new and is_complete)
    kinds = [change for _, change in changes.changes]
    ahead = began_at + FUTURE
    return Tally(
        inserted=tally.inserted + len(changes.inserts) + kinds.count("insert"),
        updated=tally.updated + kinds.count("update") + kinds.count("volatile"),
        unchanged=tally.unchanged + changes.unchanged,
        stale=tally.stale + len(changes.stale),
        stubs=tally.stubs,
        reappeared=tally.reappeared + [record.id for record, change in changes.changes if change == "reappear"],
        restored=tally.restored + changes.restored,
        from_future=tally.from_future + [r.id for r in changes.written if r.at is not None and r.at > ahead],
        regressions=tally.regressions | remembered,
    )


def parents_of(children: Iterable[Record], parent: Parent | None, known: Collection[int]) -> list[int]:
    """Parents that the children name and nobody showed us.

    They become stubs, so that the foreign key is real and no inner join drops the child.
    """
    if parent is None:
        return []
    named: set[int | None] = set(map(attrgetter(parent.column), children))
    return sorted(id_ for id_ in named.difference(known) if id_ is not None)


def plan_workspace(
    snapshot: WorkspaceSnapshot, stored: Mapping[Resource, StoredScope], pulling: Pulling
) -> WorkspacePlan:
    """Decide what one pull changes in one workspace besides its rows; `tallied` adds what comparing those came to."""
    workspace = snapshot.workspace
    scopes = {
        resource: _plan_scope(resource, workspace, seen, stored[resource], pulling)
        for resource, seen in snapshot.scopes.items()
    }
    return WorkspacePlan(workspace, scopes)


def tallied(
    plan: WorkspacePlan,
    snapshot: WorkspaceSnapshot,
    stored: Mapping[Resource, StoredScope],
    tallies: Mapping[Resource, Tally],
) -> WorkspacePlan:
    """The plan of the same snapshot, with what became of its rows."""
    scopes = {
        resource: _tallied(scope, snapshot.scopes[resource], stored[resource].scope, tallies[resource])
        for resource, scope in plan.scopes.items()
    }
    return WorkspacePlan(plan.workspace, scopes)


def _tallied(plan: ScopePlan, snapshot: Snapshot[R], before: Scope | None, tally: Tally) -> ScopePlan:
    is_settled = not (snapshot.incomplete or plan.deletes.is_waiting or plan.deletes.held or tally.stale)
    cursor = (snapshot.cursor or _kept_cursor(before, snapshot)) if is_settled else None
    return msgspec.structs.replace(
        plan,
        tally=tally,
        scope=msgspec.structs.replace(plan.scope, regressions=tally.regressions, cursor=cursor),
        yielded=len(snapshot.records) - tally.read,
    )


def _plan_scope(
    resource: Resource, workspace: Workspace, snapshot: Snapshot[R], stored: StoredScope, pulling: Pulling
) -> ScopePlan:
    before, viewers, is_admin = stored.scope, stored.viewers, workspace.is_admin
    known = before
    if before is not None and not snapshot.incomplete:
        absent = restart(before.absent, viewers, pulling.began_at, only_proven=snapshot.is_delta)
        known = msgspec.structs.replace(before, absent=absent)
    scope = next_scope(known, snapshot, pulling.began_at, is_admin=is_admin, private=stored.private)
    witnesses = witnesses_of(before, scope, viewers)
    deletes = Deletes()
    if not snapshot.incomplete:
        name = ScopeName(pulling.token, workspace.id, resource)
        scope, deletes = _plan_absences(name, scope, stored, pulling, only_proven=snapshot.is_delta)
    return ScopePlan(
        tally=Tally(),
        scope=scope,
        deletes=deletes,
        incomplete=snapshot.incomplete,
        heirs=heirs_of(_given_up(pulling.rank, before, scope, viewers), viewers),
        witnesses=witnesses,
        held_before=before.held_hash if before else None,
        is_delta=snapshot.is_delta,
    )


def _kept_cursor(before: Scope | None, snapshot: Snapshot[R]) -> datetime | None:
    """A single change that we were told of moves no cursor."""
    return before.cursor if before is not None and snapshot.is_delta else None


def _plan_absences(
    name: ScopeName, scope: Scope, stored: StoredScope, pulling: Pulling, *, only_proven: bool
) -> tuple[Scope, Deletes]:
    """What to bury, and the scope with only those absences that are still to be decided about.

    `only_proven`: what is merely missing is not looked at, for the snapshot could not show it.
    """
    shown = frozenset(scope.ids).union(id_ for cohort in scope.absent for id_ in cohort.ids)
    seen_by_others: frozenset[int] = frozenset().union(*(viewer.ids for viewer in stored.viewers))
    seen_by_others |= pulling.seen.get(name.resource, frozenset())
    unconfirmed = unconfirmed_by(stored.viewers, pulling.deletes)
    judged = scope
    if only_proven:
        judged = msgspec.structs.replace(scope, absent=[cohort for cohort in scope.absent if cohort.is_proven])
    deletes = plan_deletes(
        name, judged, stored.live & shown, seen_by_others, pulling.deletes, pulling.decisions, unconfirmed
    )
    rest = keep_only(scope.absent, stored.live.difference(deletes.tombstones))
    return msgspec.structs.replace(scope, absent=rest), deletes


def _given_up(rank: int, before: Scope | None, scope: Scope, viewers: list[Viewer]) -> frozenset[int]:
    """Ids that were this token's and are not any more: no longer seen, or its rights in the workspace changed."""
    if before is None:
        return frozenset()
    owned = frozenset(before.ids) - owned_by_others(before.is_admin, rank, viewers)
    owns = frozenset(scope.ids) - owned_by_others(scope.is_admin, rank, viewers)
    return owned - owns
