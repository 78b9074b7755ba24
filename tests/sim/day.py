"""A day of pulls in virtual time, under the quotas of a plan: the real puller, client, planner and emulator.

Between them a store that holds nothing but turns: every listing is found unchanged, so that only requests matter.
`python -m tests.sim.day` writes the table of docs/quotas.md.
"""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode

import msgspec

from syncd.clock import Jitter
from syncd.emulator import seed
from syncd.emulator.api import Api, Request
from syncd.emulator.limits import Meter, plan
from syncd.emulator.model import World
from syncd.postgres.quotas import Ledger, Sharer, StoredBudget, StoredLevel, Verdict
from syncd.postgres.store import Store
from syncd.postgres.writer import Begun
from syncd.records import Cursor
from syncd.sync.budget import Budget
from syncd.sync.pull import Puller, Rules, Subject
from syncd.toggl import v9
from syncd.toggl.client import Toggl
from tests.docs.measured import write_table
from tests.sim.database import next_due
from tests.sim.loop import EPOCH, SimClock, SimLoop
from tests.sim.wire import ORIGIN, FakeResponse

INTERVAL = timedelta(minutes=5)
FULL_EVERY = timedelta(days=1)


class Setting(NamedTuple):
    """`shared`: all tokens belong to one user. `restarts`: syncd is killed and started anew so often."""

    plan: str
    tokens: int
    shared: bool = False
    hours: float = 24.0
    restarts: int = 4


@dataclass
class Outcome:
    """`stale_s`: how old the mirror of a token was just before each success but the first."""

    pulls: int = 0
    postponed: int = 0
    failed: int = 0
    requests: int = 0
    over_quota: int = 0
    over_rate: int = 0
    stale_s: list[float] = field(default_factory=list)


class _Same(bytes):
    """A digest that every answer has."""

    def __eq__(self, _other: object) -> bool:
        return True

    __hash__ = bytes.__hash__


@dataclass
class Row:
    """A row of syncd.tokens."""

    due: datetime = EPOCH
    full_at: datetime | None = None
    began: datetime = EPOCH
    pull_id: int = 0
    user_id: int | None = None
    full: Any = None
    usual: Any = None
    every: timedelta | None = None


class Turns:
    """What `Store` and `Ledger` are to the puller and the budget: see their queries."""

    def __init__(self, names: Sequence[str], workspaces: Sequence[int], clock: SimClock) -> None:
        self.rows = {name: Row() for name in names}
        self.levels: dict[tuple[str, int], tuple[int, int, datetime]] = {}
        self._workspaces = workspaces
        self._clock = clock

    async def begin(self, token: str, *, timeout: timedelta, full_every: timedelta) -> Begun:
        row, now = self.rows[token], self._clock.now()
        row.began, row.pull_id = now, row.pull_id + 1
        is_full = row.full_at is None or row.full_at <= now - full_every
        cursors = {} if is_full else {wid: Cursor(now - timedelta(minutes=10), True) for wid in self._workspaces}
        return Begun(token, row.pull_id, now, _Same(), None, 0, False, 0, 0, 0, None, {}, cursors=cursors)

    async def share(self, _begun: Begun) -> frozenset[int]:
        return frozenset()

    async def finish_unchanged(self, begun: Begun, *_: Any, is_whole: bool) -> datetime:
        row = self.rows[begun.token]
        if is_whole:
            row.full_at = begun.began_at
        return self._next_due(begun.token, row)

    async def finish_failed(self, begun: Begun, *_: Any) -> datetime:
        return self._next_due(begun.token, self.rows[begun.token])

    async def hold(self, *_: Any) -> None:
        raise AssertionError("the source asked to wait")

    def _next_due(self, name: str, row: Row) -> datetime:
        row.due = next_due(name, row.every or INTERVAL, row.due, self._clock.now())
        return row.due

    # the ledger

    async def read(self, token: str, full_every: timedelta) -> StoredBudget:
        row, now = self.rows[token], self._clock.now()
        owner = token if row.user_id is None else f"#{row.user_id}"
        sharers = {
            name: Sharer(INTERVAL.total_seconds(), other.full, other.usual)
            for name, other in self.rows.items()
            if name == token or (row.user_id is not None and other.user_id == row.user_id)
        }
        levels = [
            StoredLevel(organization, remaining, total, (resets_at - now).total_seconds())
            for (of, organization), (remaining, total, resets_at) in self.levels.items()
            if of == owner
        ]
        full_due = row.full_at is None or row.full_at <= now - full_every
        return StoredBudget(row.user_id, full_due, (row.every or timedelta()).total_seconds(), levels, sharers)

    async def write(self, owner: str, levels: Sequence[StoredLevel]) -> None:
        for level in levels:
            resets_at = self._clock.now() + timedelta(seconds=level.resets_in_s)
            self.levels[owner, level.organization] = level.remaining, level.total, resets_at

    async def judge(self, token: str, verdict: Verdict) -> None:
        row = self.rows[token]
        row.full, row.usual, row.every = verdict.full, verdict.usual, verdict.every

    async def belongs(self, token: str, user_id: int) -> None:
        self.rows[token].user_id = user_id

    async def postpone(self, token: str, seconds: float) -> datetime:
        row = self.rows[token]
        row.due = self._clock.now() + timedelta(seconds=seconds)
        return row.due


