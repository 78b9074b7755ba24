"""Plays a workload: the same steps for every contestant, one after the other, several times over."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.bodies import Change, Shape, State, ages
from bench.contestants import CONTESTANTS, Contestant, Place, held
from bench.stage import Command, Cost, Failed, Postgres, Source, reading, run, source

CHANGES: dict[str, tuple[int, bool]] = {"1 %": (100, False), "100 %": (1, False), "deleted": (10, True)}
"""Steps before which something happens at the source: to every how many rows, and whether they are deleted."""

AGAIN = "again"
"""A step right after another one, without a checkpoint between."""

REST = "rest"
REST_S = 5
"""A step in which nothing is written, for readers to be compared with."""

UNSEEN = frozenset({"deleted"})
"""Steps after which a mirror may rightly differ from the source: absence must be confirmed by the next step."""


@dataclass(frozen=True, slots=True)
class Workload:
    """`plays`: contestant -> the steps that it takes. `latency_s`: how long every answer of the source waits.

    `rounds`: how often it is played, if not as often as the rest.
    """

    name: str
    shape: Shape
    plays: Mapping[str, Sequence[str]]
    latency_s: float = 0.0
    rounds: int | None = None

    @property
    def steps(self) -> list[str]:
        """All steps, in the order in which they are played."""
        longest: Sequence[str] = max(self.plays.values(), key=len)
        return list(longest)


@dataclass(slots=True)
class Result:
    """What one contestant's runs of one step cost, in order."""

    workload: Workload
    step: str
    contestant: str
    costs: list[Cost] = field(default_factory=list)


Results = dict[tuple[str, str, str], Result]
"""By workload, step and contestant."""


@dataclass(slots=True)
class Record:
    """What came of a benchmark so far. `failures`: (workload, contestant) -> where; `end`: why it ended early."""

    results: Results = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    end: str = ""


def missing(asked: Sequence[Workload], record: Record) -> list[str]:
    """A line for each contestant of a workload that did not take all its steps, or not in every round."""
    lines = []
    for workload in asked:
        for name, steps in workload.plays.items():
            left = [step for step in steps if (workload.name, step, name) not in record.results]
            failure = record.failures.get((workload.name, name))
            if left or failure:
                lines.append(f"{workload.name}: {name}: {', '.join(left) or 'a later round'}: {failure or record.end}")
    return lines


class Match:
    """One workload, in progress."""

    def __init__(self, workload: Workload, postgres: Postgres, directory: Path, source: Source, record: Record) -> None:
        self._record = record
        self._workload = workload
        self._postgres = postgres
        self._directory = directory
        self._source = source
        self._state: State = ()

    def play(self, number: int) -> None:
        """One round: everybody with new databases; who began the last round ends this one. Who failed is out."""
        workload = self._workload
        names = [name for name in workload.plays if (workload.name, name) not in self._record.failures]
        home = self._directory / f"{workload.name.replace(' ', '-')}-{number}"
        places = {name: self._seat(name, home) for name in names}
        self._become(())
        for step in workload.steps:
            if step in CHANGES:
                every, is_deletion = CHANGES[step]
                self._become((*self._state, Change(every, int(time.time()), is_deletion)))
            for name in names if number % 2 else reversed(names):
                if step in workload.plays[name] and (workload.name, name) not in self._record.failures:
                    try:
                        self._take(name, step, places[name])
                    except Failed as error:
                        print(f"{workload.name}: {step}: {name}: {error}", file=sys.stderr, flush=True)
                        self._record.failures[workload.name, name] = f"{step} failed"
        for name in names:
            self._postgres.drop(_database(name))

    def _seat(self, name: str, home: Path) -> Place:
        contestant, database = CONTESTANTS[name], _database(name)
        url = self._postgres.create(database, contestant.template)
        place = Place(home / database, url, self._source.url, self._workload.shape)
        place.directory.mkdir(parents=True)
        contestant.prepare(place)
        return place

    def _become(self, state: State) -> None:
        if state != self._state:
            self._source.become(state)
            self._state = state

    def _take(self, name: str, step: str, place: Place) -> None:
        workload, contestant = self._workload, CONTESTANTS[name]
        if step != AGAIN:
            self._postgres.settle(_database(name))
        requests, wal, postgres_s = self._source.requests(), self._postgres.wal_position(), self._postgres.cpu_s()
        with reading(contestant.readers, place.database) as seen:
            pipe = [Command("sleep", str(REST_S))] if step == REST else contestant.pipe(place, step)
            cost = run(pipe, place.directory)
        cost = replace(
            cost,
            postgres_cpu_s=self._postgres.cpu_s() - postgres_s,
            wal_bytes=self._postgres.wal_position() - wal,
            requests=self._source.requests() - requests,
            readers=seen[0] if seen else None,
        )
        if step not in UNSEEN:
            self._check(name, contestant)
        results = self._record.results
        results.setdefault((workload.name, step, name), Result(workload, step, name)).costs.append(cost)
        print(f"{workload.name}: {step}: {name}: {cost}", file=sys.stderr, flush=True)

    def _check(self, name: str, contestant: Contestant) -> None:
        query = contestant.ages()
        if query is not None:
            found, expected = held(self._postgres.ask(_database(name), query)), ages(self._workload.shape, self._state)
            if found != expected:
                raise Failed(f"holds {dict(found)} (changes: rows), not {dict(expected)}")


def play(
    workload: Workload, rounds: int, postgres: Postgres, directory: Path, record: Record, is_late: Callable[[], bool]
) -> None:
    """So many rounds of a workload, if it does not say how many itself; none begins when it is late."""
    with source(workload.shape) as opened:
        opened.be_late(workload.latency_s)
        match = Match(workload, postgres, directory, opened, record)
        for number in range(1, (workload.rounds or rounds) + 1):
            if is_late():
                record.end = "there was no time left"
                return
            match.play(number)


def _database(name: str) -> str:
    return name.replace(" ", "_")
