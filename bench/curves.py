"""The scaling curves of docs/performance.md, drawn from what RESULTS.md tells.

python -m bench.curves
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from bench.stage import ROOT

RESULTS = ROOT / "bench" / "RESULTS.md"
IMAGES = ROOT / "docs" / "images"

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 560, 50, 345
LABEL_PX = 17
"""As far apart are names of curves at least."""

LIGHT = ("#0969da", "#1a7f37", "#bc4c00", "#8250df", "#57606a", "#bf3989")
DARK = ("#58a6ff", "#3fb950", "#f0883e", "#bc8cff", "#9198a1", "#f778ba")
"""Of the curves; with either ground each is told by its name at its end, too."""

Row = Mapping[str, str]
Curves = Mapping[str, Sequence[tuple[float, float]]]
"""Name -> its points; a curve without points is left out."""


class Axis(NamedTuple):
    """From `low` to `high` in values, from `start` to `end` in pixels; `ticks`: the values that are written at it."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[float]
    is_log: bool

    def place(self, value: float) -> float:
        """The pixel of a value."""
        low, high, at = (math.log10(v) if self.is_log else v for v in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)


def log_axis(values: Iterable[float], start: float, end: float) -> Axis:
    """Powers of ten around all values, which are above 0."""
    logs = [math.log10(value) for value in values]
    first, last = math.floor(min(logs)), math.ceil(max(logs))
    last = max(last, first + 1)
    return Axis(10.0**first, 10.0**last, start, end, [10.0**n for n in range(first, last + 1)], is_log=True)


def linear_axis(values: Iterable[float], start: float, end: float) -> Axis:
    """From 0 in four to ten steps of 1, 2 or 5 times a power of ten."""
    most = max(values)
    power = 10.0 ** math.floor(math.log10(most))
    step = next(step for step in (power / 5, power / 2, power, power * 2) if most <= 6 * step)
    count = math.ceil(most / step)
    return Axis(0.0, count * step, start, end, [n * step for n in range(count + 1)], is_log=False)


def chart(title: str, x_name: str, y_name: str, curves: Curves, y_axis: Callable[..., Axis] = log_axis) -> str:
    """An SVG, for light and for dark pages. Pure; of equal curves equal text."""
    drawn = {name: sorted(points) for name, points in curves.items() if points}
    x = log_axis((at for points in drawn.values() for at, _ in points), LEFT, RIGHT)
    y = y_axis((value for points in drawn.values() for _, value in points), BOTTOM, TOP)
    names = _apart([y.place(points[-1][1]) for points in drawn.values()])
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>\n<style>{_style()}</style>",
        f'<rect class="bg" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
        f'<text class="t" x="{LEFT}" y="26">{escape(title)}</text>',
        f'<text class="s" x="{LEFT - 8}" y="{TOP - 9}" text-anchor="end">{escape(y_name)}</text>',
        f'<text class="s" x="{(LEFT + RIGHT) / 2:.0f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(x_name)}</text>',
        *_grid(x, y),
    ]
    for number, (name, points) in enumerate(drawn.items()):
        pixels = [(x.place(at), y.place(value)) for at, value in points]
        path = " ".join(f"{at:.1f},{value:.1f}" for at, value in pixels)
        parts.append(f'<polyline class="curve c{number}" points="{path}"/>')
        parts += [f'<circle class="f{number}" cx="{at:.1f}" cy="{value:.1f}" r="3.5"/>' for at, value in pixels]
        parts.append(f'<text class="f{number}" x="{RIGHT + 12}" y="{names[number] + 4:.1f}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def read_runs(page: str) -> list[Row]:
    """The table "Everything that was run", by the names of its columns.

    Raises:
        ValueError: the page has none.
    """
    _, found, rest = page.partition("## Everything that was run\n")
    if not found:
        raise ValueError(f"{RESULTS.name} has no table of runs: write it by `make bench`")
    lines = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in rest.partition("\n## ")[0].splitlines()
        if line.startswith("|")
    ]
    return [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]]


