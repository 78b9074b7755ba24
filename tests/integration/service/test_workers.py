"""Pulls at work: lanes, and the watchdog. The pulls are stand-ins that end when told, or never."""

import asyncio
import contextlib
from typing import cast

import pytest

from syncd.service.workers import GRACE_S, SLOW_MOST, SLOW_S, Room, Workers, room_of
from syncd.telemetry import events
from syncd.telemetry.event import Event
from syncd.telemetry.logs import Log
from tests.clocks import StillClock


class Lines:
    """Stands in for a log: which events came."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.reasons: list[str] = []
        self.over = asyncio.Event()  # for those who react to nothing else

    def emit(self, event: Event, fields: dict[str, object]) -> None:
        events.check(event, fields)
        self.names.append(event.name)
        if event is events.PULL_SKIPPED:
            self.reasons.append(str(fields["syncd.skip.reason"]))


def workers_of(clock: StillClock, lines: Lines, limit: int = 2) -> Workers:
    async def hang(name: str) -> None:
        if name == "deaf":
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await lines.over.wait()

    return Workers(hang, limit, clock, cast("Log", lines))


@pytest.mark.parametrize(
    ("works", "room"),
    [
        ([], Room(2, 2)),
        ([(0, False)], Room(1, 2)),
        ([(0, True), (0, True)], Room(2, 0)),
        ([(-SLOW_S, False), (-SLOW_S, False)], Room(2, 0)),
        ([(-SLOW_S, False)] * SLOW_MOST * 2, Room(2, 0)),
        ([(-SLOW_S, False)] * (SLOW_MOST * 2 + 1), Room(1, 0)),
        ([(-SLOW_S, False)] * (SLOW_MOST * 2 + 2), Room(0, 0)),
        ([(0, False), (0, False), (0, True), (0, True)], Room(0, 0)),
    ],
)
def test_lanes(works: list[tuple[float, bool]], room: Room) -> None:
    """Two places each: those that hang take no prompt place, unless there are very many."""
    assert room_of(works, 2, 0.0) == room


async def test_a_pull_that_outlives_its_deadline_is_given_up() -> None:
    """It is told of once, its place is free whether it reacts or not, and its token is a suspect."""
    clock, lines = StillClock(), Lines()
    workers = workers_of(clock, lines)
    workers.start("deaf", within_s=60)
    workers.start("polite", within_s=3600)
    await asyncio.sleep(0)
    clock.at = 60 + GRACE_S
    workers.give_up_stuck()
    assert lines.names == []
    clock.at += 1
    for _ in range(2):
        workers.give_up_stuck()
        await asyncio.sleep(0)
    assert lines.names == ["syncd.pull.stuck"]
    assert (workers.names, workers.stuck) == (["polite"], ["deaf"])
    assert workers.room() == Room(2, 1)  # polite is slow by now
    workers.cancel(["polite"])
    assert workers.in_flight == 0
    assert lines.reasons == ["taken_over"]
    lines.over.set()


async def test_a_deaf_pull_does_not_hold_up_the_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that ignores that it is cancelled."""
    monkeypatch.setattr("syncd.service.workers.DRAIN_S", 0.01)
    lines = Lines()
    workers = workers_of(StillClock(), lines)
    workers.start("deaf", within_s=60)
    await asyncio.sleep(0)
    assert await workers.drain() == 1
    assert lines.reasons == ["shutdown"]
    lines.over.set()
