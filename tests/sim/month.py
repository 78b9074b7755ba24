"""Days and months of the daemon in virtual time, with all that may befall it: is every token fresh that can be?

spells ─▶ source, database, clocks, processes ─▶ the real daemon ─▶ diary ─▶ held against the bounds
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random
from unittest import mock

from pydantic import SecretStr

from syncd import config
from syncd.service import daemon, vitals
from syncd.sync.consequences import REJECTED_MOST_S
from syncd.telemetry import events
from syncd.tokens import Token
from tests.sim import spells as kinds
from tests.sim.accounts import DEAF_S, Source
from tests.sim.freshness import Findings, Interval, Success, bounds_of, complement, judge_beats, judge_token
from tests.sim.lives import TICK_S, Clocked, Diary, Life, Link, dispatcher_of
from tests.sim.loop import SimLoop
from tests.sim.spells import Spell

DAY_S = 86400.0
WHOLE_EVERY = 250
WHOLE_DAYS = 30.0
STRETCH_DAYS = 0.15
PULL_TIMEOUT = timedelta(minutes=10)
TICK_WITHIN_S = 2 * TICK_S + 10.0
"""In place of the daemon's, whose own ticks are more frequent."""


@dataclass(frozen=True)
class Setting:
    """What the seed decides beforehand. `limit`: places of a lane."""

    seed: int
    days: float
    intervals_s: tuple[float, ...]
    rate: float
    limit: int
    spells: tuple[Spell, ...]

    @classmethod
    def of(cls, seed: int) -> "Setting":
        """Hours of close watch with short intervals; and for one seed in `WHOLE_EVERY` a month."""
        rng = Random(f"month {seed}")
        is_whole = seed % WHOLE_EVERY == 0
        days = WHOLE_DAYS if is_whole else STRETCH_DAYS
        names = [f"t{n}" for n in range(rng.choice([1, 2, 3, 4, 6]))]
        every_s = rng.choice([2.0, 6.0, 24.0] if is_whole else [0.25, 0.5, 1.0]) * kinds.HOUR_S
        spells = kinds.draw(rng, names, days * DAY_S, every_s)
        intervals = [900.0, 3600.0, 3600.0] if is_whole else [300.0, 300.0, 900.0]
        intervals_s = tuple(rng.choice(intervals) for _ in names)
        return cls(seed, days, intervals_s, rng.choice([0.0, 1.0, 1.0]), rng.choice([2, 4, 32]), tuple(spells))

    @property
    def length_s(self) -> float:
        return self.days * DAY_S

    @property
    def tokens(self) -> list[Token]:
        return [
            Token(f"t{n}", SecretStr(f"t{n}"), (), timedelta(seconds=interval_s), n)
            for n, interval_s in enumerate(self.intervals_s)
        ]

    def settings(self) -> config.Settings:
        """As the daemon has them."""
        sync = config.Sync(max_concurrent_pulls=self.limit, pull_timeout=PULL_TIMEOUT)
        toggl = config.Toggl(requests_per_second=self.rate)
        service, log, database = config.Service(), config.Log(), config.Database()
        return config.Settings("simulated", database, toggl, sync, service, log, tuple(self.tokens))


@dataclass
class Verdict:
    """What a seed came to. `successes`: of each token, as (began, ended)."""

    setting: Setting
    findings: Findings
    fired: Counter[str]
    pulls: int
    beats: int
    lines: list[str]
    successes: dict[str, list[tuple[float, float]]]


