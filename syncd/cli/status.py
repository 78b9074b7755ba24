"""syncd status"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import click
from rich.live import Live

from syncd.cli.setup import ask
from syncd.cli.tables import result_console, status_table, to_json
from syncd.config import Settings
from syncd.service.inspection import open_registry, read_status
from syncd.telemetry.logs import Log

EVERY_S = 2.0

Show = Callable[[list[dict[str, Any]]], None]


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help='{"tokens": [...]} with the columns of toggl.sync_status.')
@click.option("--watch", is_flag=True, help="Again every two seconds, until Ctrl-C; with --json a line each time.")
@click.pass_context
def command(context: click.Context, as_json: bool, watch: bool) -> None:
    """The state of every token, as the database has it."""
    console = result_console()
    show: Show = _as_json if as_json else lambda rows: console.print(status_table(rows))
    if not watch:
        show(ask(context, read_status))
        return
    try:
        if as_json or not console.is_terminal:
            ask(context, partial(_watch, show))
            return
        with Live(console=console, auto_refresh=False) as live:
            ask(context, partial(_watch, lambda rows: live.update(status_table(rows), refresh=True)))
    except KeyboardInterrupt:  # how a watch ends
        return


def _as_json(rows: list[dict[str, Any]]) -> None:
    click.echo(to_json({"tokens": rows}))


async def _watch(show: Show, settings: Settings, log: Log) -> None:
    async with open_registry(settings, log) as registry:
        while True:
            show(await registry.status())
            await asyncio.sleep(EVERY_S)
