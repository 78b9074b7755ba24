"""syncd resync"""

from functools import partial

import click

from syncd.cli.setup import ask
from syncd.cli.token_options import some_tokens
from syncd.service.inspection import pull_soon


@click.command("resync")
@some_tokens
@click.pass_context
def command(context: click.Context, names: tuple[str, ...]) -> None:
    """Forget digests: the next pull, due now, compares everything. A running daemon picks it up."""
    for name in ask(context, partial(pull_soon, names=names)):
        click.echo(f"{name}: the next pull compares everything")
