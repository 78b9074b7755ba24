"""The long runs. Each prints its figures and returns what was wrong."""

import asyncio
import random
import signal
import statistics
import time
from pathlib import Path

from syncd.emulator import mishaps
from syncd.postgres.embedded import EmbeddedPostgres
from tests.replicas.fleet import Fleet, Size, fleet_of, freeze

HEARTBEAT_S = 10.0
SLACK_S = 5.0
"""Starting, ticking and a busy machine, beyond what is promised."""


async def takeover(home: Path, server: EmbeddedPostgres, kills: int) -> list[str]:
    """The local dispatcher: from the leader's death to the standby's first turn."""
    taken: list[float] = []
    async with fleet_of(home, server.url, Size(4), dispatcher="local", interval_s=1) as fleet:
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
        home, server.url, Size(tokens), dispatcher="pgqueuer", interval_s=interval_s, settings=settings
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
        home, server.url, Size(20), dispatcher="local", interval_s=5, settings={"max_concurrent_pulls": 10}
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