def charts(rows: Sequence[Row]) -> dict[str, str]:
    """File name -> picture, of those that something is known for."""
    many = [row for row in rows if row["case"].endswith(" rows") or row["case"] == "base"]
    one = [row for row in rows if row["case"].startswith("one token of")]
    small = [row for row in rows if row["case"].endswith(" tokens")]
    seconds, megabytes = "median s", "peak MB"
    by_rows = {
        f"{called}, {of}": _points(some, step, "rows", seconds)
        for step, called in (("first", "first sync"), ("1 %", "1 % changed"), ("unchanged", "no change"))
        for some, of in ((many, "many tokens"), (one, "one token"))
    }
    by_tokens = {
        "first sync": _points(small, "first", "tokens", seconds),
        "no change": _points(small, "unchanged", "tokens", seconds),
    }
    memory = {
        "many tokens": _points(many, "first", "rows", megabytes),
        "one token": _points(one, "first", "rows", megabytes),
    }
    titles = {
        "cost-by-rows.svg": ("Seconds of a whole run, by rows", "rows", "s", by_rows, log_axis),
        "cost-by-tokens.svg": ("Seconds of a whole run, by tokens of 25 rows", "tokens", "s", by_tokens, log_axis),
        "memory-by-rows.svg": ("Peak memory of the first sync, by rows", "rows", "MB", memory, linear_axis),
    }
    return {name: chart(*drawn) for name, drawn in titles.items() if any(drawn[3].values())}


def _points(rows: Iterable[Row], step: str, across: str, up: str) -> list[tuple[float, float]]:
    """Of syncd itself."""
    wanted = [row for row in rows if row["step"] == step and row["contestant"] == "syncd"]
    return [(_number(row[across]), _number(row[up])) for row in wanted]


def _number(cell: str) -> float:
    return float(cell.replace(",", ""))


def _style() -> str:
    """Colours of both grounds: c0, c1 … for lines, f0, f1 … for what is filled."""
    rules = {
        ground: "".join(f".c{n}{{stroke:{colour}}}.f{n}{{fill:{colour}}}" for n, colour in enumerate(colours))
        for ground, colours in (("light", LIGHT), ("dark", DARK))
    }
    return (
        ".bg{fill:#fff}text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-size:15px;font-weight:600}"
        ".s{fill:#57606a;font-size:12px}.grid{stroke:#d0d7de}.curve{fill:none;stroke-width:2}"
        f"{rules['light']}\n@media (prefers-color-scheme:dark){{.bg{{fill:#0d1117}}text{{fill:#e6edf3}}"
        f".s{{fill:#9198a1}}.grid{{stroke:#30363d}}{rules['dark']}}}"
    )


def _grid(x: Axis, y: Axis) -> list[str]:
    """Lines and what is written at them."""
    parts = []
    for value in x.ticks:
        at = x.place(value)
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{BOTTOM}"/>')
        parts.append(f'<text class="s" x="{at:.1f}" y="{BOTTOM + 18}" text-anchor="middle">{value:,.10g}</text>')
    for value in y.ticks:
        at = y.place(value)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{RIGHT}" y2="{at:.1f}"/>')
        parts.append(f'<text class="s" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{value:,.10g}</text>')
    return parts


def _apart(places: Sequence[float]) -> list[float]:
    """The same places, moved down so far that names at them can be read."""
    moved = list(places)
    above = -math.inf
    for number in sorted(range(len(places)), key=lambda number: places[number]):
        above = moved[number] = max(places[number], above + LABEL_PX)
    return moved


def main() -> None:
    for name, picture in charts(read_runs(RESULTS.read_text("utf-8"))).items():
        (IMAGES / name).write_text(picture, "utf-8")


if __name__ == "__main__":
    main()
