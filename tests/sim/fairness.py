"""How much staler healthy tokens become when others are broken: the same stretch undisturbed, and with broken ones.

`python -m tests.sim.fairness` writes the table of docs/replicas.md.
"""

import sys
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from tests.docs.measured import write_table
from tests.sim.month import Setting, simulate
from tests.sim.spells import HOUR_S, Spell

TOLERANCE = 1.10

KINDS = {
    "hang": "hang, no byte for 30 s",
    "drip": "send a body without end",
    "flood": "send bodies above the limit",
    "redirect": "redirect",
    "503": "fail at once with 503",
    "refused": "refuse connections",
    "401": "reject the token",
    "429": "say 429 for ever",
    "deaf": "hang, and the pull outlives its deadline",
}
"""How tokens are broken -> in words."""


class Figures(NamedTuple):
    """Staleness over time, in seconds."""

    mean: float
    p95: float
    worst: float

    def over(self, other: "Figures") -> "Figures":
        """As multiples of another one's."""
        return Figures(*(mine / its for mine, its in zip(self, other, strict=True)))


class Stretch(NamedTuple):
    """`limit`: places of a lane, fewer than tokens; the first `broken` tokens are so all the time but at the ends."""

    tokens: int = 20
    limit: int = 4
    interval_s: float = 300.0
    hours: float = 4.0
    seed: int = 1

    def figures(self, of: Iterable[str], kind: str = "", broken: int = 0) -> Figures:
        """How stale the tokens `of` are while others are broken in this way."""
        successes = successes_of(self, kind, broken)
        return figures_of([success for name in of for success in pairwise(successes[name])])

    def disturbed(self, kind: str, broken: int) -> Figures:
        """What broken ones make of the others' staleness, as multiples of what it is undisturbed."""
        others = [f"t{n}" for n in range(broken, self.tokens)]
        return self.figures(others, kind, broken).over(self.figures(others))


@cache
def successes_of(stretch: Stretch, kind: str, broken: int) -> dict[str, list[tuple[float, float]]]:
    """Of every token, with the first ones broken in this way."""
    length_s = stretch.hours * HOUR_S
    names = frozenset(f"t{n}" for n in range(broken))
    spells = (Spell(kind, HOUR_S / 2, length_s - HOUR_S / 4, names),) if broken else ()
    intervals_s = (stretch.interval_s,) * stretch.tokens
    return simulate(Setting(stretch.seed, stretch.hours / 24, intervals_s, 1.0, stretch.limit, spells)).successes


def figures_of(pairs: Iterable[tuple[tuple[float, float], tuple[float, float]]]) -> Figures:
    """From successes (began, ended) and the next ones: between their ends, staleness grows from one age to another."""
    ramps = [(end - began, next_end - began) for (began, end), (_, next_end) in pairs]
    seconds = sum(last - first for first, last in ramps)
    mean = sum(last**2 - first**2 for first, last in ramps) / 2 / seconds
    samples = sorted(first + (last - first) * n / 50 for first, last in ramps for n in range(50))
    return Figures(mean, samples[len(samples) * 95 // 100], max(last for _, last in ramps))


def main() -> int:
    stretch = Stretch()
    shares = [stretch.tokens // 4, stretch.tokens // 2, stretch.tokens * 3 // 4]
    lines = [
        f"| the broken ones of {stretch.tokens} | {' | '.join(f'{k} of them' for k in shares)} |",
        "|---|" + "---|" * len(shares),
    ]
    worst = 0.0
    for kind, words in KINDS.items():
        found = [stretch.disturbed(kind, broken) for broken in shares]
        worst = max(worst, *(max(figures) for figures in found))
        lines.append(f"| {words} | {' | '.join(', '.join(f'{x:.3f}' for x in figures) for figures in found)} |")
        print(lines[-1], flush=True)
    write_table("docs/replicas.md", "fairness", lines)
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
