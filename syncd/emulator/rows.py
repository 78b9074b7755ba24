"""What the emulated world is made of: rows, users, what a good name is, and the two ways a call can fail."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

MAX_NAME = 255
"""Longest name, in characters. A limit exists at the source; this value is assumed."""


class Refused(Exception):
    """A write broke a rule, and nothing was changed. `messages` says which rules, one sentence each."""

    def __init__(self, messages: Iterable[str]) -> None:
        self.messages = tuple(messages)
        super().__init__("; ".join(self.messages))


class Missing(LookupError):
    """No row of that kind (workspace, client, project, user) has that id or name."""

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


class Client(msgspec.Struct, frozen=True, gc=False):
    """A client. `hrate` is money per hour in `cur`; both None outside premium workspaces. `at` is UTC."""

    id: int
    workspace_id: int
    name: str
    at: datetime
    notes: str | None = None
    hrate: float | None = None
    cur: str | None = None


class Project(msgspec.Struct, frozen=True, gc=False):
    """A project, of a client or of none. Fields that are None are left out of answers (v8)."""

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
    estimated_hours: int | None = None
    color: str | None = None
    rate: float | None = None
    created_at: datetime | None = None


class User(msgspec.Struct, eq=False):
    """Somebody with a token. `access`: workspace id -> is admin there. `revision` moves with each change."""

    name: str
    token: str
    access: dict[int, bool]
    revision: int = 0
    is_revoked: bool = False


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
