"""The words of API v9: what rows look like on the wire. Pure; requests are read in `v9_read`.

No envelopes: bare objects and bare arrays. Projects and workspaces carry explicit nulls, clients leave out what is
unset (recordings). Order of fields, too, is that of the recordings. Times have whole seconds and end in +00:00,
but for those of users and tags, which have a fraction and end in Z.
"""

from collections.abc import Iterable
from datetime import date, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from syncd.emulator import palette
from syncd.emulator.rows import Client, Project, Recurrence, Tag, User, Workspace

_encode = msgspec.json.Encoder().encode


class _Client(Struct, kw_only=True):
    id: int
    wid: int
    archived: bool
    name: str
    at: str
    creator_id: int | None
    notes: str | UnsetType = UNSET
    server_deleted_at: str | UnsetType = UNSET


class _Project(Struct, kw_only=True):
    id: int
    workspace_id: int
    client_id: int | None
    name: str
    is_private: bool
    active: bool
    at: str
    created_at: str
    server_deleted_at: str | None
    color: str
    billable: bool
    template: bool | None
    auto_estimates: bool | None
    estimated_hours: int | None
    estimated_seconds: int | None
    rate: float | int | None
    rate_last_updated: str | None
    currency: str | None
    recurring: bool
    template_id: int | None
    recurring_parameters: tuple[Recurrence, ...] | None
    fixed_fee: float | int | None
    actual_hours: int | None
    actual_seconds: int | None
    tasks_count: int | None = None
    can_track_time: bool = True
    start_date: str
    end_date: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    wid: int
    cid: int | None
    is_shared: bool = False
    pinned: bool = False


class _Tag(Struct):
    id: int
    workspace_id: int
    name: str
    at: str
    creator_id: int | UnsetType = UNSET


class _Workspace(Struct, kw_only=True):
    id: int
    organization_id: int
    name: str
    premium: bool
    business_ws: bool = False
    admin: bool
    role: str
    suspended_at: None = None
    server_deleted_at: None = None
    default_hourly_rate: float | int | None
    rate_last_updated: None = None
    default_currency: str
    only_admins_may_create_projects: bool
    only_admins_may_create_tags: bool = False
    only_admins_see_billable_rates: bool
    only_admins_see_team_dashboard: bool = False
    projects_billable_by_default: bool = True
    projects_private_by_default: bool
    projects_enforce_billable: bool = False
    limit_public_project_data: bool = False
    last_modified: str
    reports_collapse: bool = True
    rounding: int
    rounding_minutes: int
    api_token: str
    at: str
    logo_url: str = "https://assets.example.invalid/workspace.jpg"
    ical_url: str
    ical_enabled: bool = True
    csv_upload: None = None
    subscription: None = None
    hide_start_end_times: bool = False
    working_hours_in_minutes: None = None
    active_project_count: int | UnsetType = UNSET


class _User(Struct, kw_only=True):
    id: int
    api_token: str
    email: str
    fullname: str
    timezone: str = "Europe/Tallinn"
    toggl_accounts_id: str
    default_workspace_id: int | None
    beginning_of_week: int = 1
    image_url: str = "https://assets.example.invalid/avatar.png"
    created_at: str
    updated_at: str
    openid_email: None = None
    openid_enabled: bool = False
    country_id: None = None
    has_password: bool = True
    at: str
    intercom_hash: str
    oauth_providers: None = None
    authorization_updated_at: str
    clients: msgspec.Raw | UnsetType = UNSET
    projects: msgspec.Raw | UnsetType = UNSET
    tags: msgspec.Raw | UnsetType = UNSET
    time_entries: msgspec.Raw | UnsetType = UNSET
    workspaces: msgspec.Raw | UnsetType = UNSET


class Quota(Struct):
    """What is left of one bucket; the bucket of the user's own calls has no organization."""

    organization_id: int | None
    remaining: int
    total: int
    resets_in_secs: int


def client(row: Client, *, notes: bool = True, deleted_at: datetime | None = None) -> Struct:
    """A client, its notes only if `notes`."""
    return _Client(
        id=row.id,
        wid=row.workspace_id,
        archived=row.archived,
        name=row.name,
        at=row.at.isoformat(),
        creator_id=row.creator_id,
        notes=row.notes if notes and row.notes else UNSET,
        server_deleted_at=deleted_at.isoformat() if deleted_at else UNSET,
    )


