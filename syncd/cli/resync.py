"""syncd resync"""

import sys

import click

from syncd.cli.setup import open_reporter, run_async, settings_of
from syncd.clock import Clock
from syncd.service.inspection import pull_soon


@click.command("resync")
@click.option("--token", "names", multiple=True, metavar="NAME", help="Only this token; may be given several times.")
@click.pass_context
def command(context: click.Context, names: tuple[str, ...]) -> None:
    """Forget digests: the next pull, due now, compares everything. A running daemon picks it up."""
    settings = settings_of(context, require_tokens=False)
    reporter = open_reporter(settings, sys.stderr, Clock())
    for name in run_async(reporter, pull_soon(settings, reporter.log, names)):
        click.echo(f"{name}: the next pull compares everything")
