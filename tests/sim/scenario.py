"""One seed: who pulls what, what goes wrong and for how long, then quiet, then the verdict."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import aiohttp

from syncd.clock import Jitter
from syncd.errors import FencedOut, Unforeseen
from syncd.postgres.registry import Registry
from syncd.postgres.store import Store
from syncd.records import ALWAYS, RESOURCES, Resource
from syncd.service.dispatcher import LocalDispatcher
from syncd.service.reporting import Reporter
from syncd.service.runtime import Runtime
from syncd.sync.deletes import DeleteRules
from syncd.sync.pull import Puller, Rules, Subject
from syncd.sync.report import PullReport
from syncd.toggl import v8
from syncd.toggl.client import Toggl
from tests.sim.checks import Judge
from tests.sim.database import Database
from tests.sim.loop import EPOCH, SimClock, SimLoop
from tests.sim.source import Rights, World
from tests.sim.store import SimStore, StoreTrouble
from tests.sim.wire import FAULTS, ORIGIN, FakeSession, Trouble, Wire

TICK_S = 2.0
LIMIT = 32
"""Of pulls at once, as the configuration has it by default."""

RULES = DeleteRules(min_age=timedelta(minutes=15))


@dataclass
class Verdict:
    """What a seed came to. `stale_s`: token -> seconds between the beginnings of its successful pulls."""

    seed: int
    wrongs: list[str]
    fired: Counter[str]
    log: list[str]
    pulls: int
    requests: int
    steps: int
    stale_s: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class Setting:
    """What the seed decides beforehand. `style`: `turmoil`; or `isolation`: some accounts hang, all else is well."""

    seed: int
    style: str
    tokens: int
    hours: float
    intervals: list[timedelta]
    rate: float
    full_every: timedelta
    admins_only: bool
    lists_deleted: bool
    step_s: int
    faulty: int
    is_overlapped: bool
    restarts: int
    store_fail: float
    skew_s: float
    pace_s: float
    kinds: tuple[Resource, ...]

    @classmethod
    def of(cls, seed: int) -> "Setting":
        rng = Random(f"setting {seed}")
        is_isolated = seed % 4 == 0
        tokens = min(20, 2 + int(rng.expovariate(0.35)))
        minutes = rng.choice([5, 5, 10])
        return cls(
            seed=seed,
            style="isolation" if is_isolated else "turmoil",
            tokens=tokens,
            hours=rng.uniform(0.5, 2.0) * (minutes / 5),
            intervals=[timedelta(minutes=minutes * rng.choice([1, 1, 2])) for _ in range(tokens)],
            rate=rng.choice([0.0, 1.0, 1.0, 5.0]),
            full_every=timedelta(hours=rng.choice([1, 24])),
            admins_only=rng.random() < 0.3,
            lists_deleted=rng.random() < 0.25,
            step_s=rng.choice([1, 60, 600]),
            faulty=rng.randrange(1, tokens) if is_isolated else rng.randint(tokens // 2, tokens),
            is_overlapped=not is_isolated and rng.random() < 0.5,
            restarts=0 if is_isolated else rng.choice([0, 1, 2, 5]),
            store_fail=0.0 if is_isolated else rng.choice([0.0, 0.0, 0.02, 0.1]),
            skew_s=rng.choice([0.0, -3600.0, 86400.0]),
            pace_s=rng.choice([20.0, 60.0, 300.0]),
            kinds=tuple(RESOURCES) if Random(f"kinds {seed}").random() < 0.5 else ALWAYS,
        )


class Process:
    """One syncd: the real puller and the real dispatcher. `line` is what it is polite as."""

    def __init__(self, sim: "Simulation", line: str) -> None:
        setting = sim.setting
        self.sim, self.line = sim, line
        self.trouble = StoreTrouble(
            Random(f"store {setting.seed} {line} {sim.generation}"),
            fail=setting.store_fail,
            lost=setting.store_fail / 2,
        )
        clock = SimClock(sim.loop, setting.skew_s)
        session = cast("aiohttp.ClientSession", FakeSession(sim.wire, line))
        jitter = Jitter(Random(f"jitter {setting.seed} {line} {sim.generation}"))
        toggl = Toggl(session, ORIGIN, setting.rate, clock, jitter)
        store = cast("Store", SimStore(sim.db, self.trouble, sim.judge.commit))
        rules = Rules("auto", timedelta(minutes=10), setting.full_every, RULES, setting.kinds)
        self.puller = Puller(toggl, v8.DIALECT, store, rules, clock, lambda *_: sim.count("retry"))
        runtime = Runtime(cast("Any", None), cast("Registry", self), self.puller, cast("Reporter", self), sim.subjects)
        self.dispatcher = LocalDispatcher(runtime, LIMIT, clock)
        self._ticker: asyncio.Task[None] | None = None

    # what the dispatcher and the runtime ask of the registry and the reporter

    log = SimpleNamespace(emit=lambda *_: None)

    async def due(self, busy: list[str], prompt: int, slow: int, *, shaky: list[str]) -> dict[str, bool]:
        return self.sim.db.due(busy, prompt, slow, shaky)

    def pull(self, report: PullReport) -> None:
        self.sim.note_report(report, self.line)

    def skipped(self, token: str, reason: str) -> None:
        self.sim.note(f"skipped {self.line} {token} {reason}")

    # its life

    def start(self) -> None:
        self._ticker = asyncio.ensure_future(self._tick())

    async def stop(self, *, kill: bool) -> None:
        """By a signal, or as if the power went."""
        assert self._ticker is not None
        self._ticker.cancel()
        await asyncio.gather(self._ticker, return_exceptions=True)
        self.trouble.is_dead = kill
        pulls = [work.task for work in self.dispatcher.workers._works.values()]
        if kill:
            self.sim.count("killed")
            for task in pulls:
                task.cancel()
            await asyncio.gather(*pulls, return_exceptions=True)
        else:
            self.sim.count("stopped")
            await self.dispatcher.close()

    async def _tick(self) -> None:
        while True:
            await self.dispatcher.dispatch()
            await asyncio.sleep(TICK_S)


class Simulation:
    """A seed at work."""

    def __init__(self, loop: SimLoop, setting: Setting) -> None:
        self.loop, self.setting = loop, setting
        self.log: list[str] = []
        self.fired: Counter[str] = Counter()
        self.pulls = self.generation = 0
        rng = Random(f"world {setting.seed}")
        listed = setting.admins_only, setting.lists_deleted
        self.world = World(rng, *listed, step_s=setting.step_s, kinds=setting.kinds)
        self.wire = Wire(loop, self.world, self.note, setting.rate)
        self.db = Database(loop.time)
        self.wire.is_stored = lambda kind, id_: id_ in self.db.rows[kind]
        self.judge = Judge(self.db, self.wire, RULES)
        self.began: dict[str, list[float]] = {}
        self.subjects: dict[str, Subject] = {}
        self.ranks: list[str] = []
        self._rng = Random(f"operator {setting.seed}")
        self._settle()

    def note(self, line: str) -> None:
        self.log.append(f"{self.loop.time():.6f} {line}")

    def count(self, what: str) -> None:
        self.fired[what] += 1

    def note_report(self, report: PullReport, line: str) -> None:
        self.pulls += 1
        self.count(f"pull {report.result}")
        self.note(f"pull {line} {report.token} {report.result} {report.reason} {report.counts}")
        if isinstance(report.error, Unforeseen):
            self.judge.wrongs.append(f"a pull died of {report.error.__cause__!r}")
        if isinstance(report.error, FencedOut):
            self.count("fenced out")
        if report.is_fresh and report.began_at is not None:
            self.began.setdefault(report.token, []).append(self.loop.time() - report.duration_s)

    def _settle(self) -> None:
        """Workspaces, accounts with their rights, and rows."""
        setting, rng = self.setting, Random(f"settlers {self.setting.seed}")
        wids = range(1, 2 + rng.randrange(3))
        self.world.names = {wid: f"W{wid}" for wid in wids}
        self.ranks = [f"t{n}" for n in range(setting.tokens)]
        for n, name in enumerate(self.ranks):
            mine = {wid: Rights(rng.random() < 0.3, rng.randrange(3)) for wid in wids if rng.random() < 0.7 or n == 0}
            self.world.tokens[name] = mine
            self.subjects[name] = Subject(name, f"secret-{name}")
            self.wire.secrets[f"secret-{name}"] = name
            self.wire.troubles[name] = self._trouble(name, n)
        for wid in wids:
            for kind in self.world.kinds:
                for _ in range(rng.choice([2, 4, 7, 12, 25])):
                    self.world.create(kind, wid, 0.0)

    def _trouble(self, name: str, n: int) -> Trouble:
        setting, rng = self.setting, Random(f"trouble {self.setting.seed} {name}")
        trouble = Trouble(Random(f"latency {setting.seed} {name}"), latency_s=rng.choice([0.2, 1.0, 8.0]))
        if n < setting.tokens - setting.faulty:
            return trouble
        if setting.style == "isolation":
            trouble.share, trouble.kinds = 1.0, rng.choice([("hang",), ("503",), ("401",), ("402",), ("slow", "500")])
            return trouble
        kinds = rng.sample(FAULTS, rng.choice([3, 10, len(FAULTS)]))
        trouble.share = rng.choice([0.05, 0.15, 0.3])
        trouble.kinds = tuple(kinds if setting.admins_only else (k for k in kinds if k not in ("404", "403"))) or (
            "500",
        )
        if rng.random() < 0.3:
            start = rng.uniform(0, setting.hours * 3600)
            trouble.rejected = start, start + rng.choice([300, 1800, 1e9])
        return trouble

    def register(self) -> None:
        interval = dict(zip(sorted(self.subjects), self.setting.intervals, strict=True))
        self.db.register([(name, rank, interval[name], "same") for rank, name in enumerate(self.ranks)])

    # -- the story -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Turmoil, then quiet, then the verdict."""
        setting = self.setting
        self.register()
        process = Process(self, "main")
        process.start()
        living = asyncio.ensure_future(self._live())
        helpers = [living]
        if setting.is_overlapped:
            helpers.append(asyncio.ensure_future(self._overlap()))
        if setting.style == "turmoil":
            helpers.append(asyncio.ensure_future(self._operate()))
        length_s = setting.hours * 3600
        for _ in range(setting.restarts):
            await asyncio.sleep(length_s / (setting.restarts + 1))
            process = await self._restart(process)
        await asyncio.sleep(max(0.0, length_s - self.loop.time()))
        for task in helpers:
            task.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        self.stale_s = {n: [b - a for a, b in pairwise(began)] for n, began in self.began.items()}
        await self._quieten(process)
        await process.stop(kill=False)
        self._judge()

    async def _restart(self, process: Process) -> Process:
        kill = self._rng.random() < 0.5
        await process.stop(kill=kill)
        # A Retry-After that was being waited out dies with the process, if that is killed or the database is away just
        # then. One that is written down must be kept, but for a rejected token: who restarts has probably replaced it.
        is_lossy = kill or self.setting.store_fail > 0
        for (_, name), holds in self.wire.holds.items():
            token = self.db.tokens[name]
            kept = (token.not_before or EPOCH) + timedelta(seconds=1)
            if token.status == "rejected" or is_lossy:
                written = token.status != "rejected"
                holds[:] = [hold for hold in holds if written and EPOCH + timedelta(seconds=hold[1]) <= kept]
        self.wire.last.clear()
        self.generation += 1
        self.register()
        fresh = Process(self, "main")
        fresh.start()
        return fresh

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(self.world.rng.expovariate(1 / self.setting.pace_s))
            self.note(self.world.live_once(self.loop.time()))

    async def _overlap(self) -> None:
        """Somebody pulls by hand what the daemon pulls too."""
        other = Process(self, "hand")
        while True:
            await asyncio.sleep(self._rng.uniform(10, 400))
            name = self._rng.choice(self.ranks)
            if (self.db.tokens[name].not_before or self.db.now()) <= self.db.now():
                report = await other.puller.pull(self.subjects[name], full=self._rng.random() < 0.3)
                other.pull(report)

    async def _operate(self) -> None:
        """What people do: decide about deletions, change ranks, take a token out and put it back."""
        while True:
            await asyncio.sleep(self._rng.uniform(600, 4000))
            match self._rng.choice(["decide", "ranks", "remove", "resync"]):
                case "decide":
                    self.db.decide(self._rng.choice(["approve", "approve", "reject"]))
                case "ranks":
                    self._rng.shuffle(self.ranks)
                    self.register()
                    self.count("ranks changed")
                case "remove" if len(self.ranks) > 1:
                    out = self._rng.choice(self.ranks)
                    self.ranks.remove(out)
                    self.register()
                    await asyncio.sleep(self._rng.uniform(60, 2000))
                    self.ranks.append(out)
                    self.register()
                    self.count("token removed and back")
                case "resync":
                    self.db.pull_soon(self.ranks)

    async def _quieten(self, process: Process) -> None:
        """No more edits and faults, until every token has had enough pulls to confirm what there is to confirm."""
        start = self.loop.time()
        for name in sorted(self.subjects):
            if name not in self.ranks:
                self.ranks.append(name)
        self.wire.calm, process.trouble.fail, process.trouble.lost = True, 0.0, 0.0
        self.register()
        self.db.pull_soon(self.ranks)
        longest_s = max(self.setting.intervals).total_seconds()
        await asyncio.sleep(3 * longest_s)
        self.db.pull_soon(self.ranks)  # once more: the first may have been incomplete, and kept its way of listing
        await asyncio.sleep(7 * longest_s + RULES.min_age.total_seconds())
        if self._rng.random() < 0.5:
            self.db.decide("approve")
            await asyncio.sleep(3 * longest_s)
        waiting = self._unrecovered(start)
        while waiting and self.loop.time() < start + 4 * 3600:  # a quota's hold may last an hour
            await asyncio.sleep(longest_s)
            waiting = self._unrecovered(start)
        self.judge.wrongs += [f"I12 {name} did not recover in four quiet hours" for name in waiting]

    def _unrecovered(self, start: float) -> list[str]:
        """Tokens that have had fewer than six good pulls since."""
        return [n for n in self.ranks if sum(began > start for began in self.began.get(n, [])) < 6]

    def _judge(self) -> None:
        setting, judge = self.setting, self.judge
        judge.judge_history()
        judge.judge_mirror(strict=not setting.admins_only)
        if setting.style == "isolation":
            for n, name in enumerate(sorted(self.subjects, key=lambda n: int(n[1:]))):
                if n < setting.tokens - setting.faulty:
                    interval_s = self.db.tokens[name].interval.total_seconds()
                    judge.judge_staleness(name, self.stale_s.get(name, []), 1.1 * interval_s + TICK_S + 60.0)
        judge.wrongs += self.wire.wrongs


def simulate(setting: Setting) -> Verdict:
    """Run a setting to its end."""
    loop = SimLoop(Random(f"schedule {setting.seed}"))
    try:
        sim = Simulation(loop, setting)
        with contextlib.closing(loop):
            loop.run_until_complete(sim.run())
    finally:
        asyncio.set_event_loop(None)
    fired = sim.fired + sim.judge.fired + sim.wire.fired + sim.db.fired
    fired.update({f"source {name}": count for name, count in sim.world.happened.items()})
    return Verdict(
        setting.seed, sim.judge.wrongs, fired, sim.log, sim.pulls, sim.wire.requests, loop.steps, sim.stale_s
    )
