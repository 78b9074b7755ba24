"""One life of the real daemon in virtual time: its heartbeat, dispatcher, workers, puller and client.

Not its own are the database, the source, the clock that wakes it, and signals. Ticks at which nothing is due are left
out, for they change nothing and a month has 2.6 million of them; TICK_S is how often the daemon looks all the same.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from syncd.clock import Clock, Jitter
from syncd.config import Settings
from syncd.errors import DatabaseUnavailable
from syncd.postgres.pool import COMMAND_TIMEOUT_S
from syncd.postgres.registry import Registry
from syncd.postgres.store import Store
from syncd.service.daemon import Daemon
from syncd.service.dispatcher import LocalDispatcher
from syncd.service.measuring import MeasuringReporter
from syncd.service.runtime import Runtime, rules_of
from syncd.service.workers import Work
from syncd.sync.pull import Puller, Subject
from syncd.sync.report import PullReport
from syncd.telemetry import events
from syncd.telemetry.event import Event
from syncd.telemetry.metrics import Metrics
from syncd.toggl import v8
from syncd.toggl.client import Toggl
from tests.sim.accounts import BODY_LIMIT_BYTES, Source
from tests.sim.database import TICK, Database
from tests.sim.loop import EPOCH, SimClock, SimLoop
from tests.sim.store import SimStore, StoreTrouble
from tests.sim.wire import ORIGIN

TICK_S = 30.0
RECONNECT_S = 5.0
MISTAKES = frozenset(event.name for event in (events.UNHANDLED_EXCEPTION, events.INVARIANT_VIOLATED, events.WEDGED))
"""Events that no trouble of others excuses."""


@dataclass
class Link:
    """A process' way to the database. `silent_until`: statements get no answer until then."""

    loop: SimLoop
    rng: Random
    fired: Counter[str]
    silent_until: float = 0.0
    refuses: bool = False
    fail: float = 0.0

    async def cross(self) -> None:
        """Raises DatabaseUnavailable, sooner or later, where the database is away."""
        missing_s = self.silent_until - self.loop.time()
        if missing_s > 0:
            self.fired["database silent"] += 1
            await asyncio.sleep(min(COMMAND_TIMEOUT_S, missing_s))
            raise DatabaseUnavailable("simulated: no answer")
        await asyncio.sleep(self.rng.uniform(0.0, 0.01))
        if self.refuses or self.rng.random() < self.fail:
            self.fired["database refuses" if self.refuses else "database flaky"] += 1
            raise DatabaseUnavailable("simulated: refused")


@dataclass
class Clocked(Database):
    """A database whose clock is `ahead_s` ahead of the loop's."""

    ahead_s: float = 0.0

    def now(self) -> datetime:
        self._last = max(EPOCH + timedelta(seconds=self.time() + self.ahead_s), self._last + TICK)
        return self._last


class Wall(SimClock):
    """A machine's clocks, of which the one on the wall jumps."""

    def jump(self, seconds: float) -> None:
        self._skew_s += seconds


@dataclass
class Diary:
    """What a month leaves behind. `successes`: token -> (began, ended) of its pulls, as loop time."""

    loop: SimLoop
    events: Counter[str] = field(default_factory=Counter)
    beats: list[float] = field(default_factory=list)
    pulls: int = 0
    successes: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    # what a reporter asks of a log

    redactor: Any = None
    level: str = "info"

    def emit(
        self, event: Event, fields: Mapping[str, object] = {}, *, level: str | None = None, error: object = None
    ) -> None:
        now = self.loop.time()
        self.events[event.name] += 1
        self.lines.append(f"{now:.3f} {event.name} {fields.get('syncd.token.id', '')}")
        if event is events.HEARTBEAT_EVENT:
            self.beats.append(now)
        elif event.name in MISTAKES:
            self.wrongs.append(f"{event.name} at {now:.0f}: {dict(fields)} {error or level or ''}")


class DayStore(SimStore):
    """The simulated store behind a link; nobody checks plans here, `python -m tests.sim` does that elsewhere."""

    def __init__(self, database: Database, link: Link) -> None:
        super().__init__(database, StoreTrouble(link.rng), lambda _begun, _plan: None)
        self.link = link

    async def _statement(self) -> None:
        if self.trouble.is_dead:
            raise DatabaseUnavailable("simulated: this process is dead")
        await self.link.cross()


