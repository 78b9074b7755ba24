"""When the heartbeat's lines come, in virtual time, whatever the database does."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from syncd.service.heartbeat import ANSWER_WITHIN_S, Heartbeat
from syncd.service.measuring import MeasuringReporter
from syncd.service.runtime import Runtime
from syncd.telemetry.metrics import Metrics
from tests.sim.loop import SimClock, SimLoop


class Lines:
    """Stands for the log: the instants of all lines, and what they said."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.at: list[float] = []
        self.fields: list[dict[str, Any]] = []

    def emit(self, _event: object, fields: dict[str, Any]) -> None:
        self.at.append(self._loop.time())
        self.fields.append(fields)


def a_database(health: Callable[[], Awaitable[Any]]) -> Runtime:
    """One without tokens; `health` answers the first question."""
    pool = SimpleNamespace(get_size=lambda: 1, get_idle_size=lambda: 0)

    async def turns() -> list[Any]:
        return []

    registry = SimpleNamespace(health=health, turns=turns)
    return cast("Runtime", SimpleNamespace(registry=registry, database=SimpleNamespace(pool=pool)))


def beat_for(seconds: float, opens_at: float, health: Callable[[], Awaitable[Any]]) -> Lines:
    """A heartbeat every minute whose database comes at `opens_at`."""
    loop = SimLoop(Random(1))
    lines = Lines(loop)
    heartbeat = Heartbeat(MeasuringReporter(cast("Any", lines), Metrics(), SimClock(loop)), SimClock(loop))

    async def live() -> None:
        beating = asyncio.ensure_future(heartbeat.beat_every(60.0))
        await asyncio.sleep(opens_at)
        heartbeat.open(a_database(health))
        await asyncio.sleep(seconds - opens_at)
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)

    loop.run_until_complete(live())
    loop.close()
    return lines


async def well() -> dict[str, Any]:
    return {"by_status": {"ok": 2}, "worst": None, "quarantined": 0}


def test_lines_come_while_the_database_has_not() -> None:
    """Every minute from the start on, and at once when it has come, with what it knows."""
    lines = beat_for(300.0, 150.0, well)
    assert lines.at == [60.0, 120.0, 150.0, 210.0, 270.0]
    assert [fields.get("syncd.tokens.ok") for fields in lines.fields] == [None, None, 2, 2, 2]


def test_a_database_that_keeps_silent_delays_no_second_line() -> None:
    """A peer that vanished without a word: each line waits for it a little, and it is asked once."""
    asked = 0

    async def silence() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(1e9)

    lines = beat_for(300.0, 0.0, silence)
    assert lines.at == [ANSWER_WITHIN_S + minute * 60.0 for minute in range(5)]
    assert asked == 1


def test_a_slow_answer_does_not_move_the_next_line() -> None:
    """A line a minute: what the database took is no part of the pause."""

    async def slow() -> dict[str, Any]:
        await asyncio.sleep(7.0)
        return await well()

    assert beat_for(200.0, 0.0, slow).at == [7.0, 67.0, 127.0, 187.0]
