"""`syncd run` with a PostgreSQL of its own, and the commands beside it."""

import os
import signal
from pathlib import Path

import pytest

from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres import server
from syncd.postgres.data_dir import DataDir, Owner
from tests.integration.cli.stage import CANARY_TOKEN, Calendar
from tests.processes import Outcome, Syncd, spellings


@pytest.fixture
def embedded(syncd: Syncd, toggl: Emulator, data_dir: Path) -> Syncd:
    """Runs commands on `toggl` and on a PostgreSQL of their own in `data_dir`, with one token named acme."""
    syncd.configure(
        database={"data_dir": str(data_dir)},
        toggl={"base_url": toggl.url, "requests_per_second": 0},
        sync={"interval": "1s"},
        tokens={"acme": CANARY_TOKEN},
    )
    return syncd


def database_processes(data_dir: Path) -> set[int]:
    """Ids of the PostgreSQL processes that work in a data directory."""
    return server.processes_in(DataDir(data_dir).data)


def result(outcome: Outcome) -> str:
    """How the only token of `once --json` fared."""
    assert outcome.exit_code == 0
    (report,) = outcome.answer
    return str(report["result"])


async def test_commands_use_the_server_of_the_daemon(embedded: Syncd, data_dir: Path) -> None:
    """Only a second daemon is refused; when the first one leaves, its server does, too."""
    embedded.configure(sync={"interval": "1h"})  # else the daemon may pull meanwhile, and fence the command out
    async with embedded.running("run") as daemon:
        await daemon.event("syncd.pull.finish")
        running = server.read_postmaster(DataDir(data_dir).data)
        assert running is not None

        second = await embedded("run")
        assert second.exit_code == 3
        (message,) = second.messages
        assert message.startswith(f"syncd: data directory {data_dir} is already in use by process {daemon.pid}: ")
        assert message.endswith("stop it, or give this one another [database] data_dir")

        assert result(await embedded("once", "--json")) == "unchanged"
        (status,) = (await embedded("status", "--json")).answer["tokens"]
        assert (status["token"], status["rows"]) == ("acme", 4)
        assert server.read_postmaster(DataDir(data_dir).data) == running

        assert (await daemon.stop(signal.SIGTERM)).exit_code == 0
    assert database_processes(data_dir) == set()
    words = (data_dir / "postgres.log").read_text()
    assert not [spelling for spelling in spellings(CANARY_TOKEN) if spelling in words]


async def test_killed_daemon_leaves_a_usable_directory(
    embedded: Syncd, world: World, calendar: Calendar, data_dir: Path
) -> None:
    """Nothing that was mirrored is lost, and nobody has to clean up."""
    async with embedded.running("run") as daemon:
        await daemon.event("syncd.pull.finish")
        await daemon.kill()
    calendar.pass_time()
    world.update_client(1239456, name="Grown Up")
    outcome = await embedded("once", "--json")
    assert result(outcome) == "changed"
    pull = outcome.pull()
    assert (pull["syncd.client.updated"], pull["syncd.client.unchanged"], pull["syncd.client.inserted"]) == (1, 1, 0)
    assert database_processes(data_dir) == set()


async def test_token_in_the_environment_is_enough(syncd: Syncd, toggl: Emulator, data_dir: Path) -> None:
    """No file and no database: the quickest way to a mirror. The server is there as long as it is needed."""
    syncd.environ = {
        "TOGGL_API_TOKEN": CANARY_TOKEN,
        "SYNCD_TOGGL__BASE_URL": toggl.url,
        "SYNCD_TOGGL__REQUESTS_PER_SECOND": "0",
        "SYNCD_DATABASE__DATA_DIR": str(data_dir),
    }
    outcome = await syncd("once", "--json")
    assert result(outcome) == "changed"
    assert outcome.answer[0]["token"] == "default"
    assert database_processes(data_dir) == set()


async def test_signal_ends_the_wait_for_a_data_directory(embedded: Syncd, data_dir: Path) -> None:
    """A daemon waits for a command that has the directory; told to stop meanwhile, it does."""
    home = DataDir(data_dir)
    home.prepare()
    owner = Owner.try_become(home, is_daemon=False)
    assert owner is not None
    try:
        async with embedded.running("run") as daemon:
            await daemon.event("syncd.start")
            outcome = await daemon.stop(signal.SIGTERM)
    finally:
        owner.release()
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.names == [
        "syncd.start",
        "syncd.stop.begin",
        "syncd.stop.finish",
    ]


async def test_server_that_dies_is_started_again(
    embedded: Syncd, world: World, calendar: Calendar, data_dir: Path
) -> None:
    """As by a lack of memory: one line, and the mirror goes on; the next stop is a clean one."""
    async with embedded.running("run") as daemon:
        await daemon.event("syncd.pull.finish", {"syncd.pull.result": "changed"})
        running = server.read_postmaster(DataDir(data_dir).data)
        assert running is not None
        os.kill(running.pid, signal.SIGKILL)
        assert (await daemon.event("syncd.db.restarted"))["log.level"] == "warning"
        calendar.pass_time()
        world.update_client(1239456, name="Grown Up")
        pull = await daemon.event("syncd.pull.finish", {"syncd.pull.result": "changed"})
        assert (pull["syncd.client.updated"], pull["syncd.client.inserted"]) == (1, 0)
        assert (await daemon.stop(signal.SIGTERM)).exit_code == 0
    assert database_processes(data_dir) == set()
