"""SIGHUP: a running daemon takes over a new configuration, or says what is wrong with it and keeps the old one."""

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from syncd.emulator.model import World
from tests.integration.cli.stage import CANARY_TOKEN, Mirror
from tests.processes import Syncd, eventually
from tests.servers import unused_port

SECOND_TOKEN = "canary-2c8d1~another-token"
SUCCESS = "SELECT last_success_at FROM toggl.sync_status WHERE token = 'globex'"


@pytest.fixture
def files(configured: Syncd) -> Mapping[str, Path]:
    """The configuration names token files, whose content can change: an environment cannot."""
    paths = {name: configured.home / f"{name}.token" for name in ("acme", "globex")}
    for path, secret in zip(paths.values(), (CANARY_TOKEN, SECOND_TOKEN), strict=True):
        path.write_text(secret)
        path.chmod(0o600)
    configured.secrets = (*configured.secrets, SECOND_TOKEN)
    configured.configure(tokens=entries("acme"))
    return paths


def entries(*names: str) -> list[Mapping[str, object]]:
    return [{"name": name, "token_file": f"{name}.token"} for name in names]


async def test_tokens_come_and_go(configured: Syncd, files: Mapping[str, Path], mirror: Mirror) -> None:
    """A new token is pulled, one that is gone is disabled, and levels, intervals and rules change with them."""
    async with configured.running("run") as daemon:
        await daemon.event("syncd.pull.finish")
        files["globex"].write_text(CANARY_TOKEN)
        configured.configure(tokens=entries("acme", "globex"), sync={"interval": "2s"})
        daemon.send(signal.SIGHUP)
        told = await daemon.event("syncd.config.reloaded")
        assert (told["syncd.tokens_added"], told["syncd.token_count"], told["log.level"]) == (["globex"], 2, "info")
        assert told["syncd.interval_seconds"] == 2
        await daemon.event("syncd.pull.finish", {"syncd.token.id": "globex", "event.outcome": "success"})

        configured.configure(tokens=entries("globex"), log={"level": "warning"})
        daemon.send(signal.SIGHUP)

        async def is_gone() -> bool:
            return await mirror.rows("SELECT token, status FROM toggl.sync_status ORDER BY token") == [
                ("acme", "disabled"),
                ("globex", "ok"),
            ]

        await eventually(is_gone)
        ((before,),) = await mirror.rows(SUCCESS)

        async def goes_on() -> bool:
            return await mirror.rows(SUCCESS) > [(before,)]

        await eventually(goes_on)
        outcome = await daemon.stop(signal.SIGTERM)
    assert outcome.exit_code == 0
    assert outcome.names[-1] != "syncd.stop.finish"  # which is an info


async def test_mistakes_change_nothing(configured: Syncd, files: Mapping[str, Path]) -> None:
    """All of them stand in one line, and the daemon goes on as before; a mended file is taken as if nothing was."""
    async with configured.running("run") as daemon:
        await daemon.event("syncd.pull.finish")
        files["acme"].chmod(0o644)
        configured.configure(sync={"interval": "soon"}, toggl={"requests_per_second": -1})
        daemon.send(signal.SIGHUP)
        refused = await daemon.event("syncd.config.invalid")
        assert refused["log.level"] == "error"
        for key in ("[sync] interval", "[toggl] requests_per_second", "acme.token"):
            assert key in refused["error.message"]
        for _ in range(2):
            await daemon.event("syncd.pull.finish", {"event.outcome": "success"})

        files["acme"].chmod(0o600)
        configured.configure(sync={"interval": "1s"}, toggl={"requests_per_second": 0})
        daemon.send(signal.SIGHUP)
        told = await daemon.event("syncd.config.reloaded")
        assert "syncd.config.restart" not in told
        outcome = await daemon.stop(signal.SIGTERM)
    assert outcome.names.count("syncd.config.invalid") == 1
    assert outcome.exit_code == 0


async def test_secret_is_rotated(configured: Syncd, files: Mapping[str, Path], world: World) -> None:
    """A token that Toggl rejects is replaced in its file: no restart, and it is pulled at once."""
    configured.configure(sync={"interval": "1h"})
    world.revoke("t0")
    async with configured.running("run") as daemon:
        await daemon.event("syncd.token.rejected")
        world.user("t0").token = SECOND_TOKEN
        world.user("t0").is_revoked = False
        files["acme"].write_text(SECOND_TOKEN)
        daemon.send(signal.SIGHUP)
        told = await daemon.event("syncd.config.reloaded")
        assert told["syncd.tokens_rotated"] == ["acme"]
        await daemon.event("syncd.token.recovered")
        await daemon.event("syncd.pull.finish", {"event.outcome": "success"})
        assert (await daemon.stop(signal.SIGTERM)).exit_code == 0


async def test_some_keys_need_a_restart(configured: Syncd, files: Mapping[str, Path]) -> None:
    """The rest is in force; one line says what waits, every time until it is done or undone."""
    async with configured.running("run") as daemon:
        await daemon.event("syncd.pull.finish")
        configured.configure(service={"listen": f"127.0.0.1:{unused_port()}"}, database={"pool_size": 3})
        for _ in range(2):
            daemon.send(signal.SIGHUP)
            told = await daemon.event("syncd.config.reloaded")
            assert told["log.level"] == "warning"
            assert told["syncd.config.restart"] == "[database] pool_size, [service] listen"
        assert (await daemon.stop(signal.SIGTERM)).exit_code == 0
