"""Many seeds: each judged, those about isolation also against the same seed without faulty accounts."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from syncd.records import RESOURCES
from tests.sim.scenario import TICK_S, Setting, Verdict, simulate
from tests.sim.source import EVENTS
from tests.sim.wire import FAULTS

TOLERANCE = 1.10
"""How much staler an account may be for the troubles of others."""

MUST_FIRE = frozenset(
    [f"http {fault}" for fault in FAULTS]
    + [f"source {event}" for event in EVENTS]
    + [f"pull {result}" for result in ("unchanged", "changed", "partial", "failed")]
    + [f"incomplete {why}" for why in ("unframed", "rejects", "duplicates", "workspaces_changed", "http_403")]
    + ["insert", "update", "volatile", "reappear", "tombstone", "stub", "stale", "restored", "yielded", "owner changed"]
    + [f"{kind} {what}" for kind in RESOURCES for what in ("update", "reappear", "tombstone")]
    + ["held shrunk", "held emptied", "decision approve", "decision reject", "hold", "retry", "asked for one"]
    + ["fence in a transaction", "fence at finish", "fenced out", "workspace lost", "row refused"]
    + ["quarantined", "released", "database failed", "database answer lost"]
    + ["killed", "stopped", "abandoned", "ranks changed", "token removed and back"]
)
"""What a campaign of any size must have seen, or it proves nothing about it."""


def judge(seed: int) -> Verdict:
    """Run a seed; with its baseline, where it is about isolation."""
    setting = Setting.of(seed)
    verdict = simulate(setting)
    if setting.style == "isolation":
        verdict.wrongs.extend(_more_stale(setting, verdict, simulate(replace(setting, faulty=0))))
    return verdict


def _more_stale(setting: Setting, verdict: Verdict, baseline: Verdict) -> list[str]:
    """I7: what healthy accounts lost by the troubles of the others."""
    wrongs = []
    for name in [f"t{n}" for n in range(setting.tokens - setting.faulty)]:
        gaps, usual = verdict.stale_s.get(name, []), baseline.stale_s.get(name, [])
        if len(gaps) < len(usual) - 1:
            wrongs.append(f"I7 {name} succeeded {len(gaps)} times, {len(usual)} times without the troubles of others")
        elif usual and fmean(gaps) > fmean(usual) * TOLERANCE + TICK_S:
            wrongs.append(f"I7 {name}: {fmean(gaps):.1f} s between successes, {fmean(usual):.1f} s without the others")
    return wrongs


def digests(seeds: Sequence[int]) -> list[str]:
    """What happened in each seed, line by line, as one number."""
    return [hashlib.sha256("\n".join(simulate(Setting.of(seed)).log).encode()).hexdigest() for seed in seeds]


def digests_elsewhere(seeds: Sequence[int]) -> list[str]:
    """The same, in another process whose strings hash differently."""
    command = [sys.executable, "-m", "tests.sim", "--digest", *map(str, seeds)]
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def silent(fired: Counter[str]) -> list[str]:
    """What should have fired and never did."""
    return sorted(name for name in MUST_FIRE if not fired[name])
