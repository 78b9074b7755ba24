"""syncd status"""

import json

import click

from syncd.cli.setup import ask
from syncd.cli.tables import plain, result_console, status_table
from syncd.service.inspection import read_status


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help='{"tokens": [...]} with the columns of toggl.sync_status.')
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """The state of every token, as the database has it."""
    rows = ask(context, read_status)
    if as_json:
        click.echo(json.dumps({"tokens": rows}, default=plain))
    else:
        result_console().print(status_table(rows))
