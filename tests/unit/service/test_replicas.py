"""Whose a token is, as one of several replicas sees it. The queue is a stand-in: it says which jobs are still ours."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from syncd.service.replicas import HEARTBEAT_S, MARGIN_S, QueueDispatcher
from syncd.service.runtime import Runtime
from tests.clocks import StillClock

if TYPE_CHECKING:
    from syncd.postgres.jobs import Jobs


class Queue:
    """Gives every job once, and then keeps those that are `ours`."""

    def __init__(self, *names: str) -> None:
        self.jobs = {name: SimpleNamespace(id=number) for number, name in enumerate(names)}
        self.ours = set(names)
        self._is_taken = False

    async def offer(self) -> None:
        """There is nothing new."""

    async def take(self, _limit: int, **_lane: bool) -> dict[str, Any]:
        given = {} if self._is_taken else self.jobs
        self._is_taken = True
        return given

    async def keep(self, jobs: list[Any]) -> set[int]:
        own = {self.jobs[name].id for name in self.ours}
        return own.intersection(job.id for job in jobs)


async def test_a_token_is_asked_with_while_it_is_ours() -> None:
    """Not before we have it, not once another one took it, and not after our last sign of life is too old."""

    async def pull(_name: str) -> None:
        await asyncio.Event().wait()

    clock, queue, toggl = StillClock(), Queue("a", "b"), SimpleNamespace(may_send=None)
    puller = SimpleNamespace(toggl=toggl, rules=SimpleNamespace(pull_timeout=timedelta(hours=1)))
    runtime = SimpleNamespace(
        puller=puller,
        pull=pull,
        subjects={"a": None, "b": None},
        reporter=SimpleNamespace(log=SimpleNamespace(emit=lambda *_: None)),
    )
    dispatcher = QueueDispatcher(cast("Runtime", runtime), 10, clock, cast("Jobs", queue))
    may_send = cast("Any", toggl.may_send)
    assert not may_send("a")
    await dispatcher.turn()
    assert (may_send("a"), may_send("b"), may_send("c")) == (True, True, False)
    clock.at += HEARTBEAT_S - MARGIN_S
    assert (may_send("a"), may_send("b")) == (False, False)
    queue.ours = {"b"}
    await dispatcher.turn()
    assert (may_send("a"), may_send("b")) == (False, True)
    assert dispatcher.workers.names == ["b"]
    dispatcher.workers.cancel(["b"])
