"""`syncd run`, the daemon, on a database that others run: what it logs, what it serves, how it leaves."""

import signal

import aiohttp
import pytest

from syncd.emulator import mishaps
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from tests.integration.cli.stage import Calendar, Mirror, until_asked
from tests.processes import Syncd, eventually
from tests.servers import unused_port

STARTUP = 1239456


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_changes_arrive_until_a_signal_comes(
    configured: Syncd, world: World, calendar: Calendar, mirror: Mirror, number: signal.Signals
) -> None:
    """The life of a daemon in its log, on stdout alone; at the end no connection is left behind."""
    async with configured.running("run") as daemon:
        start = await daemon.event("syncd.start")
        assert (start["syncd.config.source"], start["syncd.token_count"]) == ("config.toml", 1)
        await daemon.event("syncd.ready")
        beat = await daemon.event("syncd.heartbeat")
        assert beat["syncd.rss_bytes"] > 0
        first = await daemon.event("syncd.pull.finish")
        assert (first["syncd.pull.result"], first["syncd.client.inserted"]) == ("changed", 2)
        assert (await daemon.event("syncd.pull.finish"))["syncd.pull.result"] == "unchanged"

        calendar.pass_time()
        world.update_client(STARTUP, name="Grown Up")
        second = await daemon.event("syncd.pull.finish", {"syncd.pull.result": "changed"})
        assert (second["syncd.client.updated"], second["syncd.client.unchanged"]) == (1, 1)
        assert await mirror.rows(f"SELECT name FROM toggl.clients WHERE id = {STARTUP}") == [("Grown Up",)]
        outcome = await daemon.stop(number)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    begin, finish = outcome.events[-2:]
    assert (begin["event.action"], begin["syncd.signal"]) == ("syncd.stop.begin", number.name)
    assert (finish["event.action"], finish["syncd.exit_code"]) == ("syncd.stop.finish", 0)
    assert len(outcome.events) == len(outcome.stdout.splitlines())

    async def is_alone() -> bool:
        return not await mirror.rows("SELECT pid FROM pg_stat_activity WHERE usename = 'canary'")

    await eventually(is_alone)


async def test_second_daemon_takes_over_when_the_first_is_killed(
    configured: Syncd, world: World, calendar: Calendar, mirror: Mirror
) -> None:
    """Until then it stands by: it is ready, but it does not pull."""
    async with configured.running("run") as first:
        await first.event("syncd.leader.acquired")
        await first.event("syncd.pull.finish")
        async with configured.running("run") as second:
            await second.event("syncd.ready")
            for _ in range(2):
                await first.event("syncd.pull.finish")
            assert [event["event.action"] for event in second.events] == [
                "syncd.start",
                "syncd.ready",
                "syncd.heartbeat",
            ]
            assert (await first.kill()).exit_code == -signal.SIGKILL

            calendar.pass_time()
            world.update_client(STARTUP, name="Grown Up")
            await second.event("syncd.leader.acquired")
            await second.event("syncd.pull.finish", {"syncd.pull.result": "changed"})
            assert await mirror.rows(f"SELECT name FROM toggl.clients WHERE id = {STARTUP}") == [("Grown Up",)]
            assert (await second.stop(signal.SIGTERM)).exit_code == 0


async def test_database_that_is_away_is_waited_for(configured: Syncd) -> None:
    """The daemon says so once and keeps trying; a signal still ends it well. The pages answer."""
    port = unused_port()
    configured.configure(service={"listen": f"127.0.0.1:{port}"})
    configured.configure(database={"url": f"postgresql://canary@127.0.0.1:{unused_port()}/bi"})
    async with configured.running("run") as daemon, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        away = await daemon.event("syncd.db.unavailable")
        assert away["error.type"] == "DatabaseUnavailable"
        for page, status in (("/livez", 200), ("/readyz", 503), ("/", 200), ("/status", 200), ("/metrics", 200)):
            async with http.get(page) as answer:
                assert (page, answer.status) == (page, status)
        outcome = await daemon.stop(signal.SIGTERM)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.names == [
        "syncd.start",
        "syncd.db.unavailable",
        "syncd.stop.begin",
        "syncd.stop.finish",
    ]


