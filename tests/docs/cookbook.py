"""docs/queries.md: its questions, the query that answers each, and the answer that the agency of agency.sql gives."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

AGENCY = Path(__file__).parent / "agency.sql"
PAGE = Path(__file__).parents[2] / "docs" / "queries.md"
_RECIPE = re.compile(r"^## (.+)\n(?:.*\n)*?```sql\n((?:.*\n)*?)```\n\n((?:\|.*\n)+)", re.MULTILINE)

FROZEN = """
CREATE SCHEMA frozen;
CREATE FUNCTION frozen.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$SELECT timestamptz '2025-07-01T12:00:00Z'$$;
"""
"""`now()` of a page that stays true: whoever looks into this schema first gets the same answer every day."""

SESSION = "SET search_path = frozen, pg_catalog; SET timezone = 'UTC'"


class Recipe(NamedTuple):
    """A question, its query, and the answer as it stands there: column names, then rows."""

    question: str
    query: str
    answer: list[list[str]]


def recipes() -> list[Recipe]:
    """All of the page, in its order."""
    found = _RECIPE.findall(PAGE.read_text("utf-8"))
    return [Recipe(question, query, _cells(table)) for question, query, table in found]


def headings() -> list[str]:
    """Every heading of the second level."""
    return re.findall(r"^## (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)


def shown(rows: list[Any], columns: list[str]) -> list[list[str]]:
    """Rows as the page shows them."""
    return [columns, *([_shown(value) for value in row] for row in rows)]


def _cells(table: str) -> list[list[str]]:
    lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines(keepends=True)]
    return [lines[0], *lines[2:]]


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value.normalize():f}"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        case date() | timedelta():
            return str(value)
    return str(value)
