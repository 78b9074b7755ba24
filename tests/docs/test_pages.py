"""What the documents show can be followed, typed and asked."""

import re
import tomllib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from syncd.config import Written
from tests.docs.measured import with_table
from tests.docs.pages import PAGES, ROOT, anchors, blocks, command_lines, links, parse, read

OF_THEIR_OWN = ("docs/queries.md", "docs/bi/", "deploy/dbt/")
"""Pages whose SQL other tests ask, with rows to answer."""

COMMANDS = [(page, line) for page in PAGES for line in command_lines(page)]
SQL = [(page, sql) for page in PAGES if not page.startswith(OF_THEIR_OWN) for sql in blocks(page, "sql")]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_something(page: str) -> None:
    """To a file or folder of this repository, and to a heading that is there."""
    for path, anchor in links(page):
        assert (ROOT / path).exists(), path
        assert not anchor or anchor in anchors(path), f"{path}#{anchor}"


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    """Else nobody finds it there, and `make docs` refuses."""
    found = re.findall(r"^ +- (?:.*: )?(\S+\.md)$", read("mkdocs.yml"), re.MULTILINE)
    listed = [path.removeprefix("repository/") if path.startswith("repository/") else f"docs/{path}" for path in found]
    assert sorted(listed) == sorted({*listed})
    assert {page for page in PAGES if page.startswith("docs/")} <= set(listed) <= set(PAGES)


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda value: str(value).removeprefix("docs/"))
def test_every_command_line_can_be_typed(page: str, line: str) -> None:
    """The command exists, and its options do."""
    parse(line)


def test_every_make_target_that_is_named_exists() -> None:
    """In sentences and in blocks."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), re.MULTILINE))
    target = re.compile(r"(?:^    |`)make ([a-z][a-z-]*)", re.MULTILINE)
    named = {(page, name) for page in PAGES for name in target.findall(read(page))}
    assert {("README.md", "run"), ("docs/quickstart.md", "run"), ("docs/comparison.md", "compare")} <= named
    assert {(page, name) for page, name in named if name not in targets} == set()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")])
def test_every_configuration_shown_is_one(page: str) -> None:
    """Known tables and keys, and values of their kinds; the secrets are somebody else's."""
    for block in blocks(page, "toml"):
        Written.model_validate(tomllib.loads(block))


def test_there_are_links_commands_and_sql_to_try() -> None:
    """Else the patterns that find them have rotted."""
    assert {("docs/quickstart.md", ""), ("docs/images/demo.svg", "")} <= set(links("README.md"))
    assert ("docs/deploy.md", "pip-and-systemd") in set(links("docs/quickstart.md"))
    assert {"syncd once", "syncd clients create --name \"Very Big Company\" --notes \"Contact: John\""} <= {
        line for _, line in COMMANDS
    }  # fmt: skip
    assert {"README.md", "docs/schema.md", "docs/runbook.md"} <= {page for page, _ in SQL}


@pytest.fixture
async def connection(migrated_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(migrated_url)
    yield connection
    await connection.close()


async def test_every_query_can_be_asked(connection: Any) -> None:
    """Of a schema that is up to date; as the reader, who may read and nothing else."""
    await connection.execute("SET default_transaction_read_only = on")
    for page, sql in SQL:
        try:
            await connection.fetch(sql)
        except asyncpg.PostgresError as error:
            pytest.fail(f"{page}: {error}\n{sql}")


def test_a_campaign_replaces_its_own_table() -> None:
    """And not that of another one; a page that has none is not written."""
    page = (
        "Text.\n\n<!-- table: make a -->\n{}<!-- end of table -->\n\n<!-- table: make b -->\nB\n<!-- end of table -->\n"
    )
    assert with_table(page.format("| old |\n|---|\n"), "a", ["| new |", "|---|"]) == page.format("| new |\n|---|\n")
    with pytest.raises(ValueError, match=r"<!-- table: make c -->"):
        with_table(page, "c", [])


def test_the_comparison_in_short_is_the_one_at_length() -> None:
    """The README quotes the table that `make compare` writes: syncd, the CDK, tap-toggl."""
    rows = {cells[0]: cells[1:] for line in read("docs/comparison.md").splitlines()
            if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 5}  # fmt: skip
    tap, overwrite, dedup, ours = range(4)

    def told(row: str, columns: tuple[int, ...] = (ours, overwrite, tap)) -> list[str]:
        return [rows[row][column] for column in columns]

    short = [re.sub(r"\*\*", "", line) for line in read("README.md").splitlines()]
    held = " | ".join(told("projects held after the first sync, of 200"))
    assert f"| projects held after the first sync, of 200 | {held} |" in short
    asked, refused = told("requests of all"), told("of these refused with 402")
    pairs = " | ".join(f"{sent}, {back}" for sent, back in zip(asked, refused, strict=True))
    assert f"| requests sent, refused by the quota | {pairs} |" in short
    for record in ("client", "project"):
        fates = told(f"deleted {record}, at the end", (ours, overwrite, dedup, tap))
        assert fates == ["tombstone", "gone", "alive", "alive"]
