"""What the heartbeat says of tokens, with a real token table whose instants are moved about."""

import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import generate_latest

from syncd.postgres.database import Database
from syncd.postgres.pool import open_pool
from syncd.postgres.registry import Registry
from syncd.service.heartbeat import Heartbeat
from syncd.service.measuring import MeasuringReporter
from syncd.service.reporting import SKEW_EVERY_S
from syncd.service.runtime import Runtime
from syncd.telemetry import logs
from syncd.telemetry.metrics import Metrics
from tests.clocks import StillClock
from tests.integration.sync.conftest import register


class Watched:
    """A heartbeat over a database of the test's own, and what it says."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stream = io.StringIO()
        self.clock = StillClock()
        self.log = logs.configure(
            format="json", stream=self._stream, clock=self.clock, run_id="r", instance_id="i", strict=True
        )
        self.reporter = MeasuringReporter(self.log, Metrics(), self.clock)
        runtime = SimpleNamespace(database=database, registry=Registry(database))
        self._heartbeat = Heartbeat(self.reporter, self.clock)
        self._heartbeat.open(cast("Runtime", runtime))

    async def set(self, change: str) -> None:
        async with self._database.connection() as connection:
            await connection.execute(f"UPDATE syncd.tokens SET {change} WHERE name = 'acme'")

    async def told(self) -> list[dict[str, Any]]:
        """What the next heartbeat has to say of tokens."""
        self.said()
        await self._heartbeat.beat()
        return [line for line in self.said() if line["event.action"] != "syncd.heartbeat"]

    def said(self) -> list[dict[str, Any]]:
        """What was logged since the last call."""
        text = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    pool = await open_pool(migrated_url, size=2, connect_timeout_s=10)
    yield Database(pool, "here")
    await pool.close()


@pytest.fixture
async def watched(database: Database) -> AsyncIterator[Watched]:
    """One token, acme, with an interval of five minutes."""
    await register(database, "acme", interval=timedelta(minutes=5))
    watched = Watched(database)
    yield watched
    watched.log.close()


async def test_stale_token_is_told_of_until_it_is_fresh(watched: Watched) -> None:
    """Beyond three intervals; once each way; the metric follows."""
    await watched.set("last_success_at = now() - interval '14 minutes'")
    assert await watched.told() == []
    await watched.set("last_success_at = now() - interval '16 minutes'")
    (breached,) = await watched.told()
    assert (breached["event.action"], breached["log.level"]) == ("syncd.freshness.breached", "error")
    assert (breached["syncd.token.id"], breached["syncd.bound_seconds"]) == ("acme", 900)
    assert 960 <= breached["syncd.staleness_seconds"] < 1020
    assert b"\nsyncd_tokens_stale 1.0\n" in generate_latest(watched.reporter.metrics.registry)
    assert await watched.told() == []
    await watched.set("last_success_at = now()")
    assert [line["event.action"] for line in await watched.told()] == ["syncd.freshness.restored"]
    assert b"\nsyncd_tokens_stale 0.0\n" in generate_latest(watched.reporter.metrics.registry)


async def test_interval_that_the_quota_allows_is_what_is_promised(watched: Watched) -> None:
    """A token that a quota slows down is not stale."""
    await watched.set("last_success_at = now() - interval '16 minutes', quota_interval = interval '20 minutes'")
    assert await watched.told() == []
    await watched.set("last_success_at = now() - interval '61 minutes'")
    assert [line["syncd.bound_seconds"] for line in await watched.told()] == [3600]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("next_due_at = now() - interval '1 second', running_until = now() + interval '1 hour'", None),
        ("next_due_at = now() - interval '6 minutes', running_until = now() + interval '1 hour'", "running"),
        ("next_due_at = now() + interval '1 minute', not_before = now() + interval '1 hour'", None),
        ("next_due_at = now() - interval '1 second', not_before = now() + interval '1 hour'", "rate_limited"),
        ("next_due_at = now(), not_before = now() + interval '1 hour', status = 'rejected'", "rejected"),
        ("next_due_at = now() - interval '1 hour', not_before = now() - interval '1 second'", None),
    ],
)
async def test_turn_that_passes_is_told_of(watched: Watched, row: str, reason: str | None) -> None:
    """Why, and until when; once."""
    await watched.set(f"last_success_at = now(), {row}")
    told = await watched.told()
    assert [line["syncd.skip.reason"] for line in told] == ([] if reason is None else [reason])
    assert [("syncd.next_try_at" in line) for line in told] == [reason != "running"] * len(told)
    assert await watched.told() == []


async def test_skewed_clock_is_told_of_once_an_hour(watched: Watched) -> None:
    """Every answer shows it, and a line for each would drown the rest."""
    for wait_s in (0, 1, SKEW_EVERY_S - 2, 1, 1):
        watched.clock.at += wait_s
        watched.reporter.skew("api.example", 75.04)
    told = watched.said()
    assert [line["event.action"] for line in told] == ["syncd.clock.skew"] * 2
    assert (told[0]["syncd.offset_seconds"], told[0]["server.address"]) == (75.0, "api.example")
