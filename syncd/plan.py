"""What a pull must change: pure data, made by the decisions of `syncd.sync`, carried out by `syncd.postgres`."""

from collections.abc import Mapping
from typing import Generic, Literal

import msgspec

from syncd.records import Client, Project, R, Reject, Stored, Strategy, Workspace

Change = Literal["insert", "update", "reappear", "volatile"]
"""`insert` of a record that has a row fills a stub; `volatile` writes the row without a new version."""


class Diff(msgspec.Struct, Generic[R], frozen=True):
    """What must change in one scope. `inserts` have no row yet; `changes` replace the content of one. Both by id."""

    inserts: list[R]
    changes: list[tuple[R, Change]]
    unchanged: int
    stale: int

    def count(self, change: Change) -> int:
        """Rows with this change; `insert` counts filled stubs too."""
        return sum(kind == change for _, kind in self.changes) + (len(self.inserts) if change == "insert" else 0)

    @property
    def is_empty(self) -> bool:
        return not self.inserts and not self.changes


class Scope(msgspec.Struct, frozen=True):
    """A scope as stored: the ids it showed last, and those it showed once and then lacked. Both ascending, disjoint."""

    strategy: Strategy
    ids: list[int]
    absent_ids: list[int]


class StoredScope(msgspec.Struct, Generic[R], frozen=True):
    """What PostgreSQL holds of one resource of a workspace: all its rows, and what this token saw of it before.

    `foreign`: incoming ids that are stored under another workspace; empty unless they were looked for.
    """

    rows: Mapping[int, Stored[R]]
    scope: Scope | None
    foreign: frozenset[int] = frozenset()


class ScopePlan(msgspec.Struct, Generic[R], frozen=True):
    """One resource of one workspace. `incomplete`: why the snapshot proves no absence; empty = it was complete."""

    diff: Diff[R]
    scope: Scope
    incomplete: tuple[str, ...]


class WorkspacePlan(msgspec.Struct, frozen=True):
    """One workspace: what commits together. `stub_clients`: parents of its projects that nobody showed us."""

    workspace: Workspace
    clients: ScopePlan[Client]
    projects: ScopePlan[Project]
    stub_clients: list[int]
    rejects: list[Reject]

    @property
    def writes_rows(self) -> bool:
        return not (self.clients.diff.is_empty and self.projects.diff.is_empty and not self.stub_clients)
