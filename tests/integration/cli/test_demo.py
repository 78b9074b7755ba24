"""`syncd demo`: everything at once on a machine that has nothing."""

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from syncd.postgres import server
from syncd.postgres.data_dir import DataDir
from tests.integration.cli.stage import pull_rows, table_cells
from tests.postgres_fixture import is_root, make_reachable_directory
from tests.processes import Syncd

URL = re.compile(r"^Database +(postgresql://syncd:[\w-]+@127\.0\.0\.1:\d+/syncd)\b", re.MULTILINE)
PULLED = [[name, "changed", "148", "148", "0", "0", "0", "10"] for name in ("acme", "globex", "initech")]
"""Of each account: who it is, its 2 workspaces, and of each clients, 2 pages of projects, what changed meanwhile."""


@pytest.fixture
def newcomer() -> Iterator[Syncd]:
    """Runs commands in an empty home."""
    home = make_reachable_directory()
    launcher = Path(__file__).with_name("demo_at_home.py")
    yield Syncd(home, secrets=(), program=(str(launcher),) if is_root() else ("-m", "syncd"))
    shutil.rmtree(home)


async def test_demo_shows_a_mirror_and_leaves_nothing_behind(newcomer: Syncd) -> None:
    """One pull of three accounts, the answer to a query, the query, the URL; and the same again."""
    data = DataDir(newcomer.home / ".local" / "share" / "syncd" / "demo").data
    for _ in range(2):
        outcome = await newcomer("demo", "--once")
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        pulls, answer = outcome.stdout.split("What the mirror says now")
        assert pull_rows(pulls)[:3] == PULLED
        assert len(table_cells(answer)) == 5
        assert URL.search(answer)
        assert "\nSELECT workspace_name, client_name, count(*) AS projects" in answer
        assert server.processes_in(data) == set()


async def test_demo_lives_until_it_is_stopped(newcomer: Syncd) -> None:
    """The URLs that it prints work while it runs, and changes at the source arrive."""
    async with newcomer.running("demo") as demo:
        url = (await demo.line("Database")).split()[1]
        page_url = (await demo.line("Status")).split()[1]
        await demo.event("syncd.ready")
        for _ in range(3):
            await demo.event("syncd.pull.finish", {"syncd.pull.result": "changed"})
        connection = await asyncpg.connect(url, ssl=False)
        try:
            assert await connection.fetchval("SELECT count(*) FROM toggl.sync_status WHERE status = 'ok'") > 0
        finally:
            await connection.close()
        await demo.event("syncd.pull.finish", {"syncd.pull.result": "changed"})
        async with aiohttp.ClientSession() as http, http.get(page_url) as answer:
            page = await answer.text()
        assert all(f"<bdi>{name}</bdi>" in page for name in ("acme", "globex", "initech"))
        outcome = await demo.stop(signal.SIGINT)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert server.processes_in(DataDir(newcomer.home / ".local" / "share" / "syncd" / "demo").data) == set()
