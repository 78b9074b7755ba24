"""syncd verify"""

import sys

import click
import msgspec

from syncd.cli.setup import for_a_person, open_reporter, run_async, settings_of
from syncd.cli.tables import drift_table, result_console, to_json
from syncd.cli.token_options import some_tokens
from syncd.clock import Clock
from syncd.service.once import select
from syncd.service.verifying import verify


@click.command("verify")
@some_tokens
@click.option("--repair", is_flag=True, help="Pull everything anew where rows drifted; deletions keep their rules.")
@click.option("--json", "as_json", is_flag=True, help="One object with all that drifted.")
@click.pass_context
def command(context: click.Context, names: tuple[str, ...], repair: bool, as_json: bool) -> None:
    """Read the source anew and compare it with the mirror; writes nothing but with --repair. Exit 1 on drift."""
    settings, clock = for_a_person(settings_of(context), sys.stderr), Clock()
    chosen = select(settings, names)
    reporter = open_reporter(settings, sys.stderr, clock)

    def tell(requests: int) -> None:
        if not as_json:
            click.echo(f"reading the source takes about {requests} requests")

    result = run_async(reporter, verify(settings, reporter, clock, chosen, repair=repair, on_price=tell))
    if as_json:
        found = {name: getattr(result, name) for name in ("requests", "rows", "repaired", "failures")}
        click.echo(to_json({**found, "drift": msgspec.to_builtins(result.drifts)}))
    else:
        for name, why in result.failures.items():
            click.echo(f"{name}: not compared: {why}")
        if result.drifts:
            result_console().print(drift_table(result.drifts))
        repaired = f", {result.repaired} repaired" if repair else ""
        click.echo(f"{result.rows} rows compared, {len(result.drifts)} differ{repaired}")
    context.exit(0 if result.is_clean else 1)
