"""Everything at once on two replicas, of which one is never killed: for ten minutes, or for an hour under load."""

import asyncio
import random
import resource
import signal
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from syncd.emulator import mishaps
from syncd.emulator.faults import Mishap
from syncd.postgres.embedded import EmbeddedPostgres
from tests.processes import Process
from tests.replicas.fleet import Fleet, Size, fleet_of, freeze


class Load(NamedTuple):
    """What the replicas carry. `edits`: clients that are renamed after each act; `interval_s` between two pulls."""

    size: Size
    interval_s: int
    edits: int


LIGHT = Load(Size(40), 5, 1)
HEAVY = Load(Size(200, clients=500, projects=4), 60, 100)
"""As many rows as the base case of `make bench`."""

_NEVER = {"syncd.invariant.violated", "syncd.pull.stuck"}


async def chaos(home: Path, server: EmbeddedPostgres, seconds: float, seed: int, load: Load = LIGHT) -> list[str]:
    """One act after the other; then peace, and everything must be as if nothing had been."""
    rng, tokens = random.Random(seed), load.size.tokens
    async with fleet_of(home, server.url, load.size, dispatcher="pgqueuer", interval_s=load.interval_s) as fleet:
        await fleet.start(2)
        await fleet.until_fresh(tokens, 300)
        done, samples = await _havoc(fleet, server, rng, seconds, load.edits)
        fired = fleet.source.faults.fired
        fleet.source.faults.forget()
        calm_s = await fleet.until_fresh(tokens, 180)
        await fleet.until_fresh(tokens, 180)
        doubled, bursts, is_mirror = await fleet.doubled_versions(), fleet.source.bursts(1.0), await fleet.is_mirror()
        await _next_beat(fleet.daemons[0])
        beats = list(map(_beats, fleet.daemons))
        bad = {e["event.action"] for daemon in fleet.daemons for e in daemon.events} & _NEVER
    print(
        f"{seconds:g} s, seed {seed}: {dict(done)}; struck: {fired}\n"
        f"fresh {calm_s:.1f} s after the last fault; mirror as the source: {is_mirror}; doubled versions: {doubled}; "
        f"requests before their slot: {bursts} of {fleet.source.asked:,}; least gap: {fleet.source.least_gap_s:.3f} s"
    )
    _print_course(samples, beats)
    wrongs = [f"{event} was logged" for event in sorted(bad)]
    missed = [name for name in _ACTS if not fired.get(name, done[name])]
    wrongs += [f"{name}: never struck" for name in missed] * (seconds >= 120)
    # Under many rows the source stands still for seconds, and cannot tell when it was asked: LIGHT judges the pace.
    wrongs += ["doubled versions"] * (doubled > 0) + ["above the rate"] * (bursts > 0 and load is LIGHT)
    wrongs += ["the mirror differs"] * (not is_mirror)
    is_grown_up = load is LIGHT or seconds >= 600  # so many rows take minutes until all were decoded once
    wrongs += ["memory grows"] * (is_grown_up and _grows([s.mib for s in samples]))
    return wrongs + ["tasks pile up"] * _pile_up([beat.tasks for beat in beats[0][1:]], tokens)


class Sample(NamedTuple):
    """At one moment: seconds since the start, memory of the daemon that is never killed, and what PostgreSQL holds."""

    age_s: float
    mib: float
    connections: int
    rows_mib: float
    history_mib: float
    wal_mib: float
    stalest_s: float


_LOOK = """
    SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'syncd%'),
           (pg_total_relation_size('toggl.clients') + pg_total_relation_size('toggl.projects')) / 1048576.0,
           (pg_total_relation_size('syncd.client_versions') + pg_total_relation_size('syncd.project_versions'))
               / 1048576.0,
           pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') / 1048576.0,
           (SELECT extract(epoch FROM now() - min(last_success_at)) FROM syncd.tokens)"""


async def _havoc(
    fleet: Fleet, server: EmbeddedPostgres, rng: random.Random, seconds: float, edits: int
) -> tuple[Counter[str], list[Sample]]:
    """One act after the other, each kind as often as any; how often each, and how it went after each.

    What came in the first two minutes (or the first third of a short run) is not told: it is still growing up.
    """
    done, deck, samples = Counter[str](), list[str](), list[Sample]()
    started = time.monotonic()
    while (age_s := time.monotonic() - started) < seconds:
        if age_s >= min(120, seconds / 3):
            ((connections, *figures),) = await fleet.rows(_LOOK)
            samples.append(Sample(age_s, _resident_mib(fleet.daemons[0].pid), connections, *map(float, figures)))
        deck = deck or rng.sample(list(_ACTS), len(_ACTS))
        name = deck.pop()
        done[name] += 1
        await _ACTS[name](fleet, server, rng)
        await asyncio.sleep(rng.uniform(1, 4))
        world = fleet.source.world
        for edit in range(edits):
            world.update_client(rng.choice(list(world.clients)), name=f"Renamed {done.total()}.{edit}")
    return done, samples


