"""syncd migrate"""

from functools import partial

import click

from syncd.cli.setup import ask
from syncd.postgres import sql
from syncd.service.inspection import bring_up_to_date


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
@click.option("--roles", is_flag=True, help="Also make syncd_owner, syncd_writer and syncd_reader, or print how.")
@click.pass_context
def command(context: click.Context, dry_run: bool, roles: bool) -> None:
    """Bring the schema up to date; `run` and `once` do it too unless [database] migrate is false."""
    names, made = ask(context, partial(bring_up_to_date, dry_run=dry_run, roles=roles))
    verb = "would apply" if dry_run else "applied"
    for name in names:
        click.echo(f"{verb} {name}")
    if not names:
        click.echo("the schema is up to date")
    if made:
        click.echo(
            "the roles syncd_owner, syncd_writer and syncd_reader have their rights; passwords are for you to set"
        )
    elif made is not None:
        click.echo(sql.roles())
    if made is False and not dry_run:
        click.echo("syncd: this user may not make roles; let an administrator run the SQL above", err=True)
        context.exit(1)
