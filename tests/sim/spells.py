"""What goes wrong in a stretch of days, when, and for whom: drawn by the seed before the first pull."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

HOUR_S = 3600.0

SOURCE = (
    "503", "hang", "deaf", "drip", "flood", "redirect", "refused", "html", "cut", "slow", "401", "402", "429",
    "429 long",
)  # fmt: skip
"""What the source may do to the tokens of a spell; see tests.sim.accounts."""

DATABASE = ("database refuses", "database silent", "database flaky")
PROCESS = ("killed", "stopped")
CLOCK = ("wall clock ahead", "wall clock back", "asleep")
KINDS = (*SOURCE, *DATABASE, *PROCESS, *CLOCK)


@dataclass(frozen=True, slots=True)
class Spell:
    """From `since` until `until`, in virtual seconds; `tokens`: whose source it is about.

    Of a process it is the time until the next one starts; a clock jumps at `since`, by `jump_s`.
    """

    kind: str
    since: float
    until: float
    tokens: frozenset[str] = frozenset()
    jump_s: float = 0.0


def draw(rng: Random, names: Sequence[str], length_s: float, every_s: float) -> list[Spell]:
    """About one spell in `every_s`; they may overlap. The last hour is quiet, so that all may recover."""
    spells: list[Spell] = []
    at = HOUR_S / 2 + rng.expovariate(1 / every_s)
    while at < length_s - HOUR_S:
        group = rng.choice([SOURCE, SOURCE, DATABASE, PROCESS, CLOCK])
        spells.append(a_spell(rng, rng.choice(group), at, names))
        at += rng.expovariate(1 / every_s)
    return [spell for spell in spells if spell.until < length_s - HOUR_S]


def a_spell(rng: Random, kind: str, at: float, names: Sequence[str]) -> Spell:
    """One of a kind, of a usual length."""
    if kind in SOURCE:
        count = rng.choice([1, 1, len(names) // 2, 3 * len(names) // 4, len(names)])
        tokens = frozenset(rng.sample(list(names), max(1, count)))
        return Spell(kind, at, at + rng.choice([60.0, 600.0, HOUR_S, 6 * HOUR_S]) * rng.uniform(0.5, 1.5), tokens)
    if kind in DATABASE:
        return Spell(kind, at, at + rng.choice([2.0, 60.0, 600.0, HOUR_S]) * rng.uniform(0.5, 1.5))
    if kind in PROCESS:
        return Spell(kind, at, at + rng.choice([1.0, 30.0, 600.0]) * rng.uniform(0.5, 1.5))
    jump_s = rng.choice([90.0, HOUR_S, 8 * HOUR_S]) * rng.uniform(0.5, 1.5)
    return Spell(kind, at, at, jump_s=-jump_s if kind == "wall clock back" else jump_s)


def one_after_another(lives: Iterable[Spell]) -> list[Spell]:
    """Spells of processes, without those that begin while the process is down already."""
    found: list[Spell] = []
    for spell in sorted(lives, key=lambda spell: spell.since):
        if not found or spell.since > found[-1].until + 1.0:
            found.append(spell)
    return found
