"""`--token NAME`, and the names that the shell offers for it when Tab is pressed."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import click

from syncd.config import find_file
from syncd.config_file import read_toml
from syncd.errors import ConfigError
from syncd.tokens import SecretError, list_token_files


def token_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The names of the configured tokens. No secret is read, and what is wrong is for the command itself to say."""
    names: list[str] = []
    with contextlib.suppress(ConfigError, SecretError, OSError):
        file = find_file(context.find_root().params.get("config"), os.environ)
        tree = read_toml(file, []) if file else {}
        listed, toggl = tree.get("tokens"), tree.get("toggl")
        if isinstance(listed, list):
            names += [str(entry["name"]) for entry in listed if isinstance(entry, Mapping) and "name" in entry]
        directory = toggl.get("token_dir") if isinstance(toggl, Mapping) else None
        directory = os.environ.get("SYNCD_TOGGL__TOKEN_DIR", directory)
        if directory:
            base = file.parent if file else Path()
            names += [entry.name for entry in list_token_files(base / Path(str(directory)).expanduser())]
    return [name for name in names if name.startswith(incomplete)]


one_token = click.option(
    "--token",
    metavar="NAME",
    shell_complete=token_names,
    help="As whom; may be left out where there is one token.",
)

some_tokens = click.option(
    "--token",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=token_names,
    help="Only this token; may be given several times.",
)
