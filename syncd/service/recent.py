"""The last pulls, for a look at them. In memory: syncd.pulls knows only the pulls that wrote rows, which are few."""

from collections import deque
from typing import NamedTuple

from syncd.sync.report import PullReport, Result

PULLS_KEPT = 50
"""Per token; some 10 kB."""


class PullMark(NamedTuple):
    """A pull as the plot shows it."""

    result: Result
    duration_s: float


class RecentPulls:
    """The last pulls of each token by this process, oldest first."""

    def __init__(self) -> None:
        self._marks: dict[str, deque[PullMark]] = {}

    def add(self, report: PullReport) -> None:
        """Note a pull that ended."""
        marks = self._marks.setdefault(report.token, deque(maxlen=PULLS_KEPT))
        marks.append(PullMark(report.result, round(report.duration_s, 3)))

    def of(self, token: str) -> list[PullMark]:
        """At most PULLS_KEPT."""
        return list(self._marks.get(token, ()))
