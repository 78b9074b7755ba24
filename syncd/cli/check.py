"""syncd check"""

import json
import sys
from dataclasses import asdict

import click
from rich.console import Console
from rich.markup import escape

from syncd.cli.setup import for_a_person, open_reporter, run_async, settings_of
from syncd.clock import Clock
from syncd.service.checking import check_all


@click.command("check")
@click.option("--offline", is_flag=True, help="Ask nothing of Toggl.")
@click.option("--json", "as_json", is_flag=True, help="A list of findings.")
@click.pass_context
def command(context: click.Context, offline: bool, as_json: bool) -> None:
    """Is all well? Exit 0 if so, 1 if a token or the schema is not, 3 if the database is not."""
    settings, clock = for_a_person(settings_of(context), sys.stderr), Clock()
    reporter = open_reporter(settings, sys.stderr, clock)
    findings = run_async(reporter, check_all(settings, reporter, clock, offline=offline))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        console = Console(soft_wrap=True, highlight=False)
        for finding in findings:
            mark = "[red]✗[/]" if finding.exit_code else "[green]✓[/]"
            console.print(f"{mark} [bold]{escape(finding.subject)}[/]: {escape(finding.text)}")
    context.exit(max(finding.exit_code for finding in findings))
