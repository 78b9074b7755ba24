"""The `syncd` command: finds its subcommands, and turns what they raise into one line and an exit code."""

import gc
import importlib
import os
import sys
from importlib.metadata import version
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from syncd.errors import ConfigError, SyncdError

COMMANDS = {
    "run": "keep all tokens fresh until told to stop",
    "once": "one pull of every token, then exit",
    "check": "is all well? configuration, database, schema, tokens",
    "migrate": "bring the database schema up to date",
    "status": "the state of every token",
    "resync": "compare everything at the next pull",
    "verify": "read the source anew and compare it with the mirror, row by row",
    "deletes": "deletions that the guard holds back: list, approve, reject",
    "quarantine": "records that could not be stored: list, retry",
    "clients": "clients at Toggl: list, get, create, update, delete, archive, restore, projects",
    "emulate": "a Toggl server of our own, for tests and trials",
    "demo": "see it work: PostgreSQL, a Toggl server and the daemon in one, no account needed",
}

EXIT_CODES = {
    0: "all well",
    1: "some token failed, or a check found a problem",
    2: "usage or configuration",
    3: "the database cannot be reached or used",
    130: "ended by Ctrl-C",
}


class _Commands(click.Group):
    """Loads a command when it is called, so that `--help` does not load everything."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        gc.disable()  # what is imported stays: looking for garbage in it takes a sixth of the time
        try:
            command: click.Command = importlib.import_module(f"syncd.cli.{name}").command
        finally:
            gc.freeze()  # and no later collection looks at it again
            gc.set_threshold(5_000, 10, 10)  # a pull makes thousands of objects that live until its end
            gc.enable()
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(path_type=Path), help="The configuration; else $SYNCD_CONFIG, "
              "./config.toml, /etc/syncd/config.toml.")  # fmt: skip
@click.version_option(version("syncd"), prog_name="syncd")
@click.pass_context
def cli(context: click.Context, config: Path | None) -> None:
    """Keep a PostgreSQL copy of the clients and projects of many Toggl accounts."""
    context.obj = config


def main() -> None:
    """The entry point; what it may exit with is in EXIT_CODES."""
    try:
        code = cli.main(prog_name="syncd", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.UsageError as error:
        place = error.ctx.command_path if error.ctx else "syncd"
        click.echo(f"syncd: {error.format_message().rstrip('.')}; see `{place} --help`", err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"syncd: {problem}", err=True)
        code = error.exit_code
    except SyncdError as error:
        click.echo(f"syncd: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:  # the reader of our output has gone; nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
