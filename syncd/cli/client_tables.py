"""How clients and projects look on a terminal."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import structs
from rich.table import Table
from rich.text import Text

from syncd.records import Client, Project
from syncd.toggl.writes import printable

_CLIENT_COLUMNS = ("id", "workspace_id", "name", "notes", "hourly_rate", "currency", "archived", "at")
_PROJECT_COLUMNS = ("id", "workspace_id", "client_id", "name", "active", "is_private", "billable", "at")


def clients_table(rows: Sequence[Client]) -> Table:
    """One line per client, with the mirror's column names."""
    return _table("Clients", _CLIENT_COLUMNS, rows)


def projects_table(rows: Sequence[Project]) -> Table:
    """One line per project, with the mirror's column names."""
    return _table("Projects", _PROJECT_COLUMNS, rows)


def columns(row: Client | Project) -> dict[str, Any]:
    """A row as the mirror has it."""
    return structs.asdict(row)


def _table(title: str, names: Sequence[str], rows: Sequence[Client | Project]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name.endswith("id") else "left")
    for row in rows:
        table.add_row(*(Text(_cell(getattr(row, name))) for name in names))
    return table


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z" if not value.utcoffset() else value.isoformat(" ")
    return printable(str(value))
