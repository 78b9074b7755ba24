"""See it work without an account: embedded PostgreSQL, the emulator with living data, and the real daemon."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from syncd import config
from syncd.clock import Clock, fresh_rng
from syncd.emulator import seed
from syncd.emulator.life import live
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.embedded import EmbeddedPostgres, default_data_dir
from syncd.postgres.sql import queries
from syncd.service.daemon import Daemon
from syncd.service.database import open_database
from syncd.service.measuring import MeasuringReporter
from syncd.service.once import pull_all
from syncd.service.reporting import Reporter
from syncd.service.runtime import open_runtime
from syncd.sync.report import PullReport
from syncd.tokens import Token

INTERVAL = timedelta(seconds=3)
EDIT_EVERY_S = 2.0
ACCOUNTS = ("acme", "globex", "initech")


@dataclass(frozen=True, slots=True)
class Stage:
    """A demonstration that is set up: settings for pulls, and what its visitors may look at."""

    settings: config.Settings
    database_url: str
    api_url: str
    page_url: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one pull of every account brought, and the answer to `SAMPLE_QUERY`."""

    reports: list[PullReport]
    columns: list[str]
    rows: list[tuple[Any, ...]]


def sample_query() -> str:
    """A query worth trying."""
    return queries()["sample_query"]


async def show_once(reporter: Reporter, clock: Clock, announce: Callable[[Stage], None]) -> Outcome:
    """Set up, pull every account once, ask the sample query, take down.

    Raises:
        DatabaseUnusable: another demonstration runs on the same data directory.
    """
    async with _stage(reporter, clock) as (stage, _world):
        announce(stage)
        names = [token.name for token in stage.settings.tokens]
        async with open_runtime(stage.settings, stage.database_url, reporter, clock, patient=False) as runtime:
            reports = await pull_all(runtime, names, len(names))
            async with runtime.database.connection() as connection:
                rows = await connection.fetch(sample_query())
    return Outcome(reports, list(rows[0].keys()) if rows else [], [tuple(row) for row in rows])


async def show(reporter: MeasuringReporter, clock: Clock, announce: Callable[[Stage], None]) -> None:
    """Set up and run the daemon on data that changes, until a signal. Raises like `show_once`."""
    async with _stage(reporter, clock) as (stage, world):
        announce(stage)
        living = asyncio.create_task(_enliven(world))
        try:
            await Daemon(stage.settings, reporter, clock).run()
        finally:
            living.cancel()


@asynccontextmanager
async def _stage(reporter: Reporter, clock: Clock) -> AsyncIterator[tuple[Stage, World]]:
    world = seed.generate(
        seed=7, tokens=len(ACCOUNTS), workspaces=2, clients=12, projects=5, loose_projects=2, now=clock.now
    )
    data_dir = default_data_dir(os.environ) / "demo"
    async with await EmbeddedPostgres.open(data_dir, exclusive=True) as postgres, Emulator(world) as emulator:
        port = _free_port()
        settings = _settings(world, emulator.url, postgres.url, port)
        async with (
            open_database(settings, postgres.url, reporter.log, patient=False, schema=False) as database,
            database.connection() as connection,
        ):
            await connection.execute(queries()["forget_demo"])
        yield Stage(settings, postgres.url, emulator.url, f"http://127.0.0.1:{port}/"), world


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _settings(world: World, api_url: str, database_url: str, port: int) -> config.Settings:
    tokens = [
        Token(name, SecretStr(secret), (), INTERVAL, rank)
        for rank, (name, secret) in enumerate(zip(ACCOUNTS, world.tokens.values(), strict=True))
    ]
    return config.Settings(
        source="the demonstration",
        database=config.Database(url=SecretStr(database_url)),
        toggl=config.Toggl(base_url=api_url, requests_per_second=20),
        sync=config.Sync(interval=INTERVAL),
        service=config.Service.model_validate({"listen": f"127.0.0.1:{port}"}),
        log=config.Log(),
        tokens=tuple(tokens),
    )


async def _enliven(world: World) -> None:
    rng = fresh_rng()
    while True:
        await asyncio.sleep(EDIT_EVERY_S)
        live(world, rng)
