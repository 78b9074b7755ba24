"""What a pull must change: pure data, made by the decisions of `syncd.sync`, carried out by `syncd.postgres`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Generic, Literal

import msgspec

from syncd.records import R, Resource, Strategy, Workspace

Change = Literal["insert", "update", "reappear", "volatile"]
"""`insert` of a record that has a row fills a stub; `volatile` writes the row without a new version."""


class Diff(msgspec.Struct, Generic[R], frozen=True):
    """What must change in a slice of a scope. `inserts` have no row yet; `changes` replace the content of one. Both by
    id.

    `stale`: records older than their rows, left alone. `restored`: ids among `changes` that go back in time, because
    the source was restored.
    """

    inserts: list[R]
    changes: list[tuple[R, Change]]
    unchanged: int
    stale: list[R]
    restored: list[int] = []

    @property
    def is_empty(self) -> bool:
        return not self.inserts and not self.changes

    @property
    def written(self) -> list[R]:
        """Records that are to replace what is stored."""
        return [*self.inserts, *(record for record, _ in self.changes)]


class Tally(msgspec.Struct):
    """What the slices of a scope came to, so far. `inserted` counts filled stubs too, `updated` volatile changes.

    `reappeared`, `restored`, `from_future`: ids; the last of records whose `at` is more than a day ahead.
    `regressions`: what to remember of `stale` records, by id as text. `stubs`: parents that nobody showed us.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    stubs: int = 0
    reappeared: list[int] = []
    restored: list[int] = []
    from_future: list[int] = []
    regressions: dict[str, "Regression"] = {}

    @property
    def read(self) -> int:
        """Records that were compared."""
        return self.written + self.unchanged + self.stale

    @property
    def written(self) -> int:
        return self.inserted + self.updated + len(self.reappeared)


class Cohort(msgspec.Struct, frozen=True):
    """Ids that went missing from a scope together, ascending.

    `count` complete snapshots lacked them, the first began at `since`, the last at `last`; 0 if another token saw
    them since. `is_proven`: the source itself called them deleted. `is_hidden`: the token lists in a way now that may
    not show them, so that lacking them means nothing until it lists otherwise.
    """

    ids: list[int]
    since: datetime
    last: datetime
    count: int
    is_proven: bool = False
    is_hidden: bool = False


class Regression(msgspec.Struct, frozen=True):
    """A record that came older than its row. `count` complete snapshots in a row showed exactly this `digest`."""

    digest: str
    count: int


class Scope(msgspec.Struct, frozen=True):
    """A scope as stored: the ids it showed last, ascending, and those it showed once and then lacked.

    `is_admin` of the token in this workspace. `regressions` by id, as text, for JSON has no other keys. `seen_at`: when
    the pull began that wrote it. `cursor`: from when on the source may be asked for changes only; None: for everything.
    """

    is_admin: bool
    strategy: Strategy | Literal[""]
    ids: list[int]
    absent: list[Cohort] = []
    regressions: dict[str, Regression] = {}
    held_hash: str | None = None
    seen_at: datetime | None = None
    cursor: datetime | None = None


class Viewer(msgspec.Struct, frozen=True):
    """Another token that sees the same workspace and can be trusted to.

    `rank`: best first. `ids` that it saw last, which was in a pull that began at `seen_at`; `absent`: those that it saw
    once and then lacked.
    """

    token: str
    is_admin: bool
    rank: int
    ids: frozenset[int]
    absent: list[Cohort] = []
    seen_at: datetime | None = None


class StoredScope(msgspec.Struct, frozen=True):
    """What PostgreSQL holds of one resource of a workspace, but for the content of its rows.

    `known`: ids of all rows; `live`: of those that are no stubs and no tombstones; `private`: of those that only admins
    of the workspace and members of the project may see. `scope`: what this token saw before; `viewers`: who else looks.
    """

    known: frozenset[int]
    live: frozenset[int]
    scope: Scope | None
    viewers: list[Viewer] = []
    private: frozenset[int] = frozenset()


class Held(msgspec.Struct, frozen=True):
    """Deletions that the guard holds back. `hash` stands for exactly these `ids` of this scope."""

    hash: str
    ids: list[int]
    live: int
    reason: Literal["shrunk", "emptied"]


class Deletes(msgspec.Struct, frozen=True):
    """What absence comes to, in one scope.

    `tombstones`: ids to bury now. `candidates`: live ids that are missing and that nobody else sees. `held`: those the
    guard wants a person to decide about. `is_waiting`: further snapshots may still confirm some. `proven`: those of
    `tombstones` that the source itself calls deleted.
    """

    tombstones: list[int] = []
    candidates: int = 0
    held: Held | None = None
    is_waiting: bool = False
    proven: frozenset[int] = frozenset()


class ScopePlan(msgspec.Struct, frozen=True):
    """One resource of one workspace, after its rows were compared.

    `incomplete`: why the snapshot proves no absence; empty = it was complete, or holds only changes (`is_delta`) and
    does not try to. `yielded`: records that a better token sees too, and owns. `heirs`: tokens that own rows from now
    on, and how many. `witnesses`: tokens that are to look again at what this one lost sight of.
    """

    tally: Tally
    scope: Scope
    deletes: Deletes
    incomplete: tuple[str, ...]
    yielded: int = 0
    heirs: dict[str, int] = {}
    witnesses: frozenset[str] = frozenset()
    held_before: str | None = None
    is_delta: bool = False

    @property
    def looks_again(self) -> frozenset[str]:
        """Tokens whose next pull compares everything."""
        return self.witnesses.union(self.heirs)

    @property
    def is_settled(self) -> bool:
        """The same answers again would change nothing: the digest may stand for them.

        A stale record does: it may count as restored one day, and as reappeared at once if it is a tombstone's.
        """
        return not self.incomplete and not self.deletes.is_waiting and not self.tally.stale


class WorkspacePlan(msgspec.Struct, frozen=True):
    """One workspace: what commits together, with the rows that its slices wrote."""

    workspace: Workspace
    scopes: Mapping[Resource, ScopePlan]

    @property
    def writes_rows(self) -> bool:
        return any(plan.tally.written or plan.tally.stubs or plan.deletes.tombstones for plan in self.scopes.values())

    @property
    def doomed(self) -> list[tuple[Resource, int]]:
        """What is to be buried for its absence alone."""
        return [
            (resource, id_)
            for resource, plan in self.scopes.items()
            for id_ in plan.deletes.tombstones
            if id_ not in plan.deletes.proven
        ]

    @property
    def looks_again(self) -> list[str]:
        """Tokens whose next pull compares everything."""
        return sorted({token for plan in self.scopes.values() for token in plan.looks_again})

    @property
    def is_settled(self) -> bool:
        return all(plan.is_settled for plan in self.scopes.values())


class Culprit(msgspec.Struct, frozen=True):
    """A record that the database refuses. `constraint`: which rule it breaks, '' if the server does not say."""

    resource: Resource
    id: int
    sqlstate: str
    constraint: str
