"""What the documentation says about a backup, done."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from syncd.postgres import binaries
from syncd.postgres.migrate import create_roles, migrate, pending
from syncd.postgres.sql import migrations
from tests.integration.sync.test_upgrade import ROWS
from tests.postgres_fixture import name_of

PAGES = (page.read_text("utf-8") for page in (Path(__file__).parents[2] / "docs").glob("*.md"))
(PAGE,) = (page for page in PAGES if "    pg_restore " in page)
COMMANDS = re.findall(
    r"^    ((?:pg_dump |createdb (?=\w+_)|pg_restore |psql postgres -c 'ALTER ).*(?:\n {6}.*)*)", PAGE, re.MULTILINE
)
ROWS_OF = """
SELECT 'client', id, name, _valid_from FROM toggl.clients UNION ALL
SELECT 'project', id, name, _valid_from FROM toggl.projects ORDER BY 1, 2"""


async def test_a_dump_comes_back_over_a_newer_schema_that_reports_stand_on(database_url: str, tmp_path: Path) -> None:
    """As a rollback needs it: while BI is connected, with the rights of the roles; what was there is kept aside."""
    before = await asyncpg.connect(database_url)
    await migrate(before, known=migrations()[:1])
    await before.execute(ROWS)
    await create_roles(before)
    rows = await before.fetch(ROWS_OF)
    dump, *restore = (command.replace("syncd", name_of(database_url)) for command in COMMANDS)
    run(dump, database_url, tmp_path)
    await migrate(before)
    await before.execute("CREATE SCHEMA reports; CREATE VIEW reports.names AS SELECT name FROM toggl.clients_current")
    for command in restore:
        run(command, database_url, tmp_path)
    after = await asyncpg.connect(database_url)
    try:
        assert len(await pending(after)) == len(migrations()) - 1
        assert (await after.fetch(ROWS_OF), len(rows)) == (rows, 45)
        await migrate(after)
        assert await create_roles(after)
        await after.execute(
            "SET ROLE syncd_writer; UPDATE syncd.feed SET position = position + 1; SET ROLE syncd_reader"
        )
        assert await after.fetchval("SELECT count(*) FROM toggl.clients_current") == 25
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await after.fetch("SELECT * FROM syncd.feed")
    finally:
        await after.close()
        before.terminate()


def run(command: str, database_url: str, directory: Path) -> None:
    """A command of the page, as somebody who may do everything on that server."""
    server = urlsplit(database_url)
    login = {
        "PGHOST": server.hostname,
        "PGPORT": str(server.port),
        "PGUSER": server.username,
        "PGPASSWORD": server.password,
    }
    environ = {
        "PATH": f"{binaries.find(os.environ).bindir}:{os.environ['PATH']}",
        **{k: v for k, v in login.items() if v},
    }
    subprocess.run(command, shell=True, check=True, cwd=directory, env=environ, stdout=subprocess.DEVNULL)
