"""Whose turn it is, when several processes share the tokens: due tokens become jobs of pgqueuer.

    every replica, every second:  due tokens ─▶ jobs, one per token ─▶ take what there is room for ─▶ pull

A job whose replica has shown no life for HEARTBEAT_S goes to whoever asks next. A replica that was frozen finds its
jobs with others and lets go of them; until it has asked, it must not send: what it was promised by its last sign of
life is over, by its own clock, MARGIN_S before another one can have taken the job. What it might still write, the
fence on the token's row refuses.

Who is authoritative: syncd.tokens. The queue may be emptied at any time; it is refilled from there.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from syncd.clock import Clock
from syncd.errors import DatabaseError
from syncd.service.runtime import Runtime
from syncd.service.workers import Workers

if TYPE_CHECKING:
    from pgqueuer.models import Job

    from syncd.postgres.jobs import Jobs

HEARTBEAT_S = 10.0
BEAT_S = 2.0
MARGIN_S = 2.0
LOG_S = 3600.0
"""How often pgqueuer's own log is emptied."""

CLOSE_S = 1.0


class QueueDispatcher:
    """Makes jobs out of due tokens, and pulls what it gets of them."""

    def __init__(self, runtime: Runtime, limit: int, clock: Clock, jobs: "Jobs") -> None:
        self._runtime = runtime
        self._jobs = jobs
        self._clock = clock
        self._held: dict[str, Job] = {}
        self._promised_until = float("-inf")
        self._log_emptied = clock.monotonic()
        self.workers = Workers(runtime.pull, limit, clock, runtime.reporter.log)
        runtime.puller.toggl.may_send = self._may_send

    @property
    def leads(self) -> bool:
        """Every replica pulls."""
        return True

    async def turn(self) -> None:
        """Show life, let go of what others have, offer what is due, take what there is room for.

        Raises:
            DatabaseError: pulls at work go on as long as nobody else can have them.
        """
        self.workers.give_up_stuck()
        await self._show_life()
        await self._jobs.offer()
        for is_suspect, room in zip((False, True), self.workers.room(), strict=True):
            if room:
                await self._take(room, is_suspect=is_suspect)

    async def close(self) -> int:
        """Wait for the pulls at work, roll back the rest, hand the jobs back; how many were rolled back."""
        rolled_back = await self.workers.drain()
        with contextlib.suppress(DatabaseError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                if self._held and self._is_promised():
                    await self._jobs.finish(list(self._held.values()))
                await self._jobs.close()
        return rolled_back

    def _may_send(self, name: str) -> bool:
        """Also no more once it is lost: what a cancelled pull has at work hears of that a moment later."""
        return name in self._held and self._is_promised()

    def _is_promised(self) -> bool:
        return self._clock.monotonic() < self._promised_until

    async def _show_life(self) -> None:
        asked = self._clock.monotonic()
        if asked < self._promised_until - HEARTBEAT_S + MARGIN_S + BEAT_S:
            return
        at_work = set(self.workers.names)
        self._held = {name: job for name, job in self._held.items() if name in at_work}
        own = await self._jobs.keep(list(self._held.values()))
        lost = [name for name, job in self._held.items() if job.id not in own and name in self.workers.names]
        self.workers.cancel(lost)
        for name in lost:
            del self._held[name]
        self._promised_until = asked + HEARTBEAT_S - MARGIN_S
        if asked - self._log_emptied > LOG_S:
            self._log_emptied = asked
            await self._jobs.forget_log()

    async def _take(self, room: int, *, is_suspect: bool) -> None:
        within_s = self._runtime.puller.rules.pull_timeout.total_seconds()
        at_work = self.workers.names
        for name, job in (await self._jobs.take(room, suspect=is_suspect)).items():
            if name not in self._runtime.subjects:  # another configuration's; its replica takes it next time
                continue
            self._held[name] = job
            if name not in at_work:
                self.workers.start(name, within_s=within_s, is_suspect=is_suspect, after=self._finish)

    async def _finish(self, name: str) -> None:
        job = self._held.pop(name, None)
        if job is not None and self._is_promised():
            with contextlib.suppress(DatabaseError):  # it will be found silent, and not due
                await self._jobs.finish([job])