class Rows:
    """What the daemon asks of the registry and of the lead: it is the only one."""

    leads = False

    def __init__(self, database: Database, link: Link) -> None:
        self.db, self.link = database, link
        self.works: Callable[[], list[Work]] = list

    async def check(self) -> bool:
        self.leads = False
        await self.link.cross()
        self.leads = True
        return True

    async def resign(self) -> None:
        self.leads = False

    async def due(self, busy: list[str], prompt: int, slow: int, *, shaky: list[str]) -> dict[str, bool]:
        await self.link.cross()
        return self.db.due(busy, prompt, slow, shaky)

    async def versions(self) -> tuple[int, str]:
        await self.link.cross()
        return 1, "simulated"

    async def health(self) -> dict[str, Any]:
        await self.link.cross()
        by_status = Counter(token.status for token in self.db.tokens.values())
        return {"by_status": by_status, "worst": None, "quarantined": 0}

    async def turns(self) -> list[dict[str, Any]]:
        await self.link.cross()
        now = self.db.now()
        return [
            {
                "token": name,
                "staleness_s": None if row.last_success_at is None else (now - row.last_success_at).total_seconds(),
                "bound_s": max(60.0, 3 * row.interval.total_seconds()),
            }
            for name, row in self.db.tokens.items()
        ]


def dispatcher_of(settings: Settings, runtime: Runtime, _url: str, clock: Clock) -> LocalDispatcher:
    """Takes the place of the daemon's own, which opens a connection for its lead."""
    rows = cast("Any", runtime.registry)
    dispatcher = LocalDispatcher(runtime, settings.sync.max_concurrent_pulls, clock, rows)
    rows.works = lambda: list(dispatcher.workers._works.values())
    return dispatcher


class NotingReporter(MeasuringReporter):
    """Writes successes into the diary, too."""

    def __init__(self, diary: Diary, clock: SimClock) -> None:
        super().__init__(cast("Any", diary), Metrics(), clock)
        self.diary = diary

    def pull(self, report: PullReport) -> None:
        super().pull(report)
        now = self.diary.loop.time()
        self.diary.pulls += 1
        self.diary.lines.append(f"{now:.3f} pull {report.token} {report.result} {report.reason}")
        if report.is_fresh:
            self.diary.successes.setdefault(report.token, []).append((now - report.duration_s, now))


class Life(Daemon):
    """A process, from its start until it is stopped or killed."""

    def __init__(
        self, settings: Settings, loop: SimLoop, database: Clocked, source: Source, diary: Diary, link: Link, seed: str
    ) -> None:
        self.clock, self.link, self.db, self.loop = Wall(loop), link, database, loop
        reporter = NotingReporter(diary, self.clock)
        super().__init__(settings, reporter, self.clock)
        self.rows, self.store = Rows(database, link), DayStore(database, link)
        toggl = Toggl(
            cast("Any", source),
            ORIGIN,
            settings.toggl.requests_per_second,
            self.clock,
            Jitter(Random(f"jitter {seed}")),
            body_limit_bytes=BODY_LIMIT_BYTES,
            on_breaker=partial(reporter.breaker, "simulated"),
        )
        rules = rules_of(settings)
        puller = Puller(toggl, v8.DIALECT, cast("Store", self.store), rules, self.clock, reporter.retry)
        pool = SimpleNamespace(get_size=lambda: 1, get_idle_size=lambda: 0)
        self.runtime = Runtime(
            cast("Any", SimpleNamespace(pool=pool, where="simulated")),
            cast("Registry", self.rows),
            puller,
            reporter,
            {token.name: Subject(token.name, token.name) for token in settings.tokens},
        )
        self.blind_until = 0.0
        self._waking: asyncio.TimerHandle | None = None
        self.living = asyncio.ensure_future(self._open_and_serve())

    async def die(self) -> None:
        """As if the power went: what was at work writes nothing any more."""
        self.store.trouble.is_dead = True
        for work in self.rows.works():
            work.task.cancel()
        self.living.cancel()
        await asyncio.gather(self.living, return_exceptions=True)

    def jump(self, seconds: float) -> None:
        """The clock on the wall jumps. Who waits for it to reach an instant waits longer, if it was put back."""
        self.clock.jump(seconds)
        if seconds < 0:
            self.blind_until = self.loop.time() - seconds
        self.wake()

    def wake(self) -> None:
        """Tick now, and from now on at each full second at which something may be due."""
        if self._waking is not None:
            self._waking.cancel()
        self._waking = self.loop.call_at(max(self.loop.time(), self.blind_until), self._wake)

    def _wake(self) -> None:
        self._tick.set()
        due = [max(row.next_due_at, row.not_before or row.next_due_at) for row in self.db.tokens.values()]
        at = max(self.loop.time() + 1.0, self._when(min(due)))
        self._waking = self.loop.call_at(max(math.ceil(at), self.blind_until), self._wake)

    def _when(self, instant: datetime) -> float:
        """The database's time as the loop's."""
        return (instant - EPOCH).total_seconds() - self.db.ahead_s

    async def _open(self, stack: AsyncExitStack) -> tuple[Runtime, str]:
        while True:
            try:
                await self.link.cross()
            except DatabaseUnavailable:
                await asyncio.sleep(RECONNECT_S)
            else:
                self.db.register([(t.name, t.rank, t.interval, "same") for t in self._settings.tokens])
                return self.runtime, "simulated"

    @asynccontextmanager
    async def _ticking(self, runtime: Runtime) -> AsyncIterator[None]:
        self.wake()
        try:
            yield
        finally:
            if self._waking is not None:
                self._waking.cancel()
