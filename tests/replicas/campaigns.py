"""The long runs. Each prints its figures and returns what was wrong."""

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
from tests.replicas.fleet import Fleet, fleet_of, freeze

HEARTBEAT_S = 10.0
SLACK_S = 5.0
"""Starting, ticking and a busy machine, beyond what is promised."""


async def takeover(home: Path, server: EmbeddedPostgres, kills: int) -> list[str]:
    """The local dispatcher: from the leader's death to the standby's first turn."""
    taken: list[float] = []
    async with fleet_of(home, server.url, 4, dispatcher="local", interval_s=1) as fleet:
        await fleet.start()
        await fleet.daemons[0].event("syncd.leader.acquired")
        for number in range(kills):
            await fleet.start()
            leader, standby = fleet.daemons[number:]
            await asyncio.sleep(random.random())
            died = time.monotonic()
            leader.send(signal.SIGKILL)
            await standby.event("syncd.leader.acquired")
            taken.append(time.monotonic() - died)
            await fleet.until_fresh(4, 30)
        doubled = await fleet.doubled_versions()
    print(
        f"{kills} kills: taken over after {min(taken):.2f} s at best, {statistics.median(taken):.2f} s in the middle, "
        f"{max(taken):.2f} s at worst; doubled versions: {doubled}"
    )
    return [f"a take-over took {max(taken):.2f} s"] * (max(taken) > 2) + ["doubled versions"] * (doubled > 0)


async def replicas(home: Path, server: EmbeddedPostgres, tokens: int, frozen_s: float) -> list[str]:
    """Three replicas: one is killed, another frozen and woken."""
    interval_s, wrongs = 60, list[str]()
    settings = {"max_concurrent_pulls": 32}
    async with fleet_of(
        home, server.url, tokens, dispatcher="pgqueuer", interval_s=interval_s, settings=settings
    ) as fleet:
        await fleet.start(3)
        first_s = await fleet.until_fresh(tokens, 300)
        fleet.daemons[0].send(signal.SIGKILL)
        for n in range(0, tokens, 10):
            fleet.source.world.update_client(10 * n + 1, name=f"Renamed {n}")
        frozen = asyncio.create_task(freeze(fleet.daemons[1], frozen_s))
        again_s = await fleet.until_fresh(tokens, 300)
        await frozen
        await fleet.until_fresh(tokens, 300)
        bound_s = HEARTBEAT_S + interval_s + SLACK_S
        doubled, bursts, is_mirror = await fleet.doubled_versions(), fleet.source.bursts(1.0), await fleet.is_mirror()
        ((connections,),) = await fleet.rows(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'syncd%'"
        )
        print(
            f"{tokens} tokens every {interval_s} s; all fresh {first_s:.1f} s after the start, and {again_s:.1f} s "
            f"after one of three was killed and one frozen for {frozen_s:g} s (promised: {bound_s:g} s)\n"
            f"pulls of each: {[fleet.pulls(n) for n in range(3)]}; connections of the two left: {connections}\n"
            f"doubled versions: {doubled}; requests before their slot: {bursts} of {fleet.source.asked:,}; "
            f"least gap of one token: {fleet.source.least_gap_s:.3f} s; mirror as the source: {is_mirror}"
        )
    wrongs += [f"fresh only after {again_s:.1f} s"] * (again_s > bound_s)
    wrongs += ["doubled versions"] * (doubled > 0) + ["above the rate"] * (bursts > 0)
    return wrongs + ["the mirror differs"] * (not is_mirror)