@dataclass
class Month:
    """A seed at work."""

    loop: SimLoop
    setting: Setting
    troubles: dict[str, list[Interval]] = field(default_factory=dict)
    up: list[Interval] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.names = [token.name for token in self.setting.tokens]
        self.troubles = {name: [] for name in self.names}
        self.diary = Diary(self.loop)
        self.db = Clocked(self.loop.time)
        self.source = Source(self.loop, self.names, self.setting.seed)
        self.source.on_parked = self._parked
        self.link = Link(self.loop, Random(f"link {self.setting.seed}"), self.fired)
        self.life: Life | None = None
        self._dying: list[asyncio.Task[None]] = []

    def _parked(self, name: str, until: float) -> None:
        self.troubles[name].append((self.loop.time(), until))

    def _everybody(self, since: float, until: float) -> None:
        for name in self.names:
            self.troubles[name].append((since, until))

    # -- what happens --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """As many lives of the daemon as the spells leave it, one after another."""
        for spell in self.setting.spells:
            self._arrange(spell)
        deaths = kinds.one_after_another(spell for spell in self.setting.spells if spell.kind in kinds.PROCESS)
        for number, death in enumerate(deaths):
            await self._live(number, death.since)
            self.fired[death.kind] += 1
            self._end(death.kind)
            await asyncio.sleep(death.until - self.loop.time())
            self._everybody(death.since, death.until)
        await self._live(len(deaths), self.setting.length_s)
        self._end("stopped")
        await asyncio.gather(*self._dying)
        await asyncio.sleep(2 * DEAF_S)  # what was cancelled comes to its end

    async def _live(self, number: int, until: float) -> None:
        setting, born = self.setting, self.loop.time()
        seed = f"{setting.seed} {number}"
        life = Life(setting.settings(), self.loop, self.db, self.source, self.diary, self.link, seed)
        self.life = life
        await asyncio.wait({life.living}, timeout=until - born)
        self.up.append((born, until))
        if life.living.done():
            self.diary.wrongs.append(f"the daemon ended by itself at {self.loop.time():.0f}: {life.living}")

    def _end(self, kind: str) -> None:
        life, self.life = self.life, None
        assert life is not None
        if kind == "stopped":
            life.stop()
        self._dying.append(asyncio.ensure_future(life.die() if kind == "killed" else _gone(life)))

    def _arrange(self, spell: Spell) -> None:
        if spell.kind in kinds.PROCESS:
            return
        self._at(spell.since, partial(self._begin, spell))
        if spell.kind not in kinds.CLOCK:
            self._at(spell.until, partial(self._over, spell))

    def _at(self, instant: float, what: Callable[[], None]) -> None:
        self.loop.call_at(instant, what)

    def _begin(self, spell: Spell) -> None:
        self.diary.lines.append(f"{self.loop.time():.3f} begins {spell}")
        if spell.kind in kinds.SOURCE:
            self.source.spells.append(spell)
            for name in spell.tokens:
                self.troubles[name].append((spell.since, spell.until))
            return
        if spell.kind in kinds.DATABASE:
            self._everybody(spell.since, spell.until)
            self._trouble_database()
            return
        self.fired[spell.kind] += 1
        if spell.kind == "asleep":  # our monotonic clock was, too
            self.db.ahead_s += spell.jump_s
            self._everybody(spell.since, spell.since)
        if self.life is not None:
            self.life.jump(spell.jump_s)

    def _over(self, spell: Spell) -> None:
        self.diary.lines.append(f"{self.loop.time():.3f} over {spell}")
        if spell in self.source.spells:
            self.source.spells.remove(spell)
            rejected_s = self._rejected_s(spell)
            for name in spell.tokens if rejected_s else ():
                self.troubles[name].append((spell.until, spell.until + rejected_s))
        self._trouble_database()

    def _rejected_s(self, spell: Spell) -> float:
        """How long a token is kept still after it was rejected for so long: at most as long again, or a minute.

        By the database's clock, for which the time in which the machine slept passed, too.
        """
        if spell.kind != "401":
            return 0.0
        slept = (s.jump_s for s in self.setting.spells if s.kind == "asleep" and spell.since <= s.since <= spell.until)
        return min(REJECTED_MOST_S, max(60.0, spell.until - spell.since + sum(slept)))

    def _trouble_database(self) -> None:
        """The database as the spells have it that are at work now."""
        now, link = self.loop.time(), self.link
        at_work = [s for s in self.setting.spells if s.kind in kinds.DATABASE and s.since <= now < s.until]
        link.refuses = any(spell.kind == "database refuses" for spell in at_work)
        link.fail = 0.3 if any(spell.kind == "database flaky" for spell in at_work) else 0.0
        link.silent_until = max((s.until for s in at_work if s.kind == "database silent"), default=0.0)

    # -- the verdict ---------------------------------------------------------------------------------------------

    def judge(self) -> Findings:
        setting, found = self.setting, Findings(wrongs=self.diary.wrongs)
        for name, interval_s in zip(self.names, setting.intervals_s, strict=True):
            bounds = bounds_of(
                interval_s, setting.rate, TICK_S, PULL_TIMEOUT.total_seconds(), len(self.names), setting.limit
            )
            successes = [Success(*pair) for pair in self.diary.successes.get(name, [])]
            judge_token(name, successes, complement(self.troubles[name], setting.length_s), bounds, found)
        judge_beats(self.diary.beats, self.up, found)
        if self.diary.events[events.PULL_STUCK.name] and not self.source.fired["deaf"]:
            found.wrongs.append("a pull outlived its deadline, and nothing was deaf")
        return found


async def _gone(life: Life) -> None:
    """When it has left by itself, nothing of it writes any more."""
    await asyncio.wait({life.living})
    life.store.trouble.is_dead = True


def simulate(setting: Setting) -> Verdict:
    """Run a setting to its end."""
    loop = SimLoop(Random(f"month {setting.seed}"))
    try:
        with (
            contextlib.closing(loop),
            mock.patch.object(daemon, "TICK_S", TICK_S),
            mock.patch.object(vitals, "TICK_WITHIN_S", TICK_WITHIN_S),
            mock.patch.object(daemon, "dispatcher_of", dispatcher_of),
        ):
            month = Month(loop, setting)
            loop.run_until_complete(month.run())
    finally:
        asyncio.set_event_loop(None)
    diary = month.diary
    return Verdict(
        setting, month.judge(), month.fired + month.source.fired, diary.pulls, len(diary.beats), diary.lines,
        diary.successes,
    )  # fmt: skip


def judge(seed: int) -> Verdict:
    """Run a seed; its verdict without its lines, which are many."""
    return replace(simulate(Setting.of(seed)), lines=[], successes={})


@dataclass
class Total:
    """What many seeds came to."""

    seeds: int = 0
    days: float = 0.0
    pulls: int = 0
    beats: int = 0
    findings: Findings = field(default_factory=Findings)
    fired: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: Verdict) -> None:
        self.seeds += 1
        self.days += verdict.setting.days
        self.pulls += verdict.pulls
        self.beats += verdict.beats
        self.findings.add(verdict.findings)
        self.fired += verdict.fired

    def silent(self) -> list[str]:
        """What should have befallen somebody and never did."""
        return sorted(kind for kind in kinds.KINDS if not self.fired[kind])

    def __str__(self) -> str:
        found = self.findings
        return (
            f"{self.seeds:,} stretches, {self.days:,.0f} days: {self.pulls:,} pulls, {self.beats:,} heartbeats, "
            f"{found.looks:,} looks at tokens that were well\n"
            f"  staleness of those: at most {found.steady.share:.1%} of its bound ({found.steady.seconds:,.0f} s)\n"
            f"  fresh after its trouble: within {found.recovery.share:.1%} of its bound "
            f"({found.recovery.seconds:,.0f} s)\n"
            f"  between two heartbeats: at most {found.beat.seconds:.1f} s ({found.beat.share:.1%} of the bound)"
        )
