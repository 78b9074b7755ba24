"""syncd migrate"""

from functools import partial

import click

from syncd.cli.setup import ask
from syncd.service.inspection import bring_up_to_date


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
@click.pass_context
def command(context: click.Context, dry_run: bool) -> None:
    """Bring the schema up to date; `run` and `once` do it too unless [database] migrate is false."""
    names = ask(context, partial(bring_up_to_date, dry_run=dry_run))
    verb = "would apply" if dry_run else "applied"
    for name in names:
        click.echo(f"{verb} {name}")
    if not names:
        click.echo("the schema is up to date")
