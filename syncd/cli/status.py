"""syncd status"""

import json
import sys

import click

from syncd.cli.setup import open_reporter, run_async, settings_of
from syncd.cli.tables import plain, result_console, status_table
from syncd.clock import Clock
from syncd.service.inspection import read_status


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help='{"tokens": [...]} with the columns of toggl.sync_status.')
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """The state of every token, as the database has it."""
    settings = settings_of(context, require_tokens=False)
    reporter = open_reporter(settings, sys.stderr, Clock())
    rows = run_async(reporter, read_status(settings, reporter.log))
    if as_json:
        click.echo(json.dumps({"tokens": rows}, default=plain))
    else:
        result_console().print(status_table(rows))