async def fairness(home: Path, server: EmbeddedPostgres, seconds: float) -> list[str]:
    """Few places, and more tokens than these that hang, flood or fail: how stale do the others become?"""
    worst: dict[str, float] = {}
    async with fleet_of(
        home, server.url, 20, dispatcher="local", interval_s=5, settings={"max_concurrent_pulls": 10}
    ) as fleet:
        await fleet.start()
        await fleet.until_fresh(20, 120)
        for name, mishap in (
            ("undisturbed", None),
            ("5 of 20 hang", mishaps.hang()),
            ("5 of 20 flood", mishaps.huge(80 << 20)),
            ("5 of 20 fail", mishaps.status(500)),
        ):
            fleet.source.faults.forget()
            await asyncio.sleep(15)
            if mishap is not None:
                for n in range(5):
                    fleet.source.faults.add(mishap, token=f"t{n}", times=None)
                await asyncio.sleep(30)  # until they are known
            worst[name] = await _worst_staleness(fleet, seconds)
    print("\n".join(f"{name}: others at most {staleness_s:.2f} s stale" for name, staleness_s in worst.items()))
    bound_s = 1.1 * worst["undisturbed"]
    return [f"{name}: {staleness_s:.2f} s" for name, staleness_s in worst.items() if staleness_s > bound_s]


async def _worst_staleness(fleet: Fleet, seconds: float) -> float:
    """The mean over the healthy tokens of how stale each became at most."""
    worst: dict[str, float] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for name, staleness_s in await fleet.rows(
            "SELECT name, extract(epoch FROM now() - last_success_at)::float8 FROM syncd.tokens"
        ):
            if int(name[1:]) >= 5:
                worst[name] = max(worst.get(name, 0.0), staleness_s)
        await asyncio.sleep(0.05)
    return statistics.mean(worst.values())


async def chaos(home: Path, server: EmbeddedPostgres, seconds: float, seed: int) -> list[str]:
    """Everything at once on two replicas, of which one is never killed: its memory and tasks are watched."""
    rng, tokens = random.Random(seed), 40
    async with fleet_of(home, server.url, tokens, dispatcher="pgqueuer", interval_s=5) as fleet:
        await fleet.start(2)
        await fleet.until_fresh(tokens, 120)
        done, resident = await _havoc(fleet, server, rng, seconds)
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
    for name, course in (("the one that was never killed", beats[0]), ("the last one of the others", beats[-1])):
        told = (f"{beat.age_s:.0f} s: {beat.mib:.1f} MiB, {beat.tasks} tasks" for beat in course)
        print(f"{name}, at its heartbeats: {'; '.join(told)}")
    third = max(1, len(resident) // 3)
    early, late = statistics.median(resident[:third]), statistics.median(resident[-third:])
    print(f"memory of the one that was never killed, in the middle: {early:.1f} MiB, later {late:.1f} MiB")
    wrongs = [f"{event} was logged" for event in sorted(bad)]
    missed = [name for name in _ACTS if not fired.get(name, done[name])]
    wrongs += [f"{name}: never struck" for name in missed] * (seconds >= 120)
    wrongs += ["doubled versions"] * (doubled > 0) + ["above the rate"] * (bursts > 0)
    wrongs += ["the mirror differs"] * (not is_mirror) + ["memory grows"] * (late > 1.1 * early + 4)
    return wrongs + ["tasks pile up"] * _pile_up([beat.tasks for beat in beats[0][1:]], tokens)


_NEVER = {"syncd.invariant.violated", "syncd.pull.stuck"}


async def _havoc(
    fleet: Fleet, server: EmbeddedPostgres, rng: random.Random, seconds: float
) -> tuple[Counter[str], list[float]]:
    """One act after the other, each kind as often as any; how often each, and the MiB of the first daemon meanwhile.

    What it holds in the first two minutes (or the first third of a short run) is not told: it is still growing up.
    """
    done, deck, resident = Counter[str](), list[str](), list[float]()
    started = time.monotonic()
    while (age_s := time.monotonic() - started) < seconds:
        if age_s >= min(120, seconds / 3):
            resident.append(_resident_mib(fleet.daemons[0].pid))
        deck = deck or rng.sample(list(_ACTS), len(_ACTS))
        name = deck.pop()
        done[name] += 1
        await _ACTS[name](fleet, server, rng)
        await asyncio.sleep(rng.uniform(1, 4))
        _edit(fleet, rng)
    return done, resident


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


def _edit(fleet: Fleet, rng: random.Random) -> None:
    world = fleet.source.world
    world.update_client(rng.choice(list(world.clients)), name=f"Renamed {rng.random():.6f}")


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
