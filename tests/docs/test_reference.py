"""The reference is what the code says."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from syncd.cli.main import cli
from syncd.cli.reference import FILES
from syncd.config import ENVIRONMENT, TABLES
from syncd.errors import SyncdError, TokenRejected

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", FILES)
def test_page_is_up_to_date(name: str) -> None:
    """Else: make docs."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == FILES[name](ROOT)


def test_every_command_has_a_section() -> None:
    """Those of groups, too."""
    page = FILES["cli.md"](ROOT)
    with click.Context(cli) as context:
        for name in cli.list_commands(context):
            command = cli.get_command(context, name)
            assert f"\n## `syncd {name}`\n" in page
            for each in command.list_commands(context) if isinstance(command, click.Group) else ():
                assert f"\n## `syncd {name} {each}`\n" in page


def test_every_setting_has_a_row_with_its_meaning() -> None:
    """By its key, and by the variable that sets it."""
    rows = [line.split(" | ") for line in FILES["configuration.md"](ROOT).splitlines() if line.startswith("| `")]
    keys = [key for path, keys in TABLES.items() for key in keys if (*path, key) not in TABLES]
    assert sorted(keys) == sorted(row[0].strip("| `") for row in rows)
    assert all(row[-1].removesuffix(" |").strip() for row in rows)
    variables = {cell.strip("`") for row in rows for cell in row if cell.startswith("`SYNCD_")}
    assert set(ENVIRONMENT) - {"SYNCD_TOKENS"} == variables


def test_every_error_says_what_a_command_exits_with() -> None:
    """So that a script knows what to do next."""
    page = FILES["exit-codes.md"](ROOT)
    errors = list(descendants(SyncdError))
    assert TokenRejected in errors
    assert [error for error in errors if f"| {error.exit_code} | `{error.__name__}` |" not in page] == []


def descendants(error: type[SyncdError]) -> Iterator[type[SyncdError]]:
    """All that are caught with it, but for itself."""
    for child in error.__subclasses__():
        yield child
        yield from descendants(child)
