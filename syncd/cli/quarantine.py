"""syncd quarantine"""

from functools import partial

import click

from syncd.cli.setup import ask
from syncd.cli.tables import quarantine_table, result_console, to_json
from syncd.cli.token_options import some_tokens
from syncd.service.inspection import pull_soon, read_quarantine


@click.group("quarantine")
def command() -> None:
    """Records that could not be stored, each with its reason."""


@command.command("list")
@some_tokens
@click.option("--json", "as_json", is_flag=True, help="A list of objects, with the records as they came.")
@click.pass_context
def list_(context: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """What is in quarantine now. A record leaves by itself when the source sends it well."""
    rows = ask(context, partial(read_quarantine, names=names))
    if as_json:
        click.echo(to_json(rows))
    elif rows:
        result_console().print(quarantine_table(rows))
    else:
        click.echo("nothing is in quarantine")


@command.command("retry")
@some_tokens
@click.pass_context
def retry(context: click.Context, names: tuple[str, ...]) -> None:
    """Pull the tokens concerned anew: due now, comparing everything. A running daemon picks it up."""
    for name in ask(context, partial(pull_soon, names=names, quarantined=True)):
        click.echo(f"{name}: the next pull compares everything")
