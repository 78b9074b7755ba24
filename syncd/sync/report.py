"""What one pull came to: the facts of its log line, its metrics and its row in a summary."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from syncd.errors import SyncdError
from syncd.plan import ScopePlan
from syncd.toggl.client import Traffic

Result = Literal["unchanged", "changed", "partial", "failed"]


class Counts(msgspec.Struct):
    """Rows of one resource, over all workspaces of a pull. `complete`: every snapshot was."""

    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    reappeared: int = 0
    stale: int = 0
    stubs: int = 0
    quarantined: int = 0
    delete_candidates: int = 0
    complete: bool = True

    def add(self, plan: ScopePlan[Any]) -> None:
        """Count one workspace's plan in."""
        diff = plan.diff
        self.inserted += diff.count("insert")
        self.updated += diff.count("update") + diff.count("volatile")
        self.reappeared += diff.count("reappear")
        self.unchanged += diff.unchanged
        self.stale += diff.stale
        self.fetched += len(diff.inserts) + len(diff.changes) + diff.unchanged + diff.stale
        self.delete_candidates += len(plan.scope.absent_ids)
        self.complete = self.complete and not plan.incomplete

    @property
    def written(self) -> int:
        return self.inserted + self.updated + self.reappeared + self.stubs


@dataclass(slots=True)
class PullReport:
    """One pull of one token, whatever came of it. Durations in seconds; instants by the database's clock.

    `full`: everything was compared. `reason`: why the result is not better, '' if it could not be. `incomplete`:
    (workspace, resource, why). `quarantined`, `released`: (resource, key[, reason]) of records that were not in
    quarantine before, or no longer are.
    """

    token: str
    result: Result = "failed"
    reason: str = ""
    full: bool = False
    pull_id: int | None = None
    began_at: datetime | None = None
    last_success_at: datetime | None = None
    next_due_at: datetime | None = None
    duration_s: float = 0.0
    db_s: float = 0.0
    workspaces: int = 0
    row_count: int = 0
    clients: Counts = field(default_factory=Counts)
    projects: Counts = field(default_factory=Counts)
    traffic: Traffic = field(default_factory=Traffic)
    incomplete: list[tuple[int, str, str]] = field(default_factory=list)
    quarantined: list[tuple[str, str, str]] = field(default_factory=list)
    released: list[tuple[str, str]] = field(default_factory=list)
    error: SyncdError | None = None

    @property
    def is_fresh(self) -> bool:
        """The mirror holds what the source showed now."""
        return self.result != "failed"
