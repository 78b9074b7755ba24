"""`syncd migrate` of a newer release, while a report is open that holds what it changes."""

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from syncd.postgres.sql import migrations
from tests.integration.cli.stage import Mirror
from tests.processes import OURS, Process, Syncd, eventually

NUMBER = len(migrations()) + 1
REPORT = "SELECT * FROM toggl.projects_enriched"
WAITERS = """SELECT pid FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'
             AND relation = 'toggl.projects'::regclass"""


@pytest.fixture
async def migrator(configured: Syncd, tmp_path: Path) -> Syncd:
    """A release whose one additional migration changes a table; the database is at the one before."""
    assert (await configured("migrate")).exit_code == 0
    for part in ("syncd", "sql"):
        shutil.copytree(OURS / part, tmp_path / "next" / part)
    (tmp_path / "next" / "sql" / "migrations" / f"{NUMBER:04}_next.sql").write_text(
        "ALTER TABLE toggl.projects ADD COLUMN next text;"
    )
    configured.environ["PYTHONPATH"] = str(tmp_path / "next")
    return configured


async def read_behind(reader: Any, watch: Any) -> None:
    """Ask for a report that has to wait behind the migration, and see it answered."""
    while True:
        await eventually(lambda: watch.fetchval(f"SELECT EXISTS ({WAITERS})"))
        report = asyncio.create_task(reader.fetch(REPORT))
        is_behind = False
        while not (is_behind or report.done()):
            is_behind = await watch.fetchval(
                f"SELECT pg_blocking_pids($1) && ARRAY({WAITERS})", reader.get_server_pid()
            )
        await report
        if is_behind:
            return


async def wait_for_reports(database_url: str, process: Process, open_report: Any) -> None:
    """Two tries of the migration, and behind each a report that is answered though the first one stays open."""
    reader, watch = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    try:
        async with open_report.transaction():
            await open_report.fetch(REPORT)
            await read_behind(reader, watch)
            await process.event("syncd.migration.lock_timeout")
            await read_behind(reader, watch)
    finally:
        await asyncio.gather(reader.close(), watch.close())


async def test_reports_go_on_while_a_migration_waits_for_one(
    migrator: Syncd, mirror: Mirror, database_url: str
) -> None:
    """It gives up its place in the queue, tells for whom it waits, tries again, and ends when that one does."""
    bi = await asyncpg.connect(database_url, server_settings={"application_name": "bi"})
    async with migrator.running("migrate") as process:
        await wait_for_reports(database_url, process, bi)
        outcome = await process.ended()
    assert (outcome.exit_code, outcome.stdout) == (0, f"applied {NUMBER:04}_next\n")
    blockers = outcome.event("syncd.migration.lock_timeout")["syncd.blockers"]  # a quick report may be among them
    who = rf"process {bi.get_server_pid()} of role \w+(, for \d+ s)?, bi"
    assert len([blocker for blocker in blockers if re.fullmatch(who, blocker)]) == 1, blockers
    assert await mirror.rows("SELECT next FROM toggl.projects") == []
    await bi.close()
