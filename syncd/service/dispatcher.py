"""Whose turn it is, when one process serves all tokens. Due times live in the tokens' rows: a restart forgets none."""

from typing import Protocol

from syncd.clock import Clock
from syncd.config import Settings
from syncd.service.leader import Leader
from syncd.service.runtime import Runtime
from syncd.service.workers import Workers
from syncd.telemetry import events


class Dispatcher(Protocol):
    """Finds out whose turn it is, and has them pulled."""

    workers: Workers

    @property
    def leads(self) -> bool:
        """Whether work is ours to do, as of the last turn."""

    async def turn(self) -> None:
        """Begin what is due. Raises DatabaseError; pulls at work go on."""

    async def close(self) -> int:
        """Wait for the pulls at work, roll back the rest, leave; how many were rolled back."""


def dispatcher_of(settings: Settings, runtime: Runtime, url: str, clock: Clock) -> Dispatcher:
    """The one that [service] dispatcher names."""
    limit = settings.sync.max_concurrent_pulls
    if settings.service.dispatcher == "local":
        return LocalDispatcher(runtime, limit, clock, Leader(url, runtime.database.where))
    # pgqueuer is an extra, and takes a fifth of a second to load.
    from syncd.postgres.jobs import Jobs
    from syncd.service.replicas import HEARTBEAT_S, QueueDispatcher

    return QueueDispatcher(runtime, limit, clock, Jobs(url, runtime.database.where, HEARTBEAT_S))


class LocalDispatcher:
    """Starts a pull for every due token, as far as there is room, if this process leads."""

    def __init__(self, runtime: Runtime, limit: int, clock: Clock, leader: Leader | None = None) -> None:
        """`leader` None: there is nobody else."""
        self._runtime = runtime
        self._leader = leader
        self.workers = Workers(runtime.pull, limit, clock, runtime.reporter.log)

    @property
    def leads(self) -> bool:
        """Whether the work is ours, as of the last turn."""
        return self._leader is None or self._leader.leads

    async def turn(self) -> None:
        """Prove or win the lead, then dispatch.

        Raises:
            DatabaseError: the question could not be asked; pulls at work go on.
        """
        if self._leader is not None and not await self._check(self._leader):
            return
        await self.dispatch()

    async def dispatch(self) -> None:
        """Start what is due.

        Raises:
            DatabaseError: see `turn`.
        """
        workers = self.workers
        workers.give_up_stuck()
        room = workers.room()
        if not any(room):
            return
        within_s = self._runtime.puller.rules.pull_timeout.total_seconds()
        due = await self._runtime.registry.due(workers.names, *room, shaky=workers.stuck)
        for name, is_suspect in due.items():
            if name in self._runtime.subjects:  # not ours: another configuration registered it
                workers.start(name, within_s=within_s, is_suspect=is_suspect)

    async def close(self) -> int:
        """Wait for the pulls at work, then roll back the rest, and leave the lead; how many were rolled back."""
        rolled_back = await self.workers.drain()
        if self._leader is not None:
            await self._leader.resign()
        return rolled_back

    async def _check(self, leader: Leader) -> bool:
        led, log = leader.leads, self._runtime.reporter.log
        try:
            leads = await leader.check()
        finally:
            if led and not leader.leads:
                log.emit(events.LEADER_LOST)
        if leads and not led:
            log.emit(events.LEADER_ACQUIRED)
        if led and not leads:  # another one has the lock and pulls already: two would ask too much of the source
            self.workers.cancel(self.workers.names)
        return leads
