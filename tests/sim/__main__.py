"""`python -m tests.sim --seeds 2000 [--first 0] [--jobs 2]`: many simulations; or one, with its log: `--seed 1234`."""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.sim import month
from tests.sim.campaign import digests, digests_elsewhere, judge, silent
from tests.sim.scenario import Setting

FEW = 200
"""Fewer seeds than this need not have met everything."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--seed", type=int, help="only this one, with its log")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--digest", type=int, nargs="*", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.digest is not None:
        print(*digests(chosen.digest), sep="\n")
        return 0
    if chosen.seed is not None:
        return _replay(chosen.seed)
    return _campaign(range(chosen.first, chosen.first + chosen.seeds), chosen.jobs)


def _replay(seed: int) -> int:
    verdict = judge(seed)
    print(*verdict.log, sep="\n")
    print(Setting.of(seed), *verdict.wrongs, sep="\n", file=sys.stderr)
    days = month.simulate(month.Setting.of(seed))
    print(*days.lines, sep="\n")
    print(days.setting, *days.findings.wrongs, sep="\n", file=sys.stderr)
    return 1 if verdict.wrongs or days.findings.wrongs else 0


def _campaign(seeds: range, jobs: int) -> int:
    fired: Counter[str] = Counter()
    failed: list[int] = []
    pulls = requests = steps = 0
    days = month.Total()
    with ProcessPoolExecutor(jobs) as pool:
        stretches = pool.map(month.judge, seeds)
        for verdict in pool.map(judge, seeds, chunksize=4):
            fired += verdict.fired
            pulls, requests, steps = pulls + verdict.pulls, requests + verdict.requests, steps + verdict.steps
            failed += _told(verdict.seed, verdict.wrongs)
        for stretch in stretches:
            days.add(stretch)
            failed += _told(stretch.setting.seed, stretch.findings.wrongs)
    again = list(seeds[:20])
    differing = [seed for seed, a, b in zip(again, digests(again), digests_elsewhere(again), strict=True) if a != b]
    print("\nfired:", *(f"{name} {count:,}" for name, count in sorted(fired.items())), sep="\n  ")
    print(f"\n{len(seeds):,} seeds, {pulls:,} pulls, {requests:,} requests, {steps:,} steps")
    print("\nfired:", *(f"{name} {count:,}" for name, count in sorted(days.fired.items())), sep="\n  ")
    print(f"\n{days}")
    missing = silent(fired) + days.silent() if len(seeds) >= FEW else []
    for what, found in (("failed", failed), ("not the same when run twice", differing), ("never fired", missing)):
        if found:
            print(f"{what}: {', '.join(map(str, found))}")
    if failed:
        print(f"replay with: make sim SEED={failed[0]}")
    return 1 if failed or differing or missing else 0


def _told(seed: int, wrongs: list[str]) -> list[int]:
    """The seed, if something was wrong, which is said."""
    if wrongs:
        print(f"seed {seed}:", *wrongs[:5], sep="\n  ", flush=True)
    return [seed] if wrongs else []


if __name__ == "__main__":
    sys.exit(main())
