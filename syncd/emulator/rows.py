"""What the emulated world is made of: rows, users, what a good name is, and the two ways a call can fail."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Generic, TypeVar

import msgspec

BEGINNING = datetime(2024, 1, 1, 8, 0, tzinfo=UTC)
"""When the made-up people of this world signed up, unless somebody says otherwise."""

MAX_NAME = 255
"""Longest name, in characters. A limit exists at the source; this value is assumed."""


TAKEN = "Name has already been taken"
"""What a write is refused for whose name another row has."""


class Refused(Exception):
    """A write broke a rule, and nothing was changed. `messages` says which rules, one sentence each."""

    def __init__(self, messages: Iterable[str]) -> None:
        self.messages = tuple(messages)
        super().__init__("; ".join(self.messages))


class Missing(LookupError):
    """No row of that kind (workspace, client, project, tag, user) has that id or name."""

    def __init__(self, kind: str, key: object) -> None:
        super().__init__(f"No {kind} with ID {key} was found")


class Workspace(msgspec.Struct, frozen=True, gc=False):
    """A workspace. `premium` is what the v8 pages call "pro": only there do clients have rates."""

    id: int
    name: str
    at: datetime
    premium: bool = False
    default_hourly_rate: float | None = None
    default_currency: str = "USD"
    only_admins_may_create_projects: bool = False
    only_admins_see_billable_rates: bool = False
    rounding: int = 1
    rounding_minutes: int = 0
    organization_id: int = 0
    projects_private_by_default: bool = True


class Client(msgspec.Struct, frozen=True, gc=False):
    """A client. `hrate` is money per hour in `cur`; both None outside premium workspaces. `at` is UTC.
    `creator_id` is a user's id."""

    id: int
    workspace_id: int
    name: str
    at: datetime
    notes: str | None = None
    hrate: float | None = None
    cur: str | None = None
    archived: bool = False
    creator_id: int | None = None


class Recurrence(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How a recurring project recurs, as v9 has it; all of it as sent, nothing follows from it here."""

    period: str = ""
    custom_period: int | None = None
    estimated_seconds: int | None = None
    parameter_start_date: str = ""
    parameter_end_date: str | None = None
    project_start_date: str = ""


class Project(msgspec.Struct, frozen=True, gc=False):
    """A project, of a client or of none. `color` is what was sent: a palette id (v8) or #rrggbb (v9).

    `actual_seconds` is the time tracked; it moves without `at`. `start_date` None is the day of `created_at`.
    """

    id: int
    workspace_id: int
    client_id: int | None
    name: str
    at: datetime
    active: bool = True
    is_private: bool = True
    billable: bool = False
    template: bool | None = None
    auto_estimates: bool | None = None
    estimated_seconds: int | None = None
    color: str | None = None
    rate: float | None = None
    created_at: datetime | None = None
    template_id: int | None = None
    start_date: date | None = None
    end_date: date | None = None
    rate_last_updated: datetime | None = None
    currency: str | None = None
    fixed_fee: float | None = None
    recurring: bool = False
    recurring_parameters: tuple[Recurrence, ...] | None = None
    actual_seconds: int | None = None

    @property
    def started_on(self) -> date:
        """The day it starts: the one set, else the day it was created."""
        return self.start_date or (self.created_at or self.at).date()

    def status(self, today: date) -> str:
        """upcoming, active, ended or archived: by the day alone it can change without a write."""
        if not self.active:
            return "archived"
        if self.started_on > today:
            return "upcoming"
        return "ended" if self.end_date is not None and self.end_date < today else "active"


class Tag(msgspec.Struct, frozen=True, gc=False):
    """A tag. `at` is UTC, to the microsecond. `creator_id` is a user's id."""

    id: int
    workspace_id: int
    name: str
    at: datetime
    creator_id: int | None = None


R = TypeVar("R", Client, Project)


class Tombstone(msgspec.Struct, Generic[R], frozen=True):
    """What is left of a deleted row: how it last looked, and when it was deleted (UTC, whole seconds)."""

    row: R
    deleted_at: datetime


class User(msgspec.Struct, eq=False):
    """A token and whose it is. Several tokens of one person share `id` and what they see.

    `access`: workspace id -> is admin there. `joined`: workspace id -> when that last changed. `revision` moves with
    each change.
    """

    name: str
    token: str
    access: dict[int, bool]
    revision: int = 0
    is_revoked: bool = False
    id: int = 0
    at: datetime = BEGINNING
    joined: dict[int, datetime] = {}


def name_problems(name: str) -> list[str]:
    """What is wrong with a name by itself. Names are kept as sent, spaces included (assumed)."""
    problems = []
    if not name.strip():
        problems.append("Name can't be blank")
    if len(name) > MAX_NAME:
        problems.append(f"Name is too long (maximum is {MAX_NAME} characters)")
    if "\0" in name:
        problems.append("Name is invalid")
    return problems