def _print_course(samples: list[Sample], beats: list[list["Beat"]]) -> None:
    """How memory, tasks, connections, tables, WAL and staleness went, a line for each tenth of the time."""
    for name, course in (("the one that was never killed", beats[0]), ("the last one of the others", beats[-1])):
        told = (f"{beat.age_s:.0f} s: {beat.mib:.1f} MiB, {beat.tasks} tasks" for beat in _spaced(course))
        print(f"{name}, at its heartbeats: {'; '.join(told)}")
    for s in _spaced(samples):
        print(
            f"after {s.age_s:5.0f} s: {s.mib:6.1f} MiB, {s.connections} connections, rows {s.rows_mib:.0f} MiB, "
            f"history {s.history_mib:.0f} MiB, WAL so far {s.wal_mib:.0f} MiB, stalest token {s.stalest_s:.0f} s"
        )
    print(f"stalest token at any sample: {max(s.stalest_s for s in samples):.0f} s")


def _spaced(course: list[Any]) -> list[Any]:
    """At most a dozen, evenly."""
    return course[:: max(1, len(course) // 11)]


def _grows(mib: list[float]) -> bool:
    third = max(1, len(mib) // 3)
    return statistics.median(mib[-third:]) > 1.1 * statistics.median(mib[:third]) + 4


class Beat(NamedTuple):
    """What a daemon told of itself at one moment of its life."""

    age_s: float
    mib: float
    tasks: int


def _beats(daemon: Process) -> list[Beat]:
    return [
        Beat(event["syncd.uptime_seconds"], event["syncd.rss_bytes"] / (1 << 20), event["syncd.tasks"])
        for event in daemon.events
        if event["event.action"] == "syncd.heartbeat"
    ]


def _pile_up(tasks: list[int], tokens: int) -> bool:
    """Whether there are more than all tokens' pulls need at once, each with two requests; or the least of a few
    heartbeats has risen, for what is left over never ends."""
    few = max(2, len(tasks) // 3)
    return max(tasks) > 3 * tokens + 20 or min(tasks[-few:]) > min(tasks[:few]) + tokens // 2


async def _next_beat(daemon: Process) -> None:
    """Wait for a heartbeat that is yet to come: that of a minute in peace."""
    before = len(_beats(daemon))
    async with asyncio.timeout(120):
        while len(_beats(daemon)) == before:  # noqa: ASYNC110 - a line that was read already is not waited for
            await asyncio.sleep(1)


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / (1 << 20)


async def _kill(fleet: Fleet, _server: EmbeddedPostgres, _rng: random.Random) -> None:
    await fleet.daemons[-1].kill()
    await fleet.start()


async def _restart_database(_fleet: Fleet, server: EmbeddedPostgres, _rng: random.Random) -> None:
    process: Any = server._process
    process.kill()
    process.wait()
    await asyncio.sleep(1)
    await server.revive()


async def _hang_up(fleet: Fleet, _server: EmbeddedPostgres, _rng: random.Random) -> None:
    for daemon in fleet.daemons[:1] + fleet.daemons[-1:]:
        daemon.send(signal.SIGHUP)


def _strike(fleet: Fleet, name: str, mishap: Mishap, times: int) -> None:
    """Next, and before what is left of those that came earlier."""
    faults = fleet.source.faults
    faults.add(mishap, name=name, times=times)
    faults.script.insert(0, faults.script.pop())


async def _storm(fleet: Fleet, _server: EmbeddedPostgres, rng: random.Random) -> None:
    _strike(fleet, "5xx storms", mishaps.status(rng.choice([500, 502, 503])), rng.randint(5, 60))


async def _hangs(fleet: Fleet, _server: EmbeddedPostgres, rng: random.Random) -> None:
    _strike(fleet, "hangs", mishaps.hang(), rng.randint(1, 5))


async def _too_many(fleet: Fleet, _server: EmbeddedPostgres, rng: random.Random) -> None:
    _strike(fleet, "429", mishaps.status(429, headers={"Retry-After": "2"}), rng.randint(1, 10))


async def _quota(fleet: Fleet, _server: EmbeddedPostgres, rng: random.Random) -> None:
    said = b'"You have hit your hourly limit for API calls. The quota will reset in 5 seconds."'
    _strike(fleet, "402", mishaps.status(402, said, {"Retry-After": "5"}), rng.randint(1, 5))


async def _frozen(fleet: Fleet, _server: EmbeddedPostgres, rng: random.Random) -> None:
    await freeze(fleet.daemons[rng.choice([0, -1])], rng.uniform(1, 14))


_ACTS = {
    "kills": _kill,
    "database restarts": _restart_database,
    "reloads": _hang_up,
    "5xx storms": _storm,
    "hangs": _hangs,
    "429": _too_many,
    "402": _quota,
    "freezes": _frozen,
}
