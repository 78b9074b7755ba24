"""syncd once"""

import sys

import click
from rich.console import Console

from syncd.cli.setup import for_a_person, open_reporter, run_async, settings_of
from syncd.cli.tables import pulling, pulls_json, pulls_summary, result_console
from syncd.cli.token_options import some_tokens
from syncd.clock import Clock
from syncd.service.once import pull_once, select


@click.command("once")
@some_tokens
@click.option("--full", is_flag=True, help="Compare everything, whether or not the answers changed.")
@click.option("--json", "as_json", is_flag=True, help="A list with one object per token instead of a table.")
@click.pass_context
def command(context: click.Context, names: tuple[str, ...], full: bool, as_json: bool) -> None:
    """Pull every token once; exit 1 if one is not fresh afterwards."""
    settings, clock = for_a_person(settings_of(context), sys.stderr), Clock()
    chosen = select(settings, names)
    with pulling(Console(stderr=True), len(chosen)) as advance:
        # Only now: while the bar is on, it has put something over stderr that makes way for other lines.
        reporter = open_reporter(settings, sys.stderr, clock)
        pulls = pull_once(settings, reporter, clock, chosen, full=full, on_report=advance)
        reports = run_async(reporter, pulls)
    if as_json:
        click.echo(pulls_json(reports))
    else:
        result_console().print(pulls_summary(reports))
    context.exit(0 if all(report.is_fresh for report in reports) else 1)
