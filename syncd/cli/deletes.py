"""syncd deletes"""

from functools import partial
from typing import Literal

import click

from syncd.cli.setup import ask
from syncd.cli.tables import held_table, result_console, to_json
from syncd.service.inspection import decide_deletes, read_held_deletes


@click.group("deletes")
def command() -> None:
    """Deletions that the guard holds back until a person decides."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="A list of objects, with the ids.")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """What waits, and the hash that stands for each set."""
    rows = ask(context, read_held_deletes)
    if as_json:
        click.echo(to_json(rows))
    elif rows:
        result_console().print(held_table(rows))
    else:
        click.echo("nothing is held back")


@command.command("approve")
@click.argument("hashes", metavar="HASH…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that `list` shows now.")
@click.pass_context
def approve(context: click.Context, hashes: tuple[str, ...], everything: bool) -> None:
    """Let these rows go, at the next pull. Holds for exactly the rows that `list` shows, and for a day."""
    _decide(context, hashes, everything=everything, decision="approve")


@command.command("reject")
@click.argument("hashes", metavar="HASH…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that `list` shows now.")
@click.pass_context
def reject(context: click.Context, hashes: tuple[str, ...], everything: bool) -> None:
    """Keep these rows live, and do not ask again about exactly this set."""
    _decide(context, hashes, everything=everything, decision="reject")


def _decide(
    context: click.Context, hashes: tuple[str, ...], *, everything: bool, decision: Literal["approve", "reject"]
) -> None:
    if bool(hashes) == everything:
        raise click.UsageError("give either the hashes that `syncd deletes list` shows, or --all", context)
    chosen = None if everything else list(hashes)
    rows = ask(context, partial(decide_deletes, hashes=chosen, decision=decision))
    done = "approved" if decision == "approve" else "rejected"
    for row in rows:
        click.echo(f"{done} {row['hash']}: {row['resource']}s of workspace {row['workspace_id']}, token {row['token']}")
    if not rows:
        click.echo("nothing is held back")
