"""The tables: goals with their verdicts, and what everything took."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from importlib import metadata

from bench.contestants import MELTANO, PIPELINEWISE
from bench.goals import Figures, Goal
from bench.stage import ENVIRONMENTS, Cost
from bench.suite import Result, Results

FOREIGN = {
    "dlt": "bench/dlt",
    "pipelinewise-target-postgres": PIPELINEWISE,
    "meltanolabs-target-postgres": MELTANO,
}
OWN = ("syncd", "aiohttp", "asyncpg", "msgspec")


def judged(results: Results, goals: Iterable[Goal], *, is_whole: bool) -> list[list[str]]:
    """One line per goal: text, asked, wanted, by median, by minimum, verdict by median.

    A goal whose steps were not played is told only if *is_whole*, for then they were to be.
    """
    lines = []
    for goal in goals:
        sign = "≥" if goal.better == "more" else "≤"
        limits = [f"{sign} {_figure(limit)}" for limit in (goal.asked, goal.wanted)]
        try:
            median, best = (goal.measure(Figures(results, choose)) for choose in (statistics.median, min))
            lines.append([goal.text, *limits, _with(goal, median), _with(goal, best), goal.verdict(median)])
        except KeyError:
            if is_whole:
                lines.append([goal.text, *limits, "", "", "not measured"])
    return lines


GOAL_HEAD = ["", "asked", "wanted", "by median", "by minimum", "is as"]
COST_HEAD = ["case", "tokens", "rows", "step", "contestant", "runs", "median s", "min s", "CPU s", "PG CPU s"]
COST_HEAD += ["rows/s", "peak MB", "WAL B/row"]


def costs(results: Results) -> list[list[str]]:
    """One line per workload, step and contestant."""
    return [_cost(result) for result in results.values()]


def readers(results: Results) -> list[str]:
    """What readers saw, one line per step: of several runs the worst."""
    lines = []
    for result in results.values():
        seen = [cost.readers for cost in result.costs if cost.readers]
        if seen:
            worst = {name: max(each[name] for each in seen) for name in seen[0]}
            figures = ", ".join(f"{name} {_figure(value)}" for name, value in worst.items())
            lines.append(f"{result.workload.name}, {result.contestant}, {result.step}: {figures}")
    return lines


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Markdown that can be read as it is."""
    rows = [list(head), *map(list, lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def machine(load: Sequence[float], postgres_version: str) -> list[str]:
    """What it was run on. `load`: load averages before and after."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [f"{name} {metadata.version(name)}" for name in OWN]
    versions += [f"{name} {_version(name, home)}" for name, home in FOREIGN.items() if (ENVIRONMENTS / home).exists()]
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return [
        f"- {os.cpu_count()} cores, {memory:.0f} GB of memory, {system}",
        f"- load average before {load[0]:.1f}, after {load[1]:.1f}",
        f"- Python {platform.python_version()}, PostgreSQL {postgres_version}, {', '.join(versions)}",
    ]


def _cost(result: Result) -> list[str]:
    shape, wall = result.workload.shape, [cost.wall_s for cost in result.costs]
    median = statistics.median(wall)
    cpu, postgres_cpu, peak, wal = (
        _median(result.costs, name) for name in ("cpu_s", "postgres_cpu_s", "peak_mb", "wal_bytes")
    )
    return [
        *(result.workload.name, f"{shape.tokens:,}", f"{shape.rows:,}", result.step, result.contestant),
        str(len(wall)),
        *(f"{median:.2f}", f"{min(wall):.2f}", f"{cpu:.2f}", f"{postgres_cpu:.2f}"),
        *(f"{shape.rows / median:,.0f}", f"{peak:.0f}", f"{wal / shape.rows:.1f}"),
    ]


def _median(costs_: Sequence[Cost], name: str) -> float:
    return float(statistics.median(getattr(cost, name) for cost in costs_))


def _with(goal: Goal, value: float) -> str:
    return f"{_figure(value)} {goal.unit}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")


def _version(name: str, home: str) -> str:
    packages = next((ENVIRONMENTS / home).glob("lib/python*/site-packages"))
    (found,) = metadata.distributions(name=name, path=[str(packages)])
    return found.version
