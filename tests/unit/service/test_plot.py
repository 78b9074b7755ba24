"""Bars of pulls: their place, their height, their words."""

import re

import pytest

from syncd.service.plot import HEIGHT, STEP, WIDTH, bar_height, plot
from syncd.service.recent import PULLS_KEPT, PullMark, RecentPulls
from syncd.sync.report import PullReport


def lefts(path: str) -> list[int]:
    return [int(x) for x in re.findall(r"M(\d+) ", path)]


def test_newest_is_at_the_right_edge() -> None:
    """However few there are."""
    drawn = plot([PullMark("unchanged", 1), PullMark("changed", 1)])
    assert [(result, lefts(path)) for result, path in drawn.paths] == [
        ("unchanged", [WIDTH - 2 * STEP]),
        ("changed", [WIDTH - STEP]),
    ]


def test_a_failed_pull_is_told_by_its_height_too() -> None:
    """Not everybody sees its colour."""
    ((_, path),) = plot([PullMark("failed", 0.1)]).paths
    assert path == f"M{WIDTH - STEP} 0h{STEP - 1}v{HEIGHT}h-{STEP - 1}z"


@pytest.mark.parametrize(("duration_s", "height"), [(0, 3), (0.1, 3), (60, 24), (1e9, 24)])
def test_heights_are_bounded(duration_s: float, height: int) -> None:
    """Whatever a clock says."""
    assert bar_height(duration_s) == height


def test_heights_grow_with_time() -> None:
    """Ten times longer looks so."""
    assert bar_height(0.1) < bar_height(1) < bar_height(10) < bar_height(60)


def test_words_for_those_who_do_not_see_it() -> None:
    """Counts in a fixed order, and the usual time."""
    marks = [PullMark("failed", 9), PullMark("unchanged", 1), PullMark("unchanged", 2)]
    assert plot(marks).label == "the last 3 pulls: 2 unchanged, 1 failed; typically 2.0 s"
    assert plot([]) == ([], "no pull by this process yet")


def test_old_pulls_are_forgotten() -> None:
    """Memory is for the last ones, of each token its own."""
    recent = RecentPulls()
    for number in range(PULLS_KEPT + 5):
        recent.add(PullReport("acme", "unchanged", duration_s=float(number)))
    recent.add(PullReport("globex", "failed"))
    assert [mark.duration_s for mark in recent.of("acme")] == [float(n) for n in range(5, PULLS_KEPT + 5)]
    assert len(recent.of("globex")) == 1
    assert recent.of("nobody") == []
