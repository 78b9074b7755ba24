"""The benchmark measures what it says: the source serves what is counted, and a figure gets the verdict it deserves."""

import json
import re
from collections import Counter
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench.bodies import Change, Shape, State, ages
from bench.curves import chart, charts, linear_axis, log_axis, read_runs
from bench.goals import Figures, Goal, less, more
from bench.load_server import Shelf
from bench.report import COST_HEAD, costs, judged, table
from bench.stage import Cost
from bench.suite import Record, Result, Results, Workload, missing

CHANGED = (Change(3, 1_764_000_000),)
CHANGED_AND_SHRUNK = (*CHANGED, Change(5, 1_764_000_060, is_deletion=True))

SVG = "{http://www.w3.org/2000/svg}"

SHAPES = [
    Shape("v8", tokens=2, clients=11, projects=4),
    Shape("v8", tokens=2, clients=11, projects=4, by="client"),
    Shape("v9", tokens=2, clients=130, projects=4),
]


def rows_of(shelf: Shelf) -> list[dict[str, Any]]:
    """All clients and projects, each once, whoever asks."""
    paths = {path: body for (_, path), body in shelf.bodies.items()}
    lists = [json.loads(body) for path, body in paths.items() if "clients" in path or "projects" in path]
    return [row for rows in lists for row in rows]


@pytest.mark.parametrize("state", [(), CHANGED, CHANGED_AND_SHRUNK])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_counted_is_what_is_served(shape: Shape, state: State) -> None:
    """A contestant is held to as many rows, changed as often, as the source serves."""
    shape = shape._replace(tokens=1)  # or the lists of clients of v8, which are told apart by the token, would be one
    served = Counter(
        int(match[1]) if (match := re.search(r" v(\d+)$", row["name"])) else 0 for row in rows_of(Shelf(shape, state))
    )
    assert ages(shape, state) == served


def test_the_rows_of_all_workspaces_have_ids_of_their_own() -> None:
    """Rows of two workspaces with one id would be one row in a mirror."""
    shelf = Shelf(Shape("v8", tokens=3, clients=11, projects=4), ())
    projects = [row["id"] for (_, path), body in shelf.bodies.items() if "projects" in path for row in json.loads(body)]
    assert len(projects) == len(set(projects)) == 3 * 44


