"""What is asked of the figures, and what is wanted. Data; the arithmetic of a goal is one line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from bench.suite import Results

Choose = Callable[[Sequence[float]], float]
"""Of several runs the median, or the minimum."""


class Figures:
    """The results, reduced to one figure for each step. A step that was not played raises KeyError."""

    def __init__(self, results: Results, choose: Choose) -> None:
        self._results = results
        self._choose = choose

    def s(self, workload: str, step: str, contestant: str = "syncd") -> float:
        """Seconds of the whole run."""
        return self._choose([cost.wall_s for cost in self._results[workload, step, contestant].costs])

    def peak_mb(self, workload: str) -> float:
        """The most memory that any step of syncd's took."""
        results = [result for key, result in self._results.items() if key[0] == workload and key[2] == "syncd"]
        if not results:
            raise KeyError(workload)
        return max(self._choose([cost.peak_mb for cost in result.costs]) for result in results)

    def wal_per_token(self, workload: str, step: str) -> float:
        """Bytes."""
        result = self._results[workload, step, "syncd"]
        return self._choose([cost.wal_bytes for cost in result.costs]) / result.workload.shape.tokens

    def slope(
        self, step: str, unit: Literal["tokens", "rows"], less: str, more: str, contestant: str = "syncd"
    ) -> float:
        """Seconds for each further token or row, between two cases: what every run costs at the start falls out."""
        few, many = (getattr(self._results[case, step, contestant].workload.shape, unit) for case in (less, more))
        return (self.s(more, step, contestant) - self.s(less, step, contestant)) / float(many - few)

    def further_row(self, step: str, contestant: str = "syncd") -> float:
        """Seconds for each further row from 50,000 to those of the base case."""
        return self.slope(step, "rows", "50000 rows", "base", contestant)


@dataclass(frozen=True, slots=True)
class Goal:
    """`asked` and `wanted` are limits of what `measure` gives; `better` says on which side of them to be."""

    text: str
    better: Literal["more", "less"]
    asked: float
    wanted: float
    measure: Callable[[Figures], float]
    unit: str = "×"

    def verdict(self, value: float) -> str:
        """Which of the two limits is kept."""
        for name, limit in (("wanted", self.wanted), ("asked", self.asked)):
            if value >= limit if self.better == "more" else value <= limit:
                return name
        return "missed"


def less(text: str, asked: float, wanted: float, measure: Callable[[Figures], float], unit: str = "×") -> Goal:
    return Goal(text, "less", asked, wanted, measure, unit)


def more(text: str, asked: float, wanted: float, measure: Callable[[Figures], float], unit: str = "×") -> Goal:
    return Goal(text, "more", asked, wanted, measure, unit)


KEY_GOALS = [
    more(
        "first sync: rows/s, as share of the floor (fetch, decode, binary COPY)",
        *(0.30, 0.50),
        lambda f: f.s("base", "first", "floor copy") / f.s("base", "first"),
    ),
    less(
        "no change: time, against fetch and hash of every body",
        *(1.6, 1.1),
        lambda f: f.s("base", "unchanged") / f.s("base", "unchanged", "floor hash"),
    ),
    less(
        "full compare of unchanged rows, against no change",
        *(5, 2.5),
        lambda f: f.s("base", "full") / f.s("base", "unchanged"),
    ),
    less(
        "1 % of the rows changed in every token, against no change",
        *(8, 4),
        lambda f: f.s("base", "1 %") / f.s("base", "unchanged"),
    ),
    less(
        "100 % changed, with history, against the first sync",
        *(1.6, 1.1),
        lambda f: f.s("base", "100 %") / f.s("base", "first"),
    ),
    less("peak memory at 2,500 rows per token", 120, 80, lambda f: f.peak_mb("base"), "MB"),
    less("WAL of a pull without change, per token", 1000, 1000, lambda f: f.wal_per_token("base", "again"), "B"),
    less(
        "the same right after a checkpoint, with its page images",
        *(1000, 1000),
        lambda f: f.wal_per_token("base", "unchanged"),
        "B",
    ),
]


