"""How API v9 writes clients, projects, tags and workspaces: its fields, and what becomes of each. Pure.

Left out on purpose: fields that depend on who asks (`permissions`, `pinned`, `can_track_time`), that are about the
answer (`total_count`), that move by the calendar or by work done elsewhere (`current_period`, `tasks_count`,
`first_time_entry`), copies (`wid`, `cid`, `client_name`, `actual_hours`, `estimated_hours`) and `shared_hash`, which
opens a report to whoever knows it. Of the rest, what has no column goes to `extra`.
Source: the vendor's v9 specification, and recorded answers where the two differ.
"""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from syncd.records import Client, Extra, Project, Tag, Workspace
from syncd.toggl.collector import Gone
from syncd.toggl.rows import Code, Hours, Id, Instant, RowReader, instant, money

Seconds = Hours
_Day = date


class _WorkspaceRow(msgspec.Struct, gc=False):
    id: Id
    name: str
    admin: bool | None = None
    role: str | None = None
    organization_id: Id | None = None
    server_deleted_at: Instant | None = None


class _ClientRow(msgspec.Struct, gc=False):
    id: Id
    wid: Id
    name: str
    at: Instant
    notes: str | None = None
    archived: bool | None = None
    creator_id: int | None = None
    server_deleted_at: Instant | None = None
    permissions: Any = None
    total_count: Any = None


class _ProjectRow(msgspec.Struct, gc=False):
    id: Id
    name: str
    at: Instant
    workspace_id: Id | None = None
    wid: Id | None = None
    client_id: Id | None = None
    cid: Id | None = None
    active: bool | None = None
    is_private: bool | None = None
    billable: bool | None = None
    template: bool | None = None
    template_id: int | None = None
    color: Code | None = None
    currency: Code | None = None
    rate: Decimal | None = None
    rate_last_updated: str | None = None
    fixed_fee: Decimal | None = None
    estimated_hours: Hours | None = None
    estimated_seconds: Seconds | None = None
    auto_estimates: bool | None = None
    recurring: bool | None = None
    recurring_parameters: Any = None
    status: Code | None = None
    start_date: _Day | None = None
    end_date: _Day | None = None
    created_at: Instant | None = None
    actual_hours: Hours | None = None
    actual_seconds: Seconds | None = None
    server_deleted_at: Instant | None = None
    is_shared: bool | None = None
    shared_at: str | None = None
    shared_hash: Any = None
    current_period: Any = None
    tasks_count: Any = None
    first_time_entry: Any = None
    client_name: Any = None
    permissions: Any = None
    pinned: Any = None
    can_track_time: Any = None
    total_count: Any = None


class _TagRow(msgspec.Struct, gc=False):
    id: Id
    name: str
    at: Instant | None = None
    workspace_id: Id | None = None
    wid: Id | None = None
    creator_id: Id | None = None
    deleted_at: Instant | None = None
    server_deleted_at: Instant | None = None
    permissions: Any = None


_PROJECT_EXTRAS = ("template_id", "rate_last_updated", "recurring_parameters", "is_shared", "shared_at")


def _workspace(row: _WorkspaceRow, _extra: Extra) -> Workspace | Gone:
    if row.server_deleted_at is not None:
        return Gone(row.id, row.id)
    is_admin = row.role == "admin" if row.admin is None else row.admin
    return Workspace(row.id, row.name, is_admin, row.organization_id)


def _client(row: _ClientRow, extra: Extra) -> Client | Gone:
    if row.server_deleted_at is not None:
        return Gone(row.id, row.wid)
    if row.creator_id is not None:
        extra = {**(extra or {}), "creator_id": row.creator_id}
    return Client(row.id, row.wid, row.name, row.notes, None, None, row.archived, instant(row.at, "at"), extra)


def _project(row: _ProjectRow, extra: Extra) -> Project | Gone:
    workspace_id = row.workspace_id or row.wid
    if workspace_id is None:
        raise msgspec.ValidationError("Object missing required field `workspace_id`")
    if row.server_deleted_at is not None:
        return Gone(row.id, workspace_id)
    more = {name: value for name in _PROJECT_EXTRAS if (value := getattr(row, name))}
    return Project(  # in the order of its fields: by their names takes four times as long
        row.id,
        workspace_id,
        row.client_id or row.cid,  # client_id
        row.name,
        row.active,
        row.is_private,
        row.billable,
        row.template,
        row.color,
        row.currency,
        money(row.rate, "rate"),
        money(row.fixed_fee, "fixed_fee"),
        _seconds(row.estimated_seconds, row.estimated_hours),  # estimated_seconds
        row.auto_estimates,
        row.recurring,
        row.status,
        row.start_date,
        row.end_date,
        None if row.created_at is None else instant(row.created_at, "created_at"),
        _seconds(row.actual_seconds, row.actual_hours),  # actual_seconds
        instant(row.at, "at"),
        {**(extra or {}), **more} or None,  # extra
    )


def _tag(row: _TagRow, extra: Extra) -> Tag | Gone:
    workspace_id = row.workspace_id or row.wid
    if workspace_id is None:
        raise msgspec.ValidationError("Object missing required field `workspace_id`")
    if row.deleted_at is not None or row.server_deleted_at is not None:
        return Gone(row.id, workspace_id)
    return Tag(row.id, workspace_id, row.name, row.creator_id, row.at and instant(row.at, "at"), extra)


def _seconds(seconds: int | None, hours: int | None) -> int | None:
    if seconds is None and hours is not None:
        return hours * 3600
    return seconds


workspace_rows: RowReader[_WorkspaceRow, Workspace | Gone] = RowReader("workspace", _WorkspaceRow, _workspace)
client_rows: RowReader[_ClientRow, Client | Gone] = RowReader("client", _ClientRow, _client)
project_rows: RowReader[_ProjectRow, Project | Gone] = RowReader("project", _ProjectRow, _project)
tag_rows: RowReader[_TagRow, Tag | Gone] = RowReader("tag", _TagRow, _tag)
