"""`syncd run` under a service manager: what systemd hears of it, on a real socket of its kind."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.clock import Clock
from syncd.service.sd_notify import ServiceManager
from tests.integration.cli.stage import Mirror
from tests.processes import PATIENCE_S, Syncd
from tests.servers import unused_port


class Ear:
    """The manager's end of $NOTIFY_SOCKET."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.setblocking(False)

    async def hears(self) -> list[str]:
        """The lines of the next message."""
        async with asyncio.timeout(PATIENCE_S):
            return (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode().split("\n")

    async def hears_of(self, line: str) -> list[str]:
        """The lines of the next message with this one."""
        while line not in (lines := await self.hears()):
            pass
        return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    """A socket of systemd's own kind: a path."""
    ear = Ear(str(tmp_path / "notify"))
    yield ear
    ear.close()


async def test_manager_follows_the_life_of_the_daemon(configured: Syncd, mirror: Mirror, ear: Ear) -> None:
    """Up before the database is, then what it does, signs of life all the time, and the way out."""
    watched = {"NOTIFY_SOCKET": ear.name, "WATCHDOG_USEC": "150000"}
    async with configured.running("run", environ=watched) as daemon:
        assert await ear.hears() == ["READY=1", "STATUS=waiting for the database"]
        where = mirror.url.rpartition("@")[2]
        await ear.hears_of(f"STATUS=mirroring 1 token(s) into {where}")
        await ear.hears_of("WATCHDOG=1")
        daemon.send(signal.SIGTERM)
        assert await ear.hears_of("STOPPING=1") == ["STOPPING=1"]
        assert (await daemon.ended()).exit_code == 0


async def test_daemon_that_waits_for_its_database_shows_life(configured: Syncd, ear: Ear) -> None:
    """A database that is away for hours is no reason to be restarted."""
    configured.configure(database={"url": f"postgresql://canary@127.0.0.1:{unused_port()}/bi"})
    watched = {"NOTIFY_SOCKET": ear.name, "WATCHDOG_USEC": "150000"}
    async with configured.running("run", environ=watched) as daemon:
        await daemon.event("syncd.db.unavailable")
        for _ in range(2):
            await ear.hears_of("WATCHDOG=1")
        daemon.send(signal.SIGTERM)
        await ear.hears_of("STOPPING=1")


async def test_wrong_configuration_is_never_ready(configured: Syncd, ear: Ear) -> None:
    """`systemctl start` fails then, and says so."""
    configured.configure(sync={"interval": "soon"})
    assert (await configured("run", environ={"NOTIFY_SOCKET": ear.name})).exit_code == 2
    ServiceManager({"NOTIFY_SOCKET": ear.name}, Clock()).status("the first that was said")
    assert await ear.hears() == ["STATUS=the first that was said"]


async def test_reload_ends_with_what_came_of_it(configured: Syncd, ear: Ear) -> None:
    """`systemctl reload` waits for its end; a configuration that is refused shows in `systemctl status`."""
    async with configured.running("run", environ={"NOTIFY_SOCKET": ear.name}) as daemon:
        await daemon.event("syncd.pull.finish")
        for interval, status in (("2s", "running"), ("soon", "running on the former configuration")):
            configured.configure(sync={"interval": interval})
            daemon.send(signal.SIGHUP)
            await ear.hears_of("RELOADING=1")
            ready, text = await ear.hears()
            assert (ready, text.removeprefix("STATUS=").partition(":")[0]) == ("READY=1", status)


async def test_reload_is_told_from_earlier_ones_by_its_time(ear: Ear) -> None:
    """systemd takes the READY=1 that follows for the end of this reload only if the time is not before its own."""
    before = Clock().monotonic()
    manager = ServiceManager({"NOTIFY_SOCKET": ear.name}, Clock())
    manager.reloading()
    manager.ready("reloaded")
    reloading, stamp = await ear.hears()
    assert reloading == "RELOADING=1"
    assert before <= int(stamp.removeprefix("MONOTONIC_USEC=")) / 1e6 + 1e-6
    assert await ear.hears() == ["READY=1", "STATUS=reloaded"]


async def test_socket_in_the_abstract_namespace_is_found(tmp_path: Path) -> None:
    """Managers of containers have such names."""
    ear = Ear(f"@syncd-test-{os.getpid()}-{tmp_path.name}")
    ServiceManager({"NOTIFY_SOCKET": ear.name}, Clock()).stopping()
    assert await ear.hears() == ["STOPPING=1"]
    ear.close()


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody-listens"])
def test_manager_that_is_not_there_is_no_trouble(address: str) -> None:
    """Started by hand, or orphaned."""
    manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": ""}, Clock())
    manager.ready("all well")
    manager.alive()
    assert manager.watchdog_s is None


def test_full_socket_holds_nobody_up(ear: Ear) -> None:
    """A manager that is suspended reads nothing; the event loop must not wait for it."""
    manager = ServiceManager({"NOTIFY_SOCKET": ear.name}, Clock())
    for _ in range(2000):
        manager.alive()
