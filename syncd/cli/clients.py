"""syncd clients"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, TypeVar

import click
from msgspec import UNSET

from syncd.cli.client_tables import clients_table, columns, projects_table
from syncd.cli.setup import for_a_person, open_reporter, run_async, settings_of
from syncd.cli.tables import result_console, to_json
from syncd.cli.token_options import one_token
from syncd.clock import Clock
from syncd.errors import TogglError
from syncd.records import Client, Project
from syncd.service.clients import Clients, open_clients
from syncd.service.reporting import explain
from syncd.toggl.writes import Active, ClientFields, printable

T = TypeVar("T")

_ID = click.IntRange(1, 2**63 - 1)


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who asks, and how the answer should look."""

    context: click.Context
    token: str | None
    workspace_id: int | None
    as_json: bool

    def work(self, errand: Callable[[Clients, int | None], Awaitable[T]]) -> T:
        """Do something as a token, in a workspace; then say on stderr what a person should know about the mirror."""
        settings, clock = for_a_person(settings_of(self.context), sys.stderr), Clock()
        reporter = open_reporter(settings, sys.stderr, clock)

        async def work() -> tuple[T, Sequence[str]]:
            async with open_clients(settings, reporter, clock, self.token) as clients:
                return await errand(clients, self.workspace_id), clients.notes

        try:
            result, notes = run_async(reporter, work())
        except TogglError as error:
            error.args = (reporter.log.redactor.text(explain(error)),)  # it may hold the server's own words
            raise
        for note in notes:
            click.echo(f"syncd: {reporter.log.redactor.text(note)}", err=True)
        return result

    def show(self, row: Client, done: str, also: str = "", **more: Any) -> None:
        """What a client is now. `also`: what else is worth a word; `more`: the same for scripts."""
        if self.as_json:
            click.echo(to_json({**columns(row), **more}))
        else:
            click.echo(f"{done} {_shown(row)}{also}")

    def show_rows(self, rows: Sequence[Client] | Sequence[Project], table: Any) -> None:
        if self.as_json:
            click.echo(to_json([columns(row) for row in rows]))
        else:
            result_console().print(table(rows))


def _subcommand(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """A subcommand that is called with an `_Asker` before its own parameters."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def call(token: str | None, workspace_id: int | None, as_json_: bool, **own: Any) -> None:
            function(_Asker(click.get_current_context(), token, workspace_id, as_json_), **own)

        whole: Callable[..., Any] = call
        for option in (
            click.option("--json", "as_json_", is_flag=True, help="JSON with the mirror's column names."),
            click.option("--workspace", "workspace_id", type=_ID, metavar="ID",
                         help="Where; may be left out where the token sees one workspace."),
            one_token,
        ):  # fmt: skip
            whole = option(whole)
        return command.command(name)(whole)

    return decorate


def _amount(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        raise click.BadParameter(f"{text!r} is not an amount") from None


def _fields(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say what to write, as one parameter."""

    @wraps(function)
    def call(*arguments: Any, name: Any, notes: Any, hourly_rate: Any, currency: Any, **own: Any) -> None:
        given = (UNSET if value is None else value for value in (name, notes, hourly_rate, currency))
        function(*arguments, fields=ClientFields(*given), **own)

    whole: Callable[..., None] = call
    for option in (
        click.option("--currency", metavar="CODE", help="Of the hourly rate, such as EUR; API v8, paid plans."),
        click.option("--hourly-rate", metavar="AMOUNT", callback=_amount, help="Per hour; API v8, paid plans."),
        click.option("--notes", metavar="TEXT", help='Notes; "" for none.'),
        click.option("--name", metavar="NAME", help="Its name, which no other client of the workspace has."),
    ):
        whole = option(whole)
    return whole


_which = click.argument("client_id", type=_ID)


@click.group("clients")
def command() -> None:
    """Clients at Toggl itself. What is written shows in the mirror at once."""


@_subcommand("list")
@click.option("--name", metavar="TEXT", help="Only clients with this in their name.")
def list_(asker: _Asker, name: str | None) -> None:
    """Clients, archived ones too, of one workspace or of all that the token sees."""
    asker.show_rows(asker.work(lambda clients, where: clients.find(where, name)), clients_table)


@_subcommand("get")
@_which
def get(asker: _Asker, client_id: int) -> None:
    """One client."""
    row = asker.work(lambda clients, where: clients.get(where, client_id))
    if asker.as_json:
        asker.show(row, "")
    else:
        asker.show_rows([row], clients_table)


@_subcommand("projects")
@_which
@click.option("--active", type=click.Choice(["true", "false", "both"]), default="true", show_default=True,
              help="Projects that are not archived, that are, or both.")  # fmt: skip
def projects(asker: _Asker, client_id: int, active: Active) -> None:
    """The projects of a client."""
    asker.show_rows(asker.work(lambda clients, where: clients.projects(where, client_id, active)), projects_table)


@_subcommand("create")
@_fields
def create(asker: _Asker, fields: ClientFields) -> None:
    """A new client."""
    asker.show(asker.work(lambda clients, where: clients.create(where, fields)), "created")


@_subcommand("update")
@_which
@_fields
def update(asker: _Asker, client_id: int, fields: ClientFields) -> None:
    """Change what is given of a client, and leave the rest. Its workspace cannot be changed."""
    asker.show(asker.work(lambda clients, where: clients.update(where, client_id, fields)), "updated")


@_subcommand("delete")
@_which
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
def delete(asker: _Asker, client_id: int, yes: bool) -> None:
    """Delete a client. Its projects stay, without client."""
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; give --yes", asker.context)
    if not yes:
        row = asker.work(lambda clients, where: clients.get(where, client_id))
        if not click.confirm(f"Delete {_shown(row)}?", err=True):
            click.echo("syncd: nothing was deleted", err=True)
            asker.context.exit(1)
    asker.show(asker.work(lambda clients, where: clients.delete(where, client_id)), "deleted")


@_subcommand("archive")
@_which
def archive(asker: _Asker, client_id: int) -> None:
    """Archive a client and its projects. API v9, paid plans."""
    row, ids = asker.work(lambda clients, where: clients.archive(where, client_id))
    asker.show(row, "archived", f", and {len(ids)} project(s)", archived_projects=list(ids))


@_subcommand("restore")
@_which
@click.option("--all-projects", is_flag=True, help="With all its projects.")
@click.option("--project", "project_ids", type=_ID, multiple=True, metavar="ID", help="With this project; repeatable.")
def restore(asker: _Asker, client_id: int, all_projects: bool, project_ids: tuple[int, ...]) -> None:
    """Bring an archived client back, without its projects unless told. API v9."""
    if all_projects and project_ids:
        raise click.UsageError("give either --all-projects or --project", asker.context)
    chosen = None if all_projects else list(project_ids)
    asker.show(asker.work(lambda clients, where: clients.restore(where, client_id, chosen)), "restored")


def _shown(row: Client) -> str:
    return f"client {row.id}, {printable(row.name)!r}, of workspace {row.workspace_id}"
