"""`syncd once` is killed at random moments, over and over, while the source goes on changing.

`make chaos-kills KILLS=100 SEED=1` for many. The seed decides what changes and when the process is killed: at a message
between it and PostgreSQL, or at an instant of its life, start and end included. Another run may die a little earlier or
later, for the machine has a say in it.
"""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from syncd.clock import Clock
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from tests.chaos.kit import (
    TOKEN,
    WORKSPACES,
    Calendar,
    Databases,
    assert_mirrors,
    configured,
    history_flaws,
    looking_at,
    tombstones_of,
    versions_of,
)
from tests.chaos.proxy import Proxy
from tests.processes import Process, Syncd

KILLS = int(os.environ.get("SYNCD_TEST_KILLS", "8"))
SEED = int(os.environ.get("SYNCD_TEST_SEED", "1"))

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60 + 5 * KILLS)]

ROWS = 15
"""Clients, and projects, of each workspace at the beginning: enough that one complete snapshot proves an absence."""


class LivingSource:
    """A world that changes by the dice; `writes` counts what each row went through: the most versions it may have."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._buried: list[tuple[int, int]] = []
        self._names = iter(range(10**9))
        self.writes: Counter[tuple[str, int]] = Counter()
        self.world = World(Calendar().now)
        self.world.add_user("t0", TOKEN)
        for w in WORKSPACES:
            self.world.create_workspace(f"Workspace {w}", workspace_id=w, premium=True)
            self.world.share("t0", w, admin=True)
            for _ in range(ROWS):
                self._create_client(w)
                self._create_project(w)

    def live(self) -> None:
        """Some changes, of every kind now and then."""
        for _ in range(self._dice.randrange(1, 8)):
            w = self._dice.choice(WORKSPACES)
            clients = [row.id for row in self.world.clients_of(w)]
            projects = [row.id for row in self.world.projects_of(w)]
            match self._dice.randrange(8):
                case 0:
                    self._create_client(w)
                case 1:
                    self._create_project(w)
                case 2 | 3:
                    self._write("client", self.world.update_client(self._dice.choice(clients), name=self._name()).id)
                case 4 | 5:
                    client_id = self._dice.choice([None, *clients])
                    fields = {"name": self._name(), "client_id": client_id, "active": self._dice.random() < 0.7}
                    self._write("project", self.world.update_project(self._dice.choice(projects), **fields).id)
                case 6 if len(clients) > ROWS - 4:
                    self._delete_client(w, self._dice.choice(clients))
                case 7 if len(projects) > ROWS - 4:
                    self.world.delete_project(self._dice.choice(projects))
                case _ if self._buried:
                    w, id_ = self._buried.pop()
                    self._write("client", self.world.create_client(w, self._name(), client_id=id_).id)

    def _create_client(self, w: int) -> None:
        self._write("client", self.world.create_client(w, self._name(), "a note", 7.25, "EUR").id)

    def _create_project(self, w: int) -> None:
        clients = [None, *(row.id for row in self.world.clients_of(w))]
        self._write("project", self.world.create_project(w, self._name(), self._dice.choice(clients)).id)

    def _delete_client(self, w: int, id_: int) -> None:
        for project in self.world.projects_of_client(id_):
            self._write("project", project.id)  # it loses its client
        self.world.delete_client(id_)
        self._buried.append((w, id_))

    def _write(self, resource: str, id_: int) -> None:
        self.writes[resource, id_] += 1

    def _name(self) -> str:
        return f"Name {next(self._names)}"


async def kill_somewhen(process: Process, proxy: Proxy, dice: Random, life_s: float, messages: int) -> str:
    """Kill it at a message, or at an instant; where it was meant to die."""
    if dice.random() < 0.85:
        number = dice.randrange(1, messages)
        reached = asyncio.create_task(proxy.after(number).wait())
        ended = asyncio.create_task(process.ended())
        await asyncio.wait({reached, ended}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.send(signal.SIGKILL)
        await ended
        return f"message {number}"
    instant_s = dice.uniform(0, life_s)
    await asyncio.sleep(instant_s)
    return f"{instant_s:.3f} s"


async def test_i10_random_kills_harm_nothing(databases: Databases, migrated_template: str, tmp_path: Path) -> None:
    """After them and one clean run: mirror equals source, no version doubled, none that the source never had."""
    dice, clock = Random(SEED), Clock()
    source = LivingSource(dice)
    syncd = Syncd(tmp_path, secrets=(TOKEN,))
    kills, pulls = Counter[bool](), set[int]()
    async with (
        Emulator(source.world) as emulator,
        databases.copy(migrated_template) as url,
        Proxy(url) as proxy,
    ):
        configured(syncd, emulator.url, proxy.url)
        began = clock.monotonic()
        assert (await syncd("once")).exit_code == 0
        life_s, messages = clock.monotonic() - began, proxy.passed
        while kills[True] < KILLS:
            source.live()
            async with syncd.running("once") as process:
                place = await kill_somewhen(process, proxy, dice, life_s, messages)
                outcome = await process.kill()
            kills[outcome.exit_code == -signal.SIGKILL] += 1
            async with looking_at(url) as connection:
                assert await history_flaws(connection) == [], f"seed {SEED}, killed at {place}"
                pulls.add(await connection.fetchval("SELECT max(pull_id) FROM syncd.tokens"))
        assert (await syncd("once")).exit_code == 0
        async with looking_at(url) as connection:
            await assert_mirrors(connection, source.world)
            versions, buried = await versions_of(connection), await tombstones_of(connection)
    assert {key for key, number in versions.items() if number > source.writes[key]} == set(), f"seed {SEED}"
    print(
        f"\nseed {SEED}: {kills[True]} kills, {kills[False]} processes that were quicker, {len(pulls)} pulls begun; "
        f"{source.writes.total()} writes at the source, {versions.total()} versions, {len(buried)} tombstones"
    )
