"""syncd migrate"""

import sys

import click

from syncd.cli.setup import open_reporter, run_async, settings_of
from syncd.clock import Clock
from syncd.service.inspection import bring_up_to_date


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
@click.pass_context
def command(context: click.Context, dry_run: bool) -> None:
    """Bring the schema up to date; `run` and `once` do it too unless [database] migrate is false."""
    settings = settings_of(context, require_tokens=False)
    reporter = open_reporter(settings, sys.stderr, Clock())
    names = run_async(reporter, bring_up_to_date(settings, reporter.log, dry_run=dry_run))
    verb = "would apply" if dry_run else "applied"
    for name in names:
        click.echo(f"{verb} {name}")
    if not names:
        click.echo("the schema is up to date")