def test_changes_since_an_instant_are_those_that_came_after_it() -> None:
    """Incremental pulls get the changed rows, and the deleted ones with the instant of their end."""
    shape = Shape("v9", tokens=1, clients=10, projects=4)
    shelf = Shelf(shape, CHANGED_AND_SHRUNK)
    path = "/api/v9/workspaces/1001/projects?active=both&per_page=200&page=1&since="
    since = {at: json.loads(shelf.find("", f"{path}{at}") or b"") for at in (0, 1_764_000_030, 1_764_000_090)}
    changed = {number for number in range(40) if number % 3 == 0}
    gone = {number for number in range(40) if number % 5 == 0 or number // 4 % 5 == 0}
    assert {row["id"] - 1 for row in since[0]} == changed | gone
    assert {row["id"] - 1 for row in since[1_764_000_030] if row["server_deleted_at"]} == gone
    assert since[1_764_000_090] == []


@pytest.mark.parametrize(
    ("goal", "value", "expected"),
    [
        (less("", 1.6, 1.1, lambda _: 0), 1.1, "wanted"),
        (less("", 1.6, 1.1, lambda _: 0), 1.6, "asked"),
        (less("", 1.6, 1.1, lambda _: 0), 1.61, "missed"),
        (more("", 0.3, 0.5, lambda _: 0), 0.5, "wanted"),
        (more("", 0.3, 0.5, lambda _: 0), 0.49, "asked"),
        (more("", 0.3, 0.5, lambda _: 0), 0.29, "missed"),
    ],
)
def test_a_limit_that_is_met_exactly_is_kept(goal: Goal, value: float, expected: str) -> None:
    """The verdict names the harder of the limits that a value keeps."""
    assert goal.verdict(value) == expected


def test_a_slope_leaves_out_what_every_run_costs() -> None:
    """Ten runs' worth of start-up does not hide what a further token costs."""
    results = played(10, 1_000)
    assert pytest.approx(0.01) == Figures(results, min).slope("first", "tokens", "10 tokens", "1000 tokens")


def test_a_goal_that_was_not_measured_is_told_by_a_whole_run() -> None:
    """A page without a line for it would look as if all were well; a run of a few cases is not asked for the rest."""
    goal = less("WAL", 1, 1, lambda figures: figures.s("base", "first"))
    assert judged({}, [goal], is_whole=True) == [["WAL", "≤ 1", "≤ 1", "", "", "not measured"]]
    assert judged({}, [goal], is_whole=False) == []


def test_what_is_missing_is_told_with_the_reason() -> None:
    """Who failed, also in a later round; and what had no time, by its steps. Who took all steps is not mentioned."""
    base = Workload("base", SHAPES[0], dict.fromkeys(("syncd", "naive", "dlt", "late"), ("first", "unchanged")))
    record = Record(
        failures={("base", "naive"): "unchanged failed", ("base", "dlt"): "first failed"}, end="interrupted"
    )
    for name, steps in {"syncd": base.steps, "naive": base.steps, "late": ["first"]}.items():
        record.results |= {("base", step, name): Result(base, step, name) for step in steps}
    assert missing([base], record) == [
        "base: naive: a later round: unchanged failed",
        "base: dlt: first, unchanged: first failed",
        "base: late: unchanged: interrupted",
    ]


def test_curves_are_drawn_from_the_page_that_a_run_writes() -> None:
    """Each with a dot for every size; steps that were not played are left out."""
    page = f"## Everything that was run\n\n{table(COST_HEAD, costs(played(10, 100, 10_000)))}\n\n## Missing\n\n| a |\n"
    assert [row["tokens"] for row in read_runs(page)] == ["10", "100", "10,000"]
    assert list(charts(read_runs(page))) == ["cost-by-tokens.svg"]
    picture = ET.fromstring(charts(read_runs(page))["cost-by-tokens.svg"])
    assert len(picture.findall(f"{SVG}circle")) == 3


def test_a_chart_places_points_by_its_axes_and_tells_them_apart() -> None:
    """Decades are equally far apart; names that would lie on each other are not; both grounds have their colours."""
    picture = chart("A & B", "rows", "s", {"a": [(10, 1), (100, 10), (1000, 100)], "b": [(1000, 99)]})
    svg = ET.fromstring(picture)
    first, second, third = (float(dot.attrib["cx"]) for dot in svg.findall(f"{SVG}circle")[:3])
    assert pytest.approx(third - second) == second - first > 0
    a, b = (float(text.attrib["y"]) for text in svg.findall(f"{SVG}text") if text.text in {"a", "b"})
    assert b - a >= 15
    assert "prefers-color-scheme:dark" in picture


def test_axes_hold_all_values() -> None:
    """From the first tick to the last; a linear one begins at nothing."""
    assert log_axis([3, 40], 0, 100).ticks == [1.0, 10.0, 100.0]
    assert log_axis([1], 0, 100).ticks == [1.0, 10.0]
    assert linear_axis([64, 97], 0, 100).ticks == [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    assert linear_axis([64, 97], 0, 100).place(50) == 50


def played(*counts: int) -> Results:
    """A first sync for each count of tokens, at 7 s and 10 ms a token."""
    results: Results = {}
    for tokens in counts:
        workload = Workload(f"{tokens} tokens", Shape("v8", tokens, 5, 4), {"syncd": ("first",)})
        cost = Cost(wall_s=7.0 + 0.01 * tokens, cpu_s=0, peak_mb=0)
        results[workload.name, "first", "syncd"] = Result(workload, "first", "syncd", [cost])
    return results
