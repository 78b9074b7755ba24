"""syncd demo"""

import sys

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from syncd import config
from syncd.cli.run import measuring_reporter
from syncd.cli.setup import open_log, run_async
from syncd.cli.tables import pulls_summary, result_console
from syncd.clock import Clock
from syncd.service.demo import Outcome, Stage, sample_query, show, show_once
from syncd.service.reporting import Reporter


@click.command("demo")
@click.option("--once", is_flag=True, help="One pull of every account, the answer to a query, then exit.")
@click.pass_context
def command(context: click.Context, once: bool) -> None:
    """PostgreSQL, a Toggl server with living data, and the daemon, in one; needs no account. Ctrl-C stops all three."""
    clock, console = Clock(), result_console(soft_wrap=True)
    if not once:
        measuring = measuring_reporter(config.Log(), sys.stdout, clock)
        run_async(measuring, show(measuring, clock, lambda stage: _announce(console, stage)))
        return
    reporter = Reporter(open_log(config.Log(level="warning"), sys.stderr, clock), clock)
    stages: list[Stage] = []
    outcome = run_async(reporter, show_once(reporter, clock, stages.append))
    console.print(pulls_summary(outcome.reports))
    console.print(_answer(outcome))
    _announce(console, stages[0], running=False)
    context.exit(0 if all(report.is_fresh for report in outcome.reports) else 1)


def _announce(console: Console, stage: Stage, *, running: bool = True) -> None:
    console.print(
        f"\n[bold]Database[/]  {escape(stage.database_url)}" + ("" if running else "  (up while `make run` is)")
    )
    console.print(f"[bold]Toggl API[/] {stage.api_url}  (the emulator; made-up data)")
    if running:
        console.print(f"[bold]Status[/]    {stage.page_url}  (a page for people)")
    console.print('[bold]Try[/]       psql "$DATABASE_URL" and this query:\n')
    console.print(escape(sample_query()) + "\n")


def _answer(outcome: Outcome) -> Table:
    table = Table(*outcome.columns, title="What the mirror says now", title_justify="left")
    for row in outcome.rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    return table
