"""`python -m tests.sim --seeds 2000 [--first 0] [--jobs 2]`: many simulations; or one, with its log: `--seed 1234`."""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

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
    return 1 if verdict.wrongs else 0


def _campaign(seeds: range, jobs: int) -> int:
    fired: Counter[str] = Counter()
    failed: list[int] = []
    pulls = requests = steps = 0
    with ProcessPoolExecutor(jobs) as pool:
        for verdict in pool.map(judge, seeds, chunksize=4):
            fired += verdict.fired
            pulls, requests, steps = pulls + verdict.pulls, requests + verdict.requests, steps + verdict.steps
            if verdict.wrongs:
                failed.append(verdict.seed)
                print(f"seed {verdict.seed}:", *verdict.wrongs[:5], sep="\n  ", flush=True)
    again = list(seeds[:20])
    differing = [seed for seed, a, b in zip(again, digests(again), digests_elsewhere(again), strict=True) if a != b]
    print("\nfired:", *(f"{name} {count:,}" for name, count in sorted(fired.items())), sep="\n  ")
    print(f"\n{len(seeds):,} seeds, {pulls:,} pulls, {requests:,} requests, {steps:,} steps")
    missing = silent(fired) if len(seeds) >= FEW else []
    for what, found in (("failed", failed), ("not the same when run twice", differing), ("never fired", missing)):
        if found:
            print(f"{what}: {', '.join(map(str, found))}")
    if failed:
        print(f"replay with: make sim SEED={failed[0]}")
    return 1 if failed or differing or missing else 0


if __name__ == "__main__":
    sys.exit(main())