class Session:
    """What syncd uses of aiohttp.ClientSession: the emulator answers without a socket, a moment later."""

    def __init__(self, api: Api, rng: Random) -> None:
        self._api = api
        self._rng = rng

    def request(self, method: str, url: str, **more: Any) -> "Exchange":
        path = url.removeprefix(ORIGIN)
        query = f"?{urlencode(more['params'])}" if more["params"] else ""
        return Exchange(self._api, Request(method, path + query, more["headers"]["Authorization"]), self._rng)


class Exchange:
    """One request and its answer."""

    def __init__(self, api: Api, request: Request, rng: Random) -> None:
        self._api, self._request, self._rng = api, request, rng

    async def __aenter__(self) -> FakeResponse:
        answer = self._api.answer(self._request)
        await asyncio.sleep(self._rng.uniform(0.05, 1.5))
        path, kind = self._request.path_qs, answer.content_type.partition(";")[0]
        headers = {**(answer.headers or {}), "Date": format_datetime(self._api.world.now(), usegmt=True)}
        return FakeResponse(path, answer.status, answer.body, headers, content_type=kind)

    async def __aexit__(self, *_error: object) -> None:
        pass


def account(tokens: int, *, shared: bool, now: Any) -> World:
    """Each user has two workspaces of one organization, with 500 projects; or all tokens are one user's."""
    world = seed.generate(seed=1, tokens=tokens, workspaces=2, clients=5, projects=50, now=now)
    for user in world.users.values():
        first, second = sorted(user.access)
        organization_id = world.workspaces[first].organization_id
        world.workspaces[second] = msgspec.structs.replace(world.workspaces[second], organization_id=organization_id)
    first_user = world.users["t0"]
    for user in world.users.values() if shared else ():
        user.id, user.access = first_user.id, first_user.access
    return world


async def live(setting: Setting, loop: SimLoop, api: Api, turns: Turns, secrets: dict[str, str]) -> Outcome:
    """The day, in as many lives of the process as it has."""
    outcome, clock = Outcome(), SimClock(loop)
    life_s = setting.hours * 3600 / (setting.restarts + 1)
    last: dict[str, datetime] = {}
    for life in range(setting.restarts + 1):
        rng = Random(f"{setting} {life}")
        toggl = Toggl(cast("Any", Session(api, rng)), ORIGIN, 1.0, clock, Jitter(rng))
        budget = Budget(toggl, cast("Ledger", turns), v9.whose, FULL_EVERY)
        rules = Rules("auto", timedelta(minutes=10), FULL_EVERY)
        puller = Puller(toggl, v9.DIALECT, cast("Store", turns), rules, clock, lambda *_: None, budget)
        room = asyncio.Semaphore(32)

        async def serve(name: str, puller: Puller = puller, room: asyncio.Semaphore = room) -> None:
            while True:
                await asyncio.sleep(max(1.0, (turns.rows[name].due - clock.now()).total_seconds()))
                async with room:
                    report = await puller.pull(Subject(name, secrets[name]))
                outcome.pulls += not report.is_postponed
                outcome.postponed += report.is_postponed
                outcome.failed += not report.is_fresh and not report.is_postponed
                outcome.requests += report.traffic.requests
                if report.is_fresh and report.began_at is not None:
                    if name in last:
                        outcome.stale_s.append((clock.now() - last[name]).total_seconds())
                    last[name] = report.began_at

        tasks = [asyncio.ensure_future(serve(name)) for name in turns.rows]
        await asyncio.sleep(life_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return outcome


def simulate(setting: Setting) -> Outcome:
    """One setting, from midnight to midnight."""
    loop = SimLoop(Random(f"loop {setting}"))
    clock = SimClock(loop)
    world = account(setting.tokens, shared=setting.shared, now=clock.now)
    meter = Meter(plan(setting.plan, per_second=1.0, burst=1), ledger_size=None)
    api = Api(world, version="v9", meter=meter)
    names = [f"t{n}" for n in range(setting.tokens)]
    try:
        turns = Turns(names, sorted(world.workspaces), clock)
        outcome = loop.run_until_complete(live(setting, loop, api, turns, world.tokens))
    finally:
        loop.close()
    outcome.over_quota = sum(entry.over == "quota" for entry in meter.ledger)
    outcome.over_rate = sum(entry.over == "rate" for entry in meter.ledger)
    return outcome


SETTINGS = [
    *(Setting(plan, tokens) for plan in ("free", "starter", "premium") for tokens in (1, 10, 50)),
    *(Setting(plan, 3, shared=True) for plan in ("free", "starter", "premium")),
]


def line(setting: Setting, outcome: Outcome) -> str:
    """A row of the table."""
    whose = "one user" if setting.shared else "a user each"
    typical, worst = (f"{s / 60:.1f}" for s in (statistics.median(outcome.stale_s), max(outcome.stale_s)))
    return (
        f"| {setting.plan} | {setting.tokens}, {whose} | {outcome.pulls:,} | {outcome.requests:,} "
        f"| {outcome.over_quota} | {outcome.over_rate} | {outcome.postponed:,} | {typical} | {worst} |"
    )


def main() -> None:
    head = (
        "| plan | tokens | pulls | requests | 402 | 429 | postponed | staleness: median, min | worst, min |",
        "|---|---|---|---|---|---|---|---|---|",
    )
    lines = [*head]
    for setting in SETTINGS:
        lines.append(line(setting, simulate(setting)))
        print(lines[-1], flush=True)
    write_table("docs/quotas.md", "quotas", lines)


if __name__ == "__main__":
    main()
