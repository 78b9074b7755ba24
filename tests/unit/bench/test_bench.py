"""The benchmark measures what it says: the source serves what is counted, and a figure gets the verdict it deserves."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from bench.bodies import Change, Shape, State, ages
from bench.goals import Figures, Goal, less, more
from bench.load_server import Shelf
from bench.stage import Cost
from bench.suite import Result, Results, Workload

CHANGED = (Change(3, 1_764_000_000),)
CHANGED_AND_SHRUNK = (*CHANGED, Change(5, 1_764_000_060, is_deletion=True))

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
    results: Results = {}
    for tokens in (10, 1_000):
        workload = Workload(f"{tokens} tokens", Shape("v8", tokens, 5, 4), {"syncd": ("first",)})
        cost = Cost(wall_s=7.0 + 0.01 * tokens, cpu_s=0, peak_mb=0)
        results[workload.name, "first", "syncd"] = Result(workload, "first", "syncd", [cost])
    assert pytest.approx(0.01) == Figures(results, min).slope("first", "tokens", 10, 1_000)
