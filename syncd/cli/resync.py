"""syncd resync"""

from functools import partial

import click

from syncd.cli.setup import ask
from syncd.service.inspection import pull_soon


@click.command("resync")
@click.option("--token", "names", multiple=True, metavar="NAME", help="Only this token; may be given several times.")
@click.pass_context
def command(context: click.Context, names: tuple[str, ...]) -> None:
    """Forget digests: the next pull, due now, compares everything. A running daemon picks it up."""
    for name in ask(context, partial(pull_soon, names=names)):
        click.echo(f"{name}: the next pull compares everything")
