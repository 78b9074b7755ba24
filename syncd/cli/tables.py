"""How results look on a terminal, and in JSON."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from syncd.service.reporting import explain
from syncd.sync.report import PullReport
from syncd.sync.verify import Drift

UNBROKEN_CHARS = 1000
PULLS_SHOWN = 50
DRIFTS_SHOWN = 200
_COLOURS = {"failed": "red", "partial": "yellow", "changed": "green", "unchanged": "green", "ok": "green"}


@contextmanager
def pulling(console: Console, total: int) -> Iterator[Callable[[PullReport], None]]:
    """A progress bar over `total` pulls, on a terminal only. Yields what to call with each report."""
    if not console.is_terminal:
        yield lambda _report: None
        return
    # Only now: loading it takes as long as a few pulls, and cron has no terminal.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("pulling"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rows]:,} rows"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task, rows = progress.add_task("", total=total, rows=0), 0

        def advance(report: PullReport) -> None:
            nonlocal rows
            rows += report.row_count
            progress.update(task, advance=1, rows=rows)

        yield advance


def result_console(*, soft_wrap: bool = False) -> Console:
    """stdout; where that is no terminal, so wide that nothing has to be broken or cut.

    `soft_wrap`: leave it to the terminal to break long lines, so that they can be copied whole.
    """
    width = None if sys.stdout.isatty() else UNBROKEN_CHARS
    return Console(highlight=False, soft_wrap=soft_wrap, width=width)


def pulls_summary(reports: Sequence[PullReport]) -> Group:
    """Failures first, then the rest as configured: a line per token, PULLS_SHOWN at most, a total, and the reasons."""
    shown = sorted(reports, key=lambda report: report.is_fresh)[:PULLS_SHOWN]
    reasons = [f"{report.token}: {explain(report.error)}" for report in shown if report.error]
    return Group(_pulls_table(shown, reports), *map(Text, reasons))


def _pulls_table(shown: Sequence[PullReport], reports: Sequence[PullReport]) -> Table:
    table = Table(title="Pulls", title_justify="left")
    for heading in ("token", "result"):
        table.add_column(heading)
    for heading in ("rows", "new", "updated", "gone", "aside", "requests", "sec"):
        table.add_column(heading, justify="right")
    for report in shown:
        table.add_row(escape(report.token), _coloured(report.result, _result(report)), *_numbers([report]))
    if len(reports) > 1:
        table.add_section()
        hidden = f" ({len(reports) - len(shown)} not shown)" if len(reports) > len(shown) else ""
        table.add_row(f"{len(reports)} tokens{hidden}", "", *_numbers(reports))
    return table


def pulls_json(reports: Sequence[PullReport]) -> str:
    """A list of objects with the facts of the table."""
    return to_json(
        [
            {
                "token": report.token,
                "result": report.result,
                "reason": report.reason or None,
                "error": explain(report.error) if report.error else None,
                "workspaces": report.workspaces,
                "rows": report.row_count,
                "inserted": report.total("inserted"),
                "updated": report.total("updated"),
                "deleted": report.total("deleted"),
                "quarantined": report.total("quarantined"),
                "requests": report.traffic.requests,
                "seconds": round(report.duration_s, 3),
            }
            for report in reports
        ]
    )


def status_table(rows: Sequence[dict[str, Any]]) -> Table:
    """The columns of toggl.sync_status that fit a terminal."""
    table = Table(title="Tokens", title_justify="left")
    for heading in ("token", "status"):
        table.add_column(heading, overflow="fold")
    for heading in ("fresh as of", "next pull"):
        table.add_column(heading, min_width=len("2024-05-06"))
    table.add_column("what to do", overflow="fold")
    for heading in ("rows", "held", "put aside"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            escape(row["token"]),
            _coloured(row["status"], row["status"]),
            _instant(row["last_success_at"]),
            _instant(row["next_due_at"]),
            escape(row["action_required"] or row["last_error"] or ""),
            f"{row['rows']:,}",
            str(row["deletes_held"]),
            str(row["quarantined"]),
        )
    return table


def _numbers(reports: Sequence[PullReport]) -> list[str]:
    return [
        f"{sum(report.row_count for report in reports):,}",
        f"{sum(report.total('inserted') for report in reports):,}",
        f"{sum(report.total('updated') for report in reports):,}",
        f"{sum(report.total('deleted') for report in reports):,}",
        f"{sum(report.total('quarantined') for report in reports):,}",
        f"{sum(report.traffic.requests for report in reports):,}",
        f"{max(report.duration_s for report in reports):.1f}",
    ]


def _result(report: PullReport) -> str:
    return f"{report.result}: {report.reason.replace('_', ' ')}" if report.reason else report.result


def _coloured(key: str, text: str) -> str:
    return f"[{_COLOURS.get(key, 'yellow')}]{escape(text)}[/]"


def _instant(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"


def held_table(rows: Sequence[dict[str, Any]]) -> Table:
    """What `syncd deletes list` shows: one line per set."""
    table = _table("Deletions that wait for a decision", "hash", "token", "workspace", "resource", "why", "since")
    table.add_column("rows", justify="right")
    table.add_column("of", justify="right")
    for row in rows:
        words = (row["hash"], row["token"], str(row["workspace_id"]), row["resource"], row["reason"])
        table.add_row(*map(escape, words), _instant(row["since"]), f"{len(row['ids']):,}", f"{row['live']:,}")
    return table


def quarantine_table(rows: Sequence[dict[str, Any]]) -> Table:
    """What `syncd quarantine list` shows: one line per record."""
    table = _table("Quarantine", "token", "resource", "record", "why", "detail", "since")
    for row in rows:
        words = (row["token"], row["resource"], row["key"], row["reason"], row["detail"])
        table.add_row(*map(escape, words), _instant(row["first_seen_at"]))
    return table


def drift_table(drifts: Sequence[Drift]) -> Table:
    """What `syncd verify` shows: one line per column that drifted, of DRIFTS_SHOWN rows at most."""
    table = _table("Drift", "resource", "workspace", "id", "what", "column", "mirror", "source")
    for drift in drifts[:DRIFTS_SHOWN]:
        head = (drift.resource, str(drift.workspace_id), str(drift.id), drift.kind)
        for column, (mirror, source) in drift.columns.items():
            table.add_row(*head, column, escape(str(mirror)), escape(str(source)))
        if not drift.columns:
            table.add_row(*head)
    if len(drifts) > DRIFTS_SHOWN:
        table.caption = f"{len(drifts) - DRIFTS_SHOWN} more; --json shows all"
    return table


def to_json(answer: Any) -> str:
    """For scripts: numbers as numbers, instants and dates as ISO 8601."""
    return json.dumps(answer, default=_plain)


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading)
    return table