def faster(than: str, workload: str, step: str, asked: float, wanted: float, called: str = "") -> Goal:
    """How many times as long another contestant takes for the same step."""
    text = f"faster than {called or than}, {'no change' if step == 'unchanged' else step}"
    return more(text, asked, wanted, lambda f: f.s(workload, step, than) / f.s(workload, step))


def _growth_per_token(step: str, f: Figures) -> float:
    further = f.slope(step, "tokens", "1000 tokens", "10000 tokens")
    return further / f.slope(step, "tokens", "10 tokens", "1000 tokens")


def _growth_per_row(largest: str, f: Figures) -> float:
    return f.slope("first", "rows", "base", largest) / f.further_row("first")


def _times_per_row(than: str, step: str, f: Figures) -> float:
    return f.further_row(step, than) / f.further_row(step)


MORE_GOALS = [
    more(
        "first sync, share of the floor, by each further row from 50,000 to 0.5 million",
        *(0.30, 0.50),
        lambda f: f.further_row("first", "floor copy") / f.further_row("first"),
    ),
    less(
        "no change, against fetch and hash, by each further row from 50,000 to 0.5 million",
        *(1.6, 1.1),
        lambda f: f.further_row("unchanged") / f.further_row("unchanged", "floor hash"),
    ),
    *(
        more(
            f"faster than executemany, {called}, by each further row from 50,000 to 0.5 million",
            asked,
            wanted,
            partial(_times_per_row, "naive", step),
        )
        for step, called, asked, wanted in (("first", "first", 1.2, 2.5), ("unchanged", "no change", 20, 35))
    ),
    faster("dlt merge", "dlt", "first", 5, 10),
    faster("dlt merge", "dlt", "unchanged", 60, 120),
    faster("dlt merge", "dlt", "1 %", 12, 40),
    faster("naive", "base", "first", 1.2, 2.5, "executemany"),
    faster("naive", "base", "unchanged", 20, 35, "executemany"),
    faster("singer, meltano", "singer", "first", 8, 15, "a Singer pair (MeltanoLabs)"),
    faster("singer, meltano", "singer", "unchanged", 100, 200, "a Singer pair (MeltanoLabs)"),
    faster("singer, pipelinewise", "singer", "first", 8, 15, "a Singer pair (PipelineWise)"),
    faster("singer, pipelinewise", "singer", "unchanged", 100, 200, "a Singer pair (PipelineWise)"),
    less(
        "by client (20 tokens, 10,020 requests): first sync, against the floor",
        *(1.8, 1.2),
        lambda f: f.s("by client", "first") / f.s("by client", "first", "floor copy"),
    ),
    less(
        "by client: no change, against fetch and hash",
        *(1.5, 1.1),
        lambda f: f.s("by client", "unchanged") / f.s("by client", "unchanged", "floor hash"),
    ),
    less("peak memory at 2,500 rows per token, v9", 120, 80, lambda f: f.peak_mb("v9"), "MB"),
    less("peak memory, 20 tokens", 120, 80, lambda f: f.peak_mb("50000 rows"), "MB"),
    less("peak memory, 800 tokens", 120, 80, lambda f: f.peak_mb("2000000 rows"), "MB"),
    less("peak memory, 2,000 tokens", 120, 80, lambda f: f.peak_mb("5000000 rows"), "MB"),
    *(
        less(
            f"first sync: each further row from 0.5 to {millions} million, against from 50,000 to 0.5 million",
            *(1.2, 1.1),
            partial(_growth_per_row, f"{millions}000000 rows"),
        )
        for millions in (2, 5)
    ),
    *(
        less(
            f"{called}: each further token from 1,000 to 10,000, against from 10 to 1,000",
            *(1.2, 1.1),
            partial(_growth_per_token, step),
        )
        for step, called in (("first", "first sync"), ("unchanged", "no change"))
    ),
]