def project(
    row: Project, today: date, *, paid: bool, rates: bool, deleted_at: datetime | None = None, status: bool = True
) -> Struct:
    """A project. `paid`: with the fields of paid plans; `rates`: with its money, too; `status`: with its status,
    which the answer to a create has not (users report)."""
    rates = rates and paid
    seconds, actual = row.estimated_seconds if paid else None, row.actual_seconds
    return _Project(
        id=row.id,
        workspace_id=row.workspace_id,
        client_id=row.client_id,
        name=row.name,
        is_private=row.is_private,
        active=row.active,
        at=row.at.isoformat(),
        created_at=(row.created_at or row.at).isoformat(),
        server_deleted_at=deleted_at.isoformat() if deleted_at else None,
        color=palette.hex_of(row.color),
        billable=row.billable,
        template=row.template if paid else None,
        auto_estimates=row.auto_estimates if paid else None,
        estimated_hours=None if seconds is None else seconds // 3600,
        estimated_seconds=seconds,
        rate=_number(row.rate) if rates else None,
        rate_last_updated=row.rate_last_updated.isoformat() if rates and row.rate_last_updated else None,
        currency=row.currency if paid else None,
        recurring=row.recurring and paid,
        template_id=row.template_id if paid else None,
        recurring_parameters=row.recurring_parameters if paid else None,
        fixed_fee=_number(row.fixed_fee) if rates else None,
        actual_hours=None if actual is None else actual // 3600,
        actual_seconds=actual,
        start_date=row.started_on.isoformat(),
        end_date=row.end_date.isoformat() if row.end_date else UNSET,
        status=UNSET if not status else "deleted" if deleted_at else row.status(today),
        wid=row.workspace_id,
        cid=row.client_id,
    )


def tag(row: Tag) -> Struct:
    """A tag."""
    return _Tag(
        row.id, row.workspace_id, row.name, _instant(row.at), UNSET if row.creator_id is None else row.creator_id
    )


def workspace(row: Workspace, user: User, *, active_projects: int | UnsetType = UNSET) -> Struct:
    """A workspace as one of its members sees it, the secrets of that member included, as the source does."""
    admin, secret = user.access[row.id], _made_up(f"{user.token}:{row.id}", 16)
    return _Workspace(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        premium=row.premium,
        admin=admin,
        role="admin" if admin else "user",
        default_hourly_rate=_number(row.default_hourly_rate),
        default_currency=row.default_currency,
        only_admins_may_create_projects=row.only_admins_may_create_projects,
        only_admins_see_billable_rates=row.only_admins_see_billable_rates,
        projects_private_by_default=row.projects_private_by_default,
        last_modified=_instant(row.at),
        rounding=row.rounding,
        rounding_minutes=row.rounding_minutes,
        api_token=secret,
        at=row.at.isoformat(),
        ical_url=f"/ical/workspace_user/{secret}",
        active_project_count=active_projects,
    )


def me(user: User, related: dict[str, bytes] | None = None) -> Struct:
    """The user, with lists that are rendered already."""
    joined = _instant(user.at)
    answer = _User(
        id=user.id,
        api_token=user.token,
        email=f"{user.name}@example.com",
        fullname=user.name,
        toggl_accounts_id=_made_up(str(user.id), 11),
        default_workspace_id=min(user.access, default=None),
        created_at=joined,
        updated_at=joined,
        at=joined,
        intercom_hash=_made_up(str(user.id), 32),
        authorization_updated_at=joined,
    )
    for name, body in (related or {}).items():
        setattr(answer, name, msgspec.Raw(body))
    return answer


def one(value: Any) -> bytes:
    """An object, a number, or the sentence that is the body of an error."""
    return _encode(value)


def array(values: Iterable[Any], *, empty: bytes = b"[]") -> bytes:
    """A list; `empty` is what a list of nothing looks like."""
    rows = list(values)
    return _encode(rows) if rows else empty


def _number(value: float | None) -> float | None:
    """Whole amounts without a fraction."""
    return int(value) if value is not None and value == int(value) else value


def _instant(at: datetime) -> str:
    """With a fraction if there is one, and Z."""
    text, _, fraction = at.isoformat().removesuffix("+00:00").partition(".")
    fraction = fraction.rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def _made_up(text: str, size: int) -> str:
    """That many bytes in hex, always the same for equal texts."""
    return blake2b(text.encode(), digest_size=size).hexdigest()
