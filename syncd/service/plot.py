"""The last pulls of a token as bars: how long each took, and what came of it. Pure geometry, for an inline SVG."""

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from syncd.service.recent import PULLS_KEPT, PullMark

STEP = 4
HEIGHT = 24
WIDTH = PULLS_KEPT * STEP
_LEAST = 3
_FASTEST_S, _SLOWEST_S = 0.1, 60.0
_RESULTS = ("unchanged", "changed", "partial", "failed")


class Plot(NamedTuple):
    """`paths`: (result, SVG path data), one per result that occurs. `label`: the same for those who do not see it."""

    paths: list[tuple[str, str]]
    label: str


def plot(marks: Sequence[PullMark]) -> Plot:
    """Bars from the left, oldest first, the newest always at the right edge; heights are logarithmic.

    A failed pull is as high as can be, so that it is told from the others without its colour, too.
    """
    bars: dict[str, list[str]] = {result: [] for result in _RESULTS}
    for place, mark in enumerate(marks, start=PULLS_KEPT - len(marks)):
        height = HEIGHT if mark.result == "failed" else bar_height(mark.duration_s)
        bars[mark.result].append(f"M{place * STEP} {HEIGHT - height}h{STEP - 1}v{height}h-{STEP - 1}z")
    return Plot([(result, "".join(path)) for result, path in bars.items() if path], _label(marks))


def bar_height(duration_s: float) -> int:
    """From _LEAST (a tenth of a second or less) to HEIGHT (a minute or more), in pixels."""
    within = min(max(duration_s, _FASTEST_S), _SLOWEST_S)
    share = math.log(within / _FASTEST_S) / math.log(_SLOWEST_S / _FASTEST_S)
    return _LEAST + round(share * (HEIGHT - _LEAST))


def _label(marks: Sequence[PullMark]) -> str:
    if not marks:
        return "no pull by this process yet"
    counts: Counter[str] = Counter(mark.result for mark in marks)
    parts = [f"{counts[result]} {result}" for result in _RESULTS if counts[result]]
    typical = median(mark.duration_s for mark in marks)
    pulls = "the last pull" if len(marks) == 1 else f"the last {len(marks)} pulls"
    return f"{pulls}: {', '.join(parts)}; typically {typical:.1f} s"
