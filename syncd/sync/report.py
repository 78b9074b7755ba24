"""What one pull came to: the facts of its log line, its metrics and its row in a summary."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from syncd.clock import Clock
from syncd.errors import SyncdError
from syncd.plan import Held, ScopePlan, WorkspacePlan
from syncd.records import Resource
from syncd.sync.sheet import Sheet
from syncd.toggl.traffic import Traffic

Result = Literal["unchanged", "changed", "partial", "failed"]


class Counts(msgspec.Struct):
    """Rows of one resource, over all workspaces of a pull. `complete`: every snapshot was.

    `yielded`: records that a better token owns. `delete_candidates`: live rows that are missing and not yet buried.
    """

    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    reappeared: int = 0
    deleted: int = 0
    stale: int = 0
    stubs: int = 0
    yielded: int = 0
    quarantined: int = 0
    delete_candidates: int = 0
    complete: bool = True

    def add(self, plan: ScopePlan) -> None:
        """Count one workspace's plan in."""
        tally = plan.tally
        self.inserted += tally.inserted
        self.updated += tally.updated
        self.reappeared += len(tally.reappeared)
        self.unchanged += tally.unchanged
        self.stale += tally.stale
        self.stubs += tally.stubs
        self.yielded += plan.yielded
        self.fetched += tally.read + plan.yielded
        self.deleted += len(plan.deletes.tombstones)
        self.delete_candidates += plan.deletes.candidates - len(plan.deletes.tombstones)
        self.complete = self.complete and not plan.incomplete

    @property
    def written(self) -> int:
        return self.inserted + self.updated + self.reappeared + self.deleted + self.stubs


class Notice(msgspec.Struct, frozen=True):
    """Something about one scope that deserves a line of its own. `ids` or `count` as it fits, `detail` in words."""

    kind: Literal["incomplete", "deleted", "pending", "held", "released", "owner_changed", "restored", "from_future",
                  "reappeared"]  # fmt: skip
    workspace_id: int
    resource: str
    ids: list[int] = []
    count: int = 0
    detail: str = ""
    held: Held | None = None


class Stretch(NamedTuple):
    """The interval of a token changed for the quota's sake. In seconds; `configured_s`: what it would be otherwise."""

    interval_s: float
    configured_s: float


@dataclass(slots=True)
class PullReport:
    """One pull of one token, whatever came of it. Durations in seconds; instants by the database's clock.

    `is_whole`: everything was listed; `is_compared`: the answers were not those of the last pull, or were looked at all
    the same. `row_count`: rows that the token sees; `counts` of each resource that is mirrored. `reason`: why the
    result is not better, '' if it could not be. `quarantined`, `released`: (resource, key[, reason]) of records that
    were not in quarantine before, or are no more.
    `gained`, `lost`: workspaces that the token sees since now, or no longer; `left`: those that another looks at.
    `is_postponed`: no pull was made, for the quota would not have lasted. `stretch`: how far apart pulls are from now
    on, where that changed. `sheet`: its budget, where quotas are counted and it was begun.
    """

    token: str
    result: Result = "failed"
    reason: str = ""
    is_whole: bool = False
    is_compared: bool = False
    pull_id: int | None = None
    began_at: datetime | None = None
    last_success_at: datetime | None = None
    next_due_at: datetime | None = None
    duration_s: float = 0.0
    db_s: float = 0.0
    db_retries: int = 0
    workspaces: int = 0
    row_count: int = 0
    counts: dict[Resource, Counts] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=Traffic)
    notices: list[Notice] = field(default_factory=list)
    quarantined: list[tuple[str, str, str]] = field(default_factory=list)
    released: list[tuple[str, str]] = field(default_factory=list)
    gained: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    is_settled: bool = True
    error: SyncdError | None = None
    is_postponed: bool = False
    stretch: Stretch | None = None
    sheet: Sheet | None = None

    @property
    def full(self) -> bool:
        """Everything was listed and compared."""
        return self.is_whole and self.is_compared

    @property
    def is_fresh(self) -> bool:
        """The mirror holds what the source showed now."""
        return self.result != "failed"

    def add(self, plan: WorkspacePlan) -> None:
        """Count what was applied to one workspace."""
        self.workspaces += 1
        self.is_settled = self.is_settled and plan.is_settled
        for resource, scope in plan.scopes.items():
            self.row_count += len(scope.scope.ids)
            self.counts.setdefault(resource, Counts()).add(scope)
            self.notices += notices_of(plan.workspace.id, resource, scope)

    def total(self, count: str) -> int:
        """A count, or `written`, over all resources."""
        return sum(getattr(counts, count) for counts in self.counts.values())


@contextmanager
def database_time(report: PullReport, clock: Clock) -> Iterator[None]:
    """Count the time inside to the database."""
    started = clock.monotonic()
    try:
        yield
    finally:
        report.db_s += clock.monotonic() - started


def notices_of(workspace_id: int, resource: str, plan: ScopePlan) -> list[Notice]:
    """What a scope's plan has to say beyond its counts."""
    found = [Notice("incomplete", workspace_id, resource, detail=reason) for reason in plan.incomplete]
    deletes, tally = plan.deletes, plan.tally
    if deletes.tombstones:
        found.append(Notice("deleted", workspace_id, resource, ids=deletes.tombstones))
    if deletes.is_waiting:
        found.append(Notice("pending", workspace_id, resource, count=deletes.candidates))
    if deletes.held is not None and deletes.held.hash != plan.held_before:
        found.append(Notice("held", workspace_id, resource, held=deletes.held))
    if deletes.held is None and plan.held_before is not None:
        found.append(Notice("released", workspace_id, resource, detail=plan.held_before))
    for kind, ids in (
        ("reappeared", tally.reappeared),
        ("restored", tally.restored),
        ("from_future", tally.from_future),
    ):
        if ids:
            found.append(Notice(kind, workspace_id, resource, ids=sorted(ids)))  # type: ignore[arg-type]
    found += [Notice("owner_changed", workspace_id, resource, count=n, detail=t) for t, n in plan.heirs.items()]
    return found