async def test_rejected_token_does_not_end_the_daemon(configured: Syncd, world: World, mirror: Mirror) -> None:
    """It is told of, once per try, and the process stays."""
    world.revoke("t0")
    async with configured.running("run") as daemon:
        rejected = await daemon.event("syncd.token.rejected")
        assert (rejected["syncd.token.id"], rejected["http.response.status_code"]) == ("acme", 403)
        finish = await daemon.event("syncd.pull.finish", {"syncd.pull.reason": "token_rejected"})
        assert finish["syncd.pull.id"] == rejected["syncd.pull.id"]
        assert await mirror.rows("SELECT status FROM toggl.sync_status") == [("rejected",)]
        assert (await daemon.stop(signal.SIGTERM)).exit_code == 0


async def test_pull_at_work_is_rolled_back_by_a_stop(configured: Syncd, toggl: Emulator, mirror: Mirror) -> None:
    """A source that hangs holds up the exit for some seconds, not for ever; the token is due again at once."""
    toggl.faults.add(mishaps.hang(), times=None)
    async with configured.running("run") as daemon:
        await daemon.event("syncd.leader.acquired")
        await until_asked(toggl)
        outcome = await daemon.stop(signal.SIGTERM)
    assert outcome.exit_code == 0
    assert outcome.event("syncd.stop.begin")["syncd.in_flight"] == 1
    assert outcome.event("syncd.stop.finish")["syncd.in_flight"] == 1
    assert await mirror.rows("SELECT next_due_at <= now(), status FROM syncd.tokens") == [(True, "late")]


async def test_second_signal_ends_at_once(configured: Syncd, toggl: Emulator) -> None:
    """Whoever presses Ctrl-C again does not want to wait for the hanging source."""
    toggl.faults.add(mishaps.hang(), times=None)
    async with configured.running("run") as daemon:
        await daemon.event("syncd.leader.acquired")
        await until_asked(toggl)
        daemon.send(signal.SIGINT)
        await daemon.event("syncd.stop.begin")
        assert (await daemon.stop(signal.SIGINT)).exit_code == -signal.SIGINT


async def test_pages_for_monitoring(configured: Syncd) -> None:
    """Alive, ready, numbers, and a page; whoever leads says so."""
    port = unused_port()
    configured.configure(service={"listen": f"127.0.0.1:{port}"})
    async with configured.running("run") as daemon, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        for _ in range(2):  # a second apart
            await daemon.event("syncd.pull.finish")
        for page in ("/livez", "/readyz"):
            async with http.get(page) as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
        async with http.get("/metrics") as answer:
            metrics = await answer.text()
        assert 'syncd_pulls_total{result="changed"} 1.0' in metrics
        assert 'syncd_rows_written_total{kind="inserted",resource="client"} 2.0' in metrics
        assert 'syncd_token_rows{token="acme"} ' in metrics
        assert "syncd_leader 1.0" in metrics
        assert "syncd_event_loop_lag_seconds_count 0.0" not in metrics
        async with http.get("/status") as answer:
            status = await answer.json()
        assert (status["daemon"]["role"], status["tokens"][0]["token"]) == ("leader", "acme")
        async with http.get("/") as answer:
            assert "The token is fresh" in await answer.text()
        assert (await daemon.stop(signal.SIGTERM)).exit_code == 0


async def test_port_of_the_pages_is_taken(configured: Syncd, toggl: Emulator) -> None:
    """One line, and exit 2: a daemon that cannot be watched does not start."""
    address = toggl.url.removeprefix("http://")
    configured.configure(service={"listen": address})
    outcome = await configured("run")
    assert outcome.exit_code == 2
    assert outcome.messages == [
        f"syncd: [service] listen = {address}: address already in use; free the port or choose another one"
    ]
