"""The vocabulary: what syncd knows about, whatever API version told it and wherever it is stored.

A record is a frozen struct whose field order is the column order of its table, so that a record becomes a row, and a
row a record, without naming a field twice. Instants are aware; money is exact; None means "not set, not visible to
the asker, or not known to this API version", which PostgreSQL writes as NULL.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar, final

import msgspec

Resource = Literal["client", "project", "tag"]
Strategy = Literal["workspace", "client"]

Extra = dict[str, Any] | None


class Parent(NamedTuple):
    """What a record belongs to: a record of this resource, whose id is in this column of the child, or nothing."""

    resource: Resource
    column: str


class Workspace(msgspec.Struct, frozen=True, gc=False):
    """A workspace that a token sees. `name` None: the server has no listing of workspaces, only the id is known.

    `is_admin`: the token's owner administers it; depends on who asks, and is not mirrored. Nor is `organization`, whose
    hourly quota the calls on the workspace draw on; None: the API version has no quotas.
    """

    id: int
    name: str | None
    is_admin: bool = False
    organization: int | None = None


class Client(msgspec.Struct, frozen=True, gc=False):
    """A client. `at`: when the source last changed it, whole seconds. `hourly_rate` per hour, in `currency`."""

    PARENT: ClassVar[Parent | None] = None
    VOLATILE: ClassVar[frozenset[str]] = frozenset()

    id: int
    workspace_id: int
    name: str
    notes: str | None
    hourly_rate: Decimal | None
    currency: str | None
    archived: bool | None
    at: datetime
    extra: Extra


class Project(msgspec.Struct, frozen=True, gc=False):
    """A project. `client_id` None: it has no client. `active` False: archived. Volatile fields move without `at`."""

    PARENT: ClassVar[Parent | None] = Parent("client", "client_id")
    VOLATILE: ClassVar[frozenset[str]] = frozenset({"actual_seconds"})

    id: int
    workspace_id: int
    client_id: int | None
    name: str
    active: bool | None
    is_private: bool | None
    billable: bool | None
    template: bool | None
    color: str | None
    currency: str | None
    rate: Decimal | None
    fixed_fee: Decimal | None
    estimated_seconds: int | None
    auto_estimates: bool | None
    recurring: bool | None
    status: str | None
    start_date: date | None
    end_date: date | None
    created_at: datetime | None
    actual_seconds: int | None
    at: datetime
    extra: Extra


class Tag(msgspec.Struct, frozen=True, gc=False):
    """A tag. `creator_id`: the user who made it. `at` None: the source does not tell when it last changed it (v8)."""

    PARENT: ClassVar[Parent | None] = None
    VOLATILE: ClassVar[frozenset[str]] = frozenset()

    id: int
    workspace_id: int
    name: str
    creator_id: int | None
    at: datetime | None
    extra: Extra


Record = Client | Project | Tag
R = TypeVar("R", bound=Record)

RESOURCES: Mapping[Resource, type[Record]] = {"client": Client, "project": Project, "tag": Tag}
"""Everything that can be mirrored, parents before children: in this order rows are written."""

ALWAYS: tuple[Resource, ...] = ("client", "project")
"""What is mirrored whatever the configuration says; each further resource costs a request per workspace and pull."""


class Stored(msgspec.Struct, Generic[R], frozen=True, gc=False):
    """A row of the mirror. `record` None: a stub, of which only the id is known."""

    record: R | None
    deleted_at: datetime | None


@final
class Reject(msgspec.Struct, frozen=True):
    """A record that cannot be stored as it came. `key`: its id, or a digest of its bytes where it has no usable id.

    `workspace_id` None: it does not say, so it may belong to any. `body`: its JSON, cut at a bound, secrets masked.
    """

    resource: Resource | Literal["workspace"]
    key: str
    workspace_id: int | None
    reason: str
    detail: str
    body: str


class Cursor(msgspec.Struct, frozen=True):
    """From when on a scope may be asked for its changes, by the source's clock, and with which rights it was seen."""

    since: datetime
    is_admin: bool


class Snapshot(msgspec.Struct, Generic[R], frozen=True):
    """What one pull saw of a scope.

    `records` by id; `incomplete`: the reasons why a row that is not here may exist all the same, empty when the
    snapshot is complete; `gone`: ids that the source itself calls deleted.

    `is_delta`: it holds only what changed since the last one, so that absence means nothing, and is no flaw either.
    `cursor`: from when on to ask for changes next time, by the source's clock; None: it cannot be asked for changes.
    """

    strategy: Strategy
    records: Mapping[int, R]
    incomplete: tuple[str, ...] = ()
    gone: frozenset[int] = frozenset()
    is_delta: bool = False
    cursor: datetime | None = None

    @property
    def is_complete(self) -> bool:
        """A row that is not here does not exist, as far as the token can see."""
        return not self.incomplete and not self.is_delta


class WorkspaceSnapshot(msgspec.Struct, frozen=True):
    """What one pull saw of a workspace: the unit that commits together. `scopes` in the order of RESOURCES."""

    workspace: Workspace
    scopes: Mapping[Resource, Snapshot[Any]]

    def but(self, scopes: Mapping[Resource, Snapshot[Any]]) -> "WorkspaceSnapshot":
        """The same, with these snapshots instead of those of the same resources."""
        return WorkspaceSnapshot(self.workspace, {**self.scopes, **scopes})


class Written(msgspec.Struct, frozen=True):
    """What the source told of one workspace in answer to a write of ours: news of these rows, and of no others.

    `told`: records of each resource that the answers were about; `gone`: clients that the write deleted.
    """

    workspace_id: int
    told: Mapping[Resource, Sequence[Any]]
    gone: frozenset[int] = frozenset()


class Sighting(msgspec.Struct, frozen=True):
    """Everything that one pull saw through one token. `left`: workspaces that it sees, and left to another token."""

    workspaces: Sequence[WorkspaceSnapshot]
    rejects: Sequence[Reject]
    left: Sequence[int] = ()

    @property
    def visible(self) -> list[int]:
        """Ids of the workspaces that the token sees."""
        return [*(snapshot.workspace.id for snapshot in self.workspaces), *self.left]

    def ids(self) -> dict[Resource, frozenset[int]]:
        """Ids of all records, whatever their workspace."""
        seen: dict[Resource, list[Mapping[int, Any]]] = defaultdict(list)
        for snapshot in self.workspaces:
            for resource, scope in snapshot.scopes.items():
                seen[resource].append(scope.records)
        return {resource: frozenset().union(*records) for resource, records in seen.items()}

    @property
    def row_count(self) -> int:
        """Records in all snapshots."""
        return sum(len(scope.records) for snapshot in self.workspaces for scope in snapshot.scopes.values())
