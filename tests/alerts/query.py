"""A small evaluator: as much of LogQL and PromQL as the rules of deploy/alerts use, and an error for anything more.

    value = parse('sum(count_over_time({a="b"} | json | x="y" [5m])) > 0')(data, at)

A value is a number or a vector: labels -> number. `increase` is the plain difference within the window, resets
counted; Prometheus also stretches it to the window's edges, which makes no zero of a rise and no rise of a zero.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Value = float | Vector

LOOKBACK_S = 300.0
"""So old a sample may be and still count as the present one, as in Prometheus."""

_TOKEN = re.compile(r'\s*(\[\d+[smh]\]|"(?:\\.|[^"\\])*"|[\w.]+(?::\w+)*|=~|!~|!=|==|\|~|[|{}(),/><=])')
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass
class Data:
    """What is asked: lines of a log, or scrapes of metrics, each with its second. Stream labels are those of Loki."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    stream: Mapping[str, str] = field(default_factory=dict)
    scrapes: list[tuple[float, Mapping[tuple[str, Labels], float]]] = field(default_factory=list)


Query = Callable[[Data, float], Any]


def parse(text: str) -> Query:
    """The query, ready to be asked. Raises ValueError for what this evaluator does not know."""
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"unknown: {text[at:]}")
        tokens.append(match[1])
        at = match.end()
    parser = _Parser(tokens)
    query = parser.expression()
    if parser.tokens:
        raise ValueError(f"left over: {parser.tokens}")
    return query


class _Parser:
    """expression = comparison [unless comparison]; comparison = ratio [> ratio]; ratio = atom [/ atom]."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)

    def take(self, expected: str | None = None) -> str:
        token = self.tokens.pop(0)
        if expected is not None and token != expected:
            raise ValueError(f"{token} instead of {expected}")
        return token

    def accept(self, *wanted: str) -> str | None:
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else None

    def expression(self) -> Query:
        left = self.comparison()
        if self.accept("unless"):
            right = self.comparison()
            return lambda data, at: {k: v for k, v in left(data, at).items() if k not in right(data, at)}
        return left

    def comparison(self) -> Query:
        left = self.ratio()
        operator = self.accept(">", "==")
        if operator is None:
            return left
        bound = float(self.take())
        holds: Callable[[float], bool] = (lambda v: v > bound) if operator == ">" else (lambda v: v == bound)
        return lambda data, at: {k: v for k, v in left(data, at).items() if holds(v)}

    def ratio(self) -> Query:
        left = self.atom()
        if not self.accept("/"):
            return left
        right = self.atom()

        def divided(data: Data, at: float) -> Vector:
            below = right(data, at)
            return {k: v / below[k] for k, v in left(data, at).items() if below.get(k)}

        return divided

    def atom(self) -> Query:
        if self.tokens[0] == "{":
            raise ValueError("a log selector needs a function over it")
        name = self.take()
        if name in ("sum", "max"):
            return self.aggregation(sum if name == "sum" else max)
        if name in ("count_over_time", "max_over_time", "absent_over_time"):
            self.take("(")
            lines, window_s = self.log_range()
            self.take(")")
            return lambda data, at: _over_time(name, lines(data, at, window_s))
        if name == "increase":
            self.take("(")
            series, window_s = self.series(self.take()), self.window()
            self.take(")")
            return lambda data, at: _increase(data, series, at, window_s)
        matches = self.series(name)
        return lambda data, at: _present(data, matches, at)

    def aggregation(self, combine: Callable[[list[float]], float]) -> Query:
        kept = self.names() if self.accept("by") else ()
        self.take("(")
        inner = self.expression()
        self.take(")")

        def aggregated(data: Data, at: float) -> Vector:
            groups: dict[Labels, list[float]] = {}
            for labels, value in inner(data, at).items():
                groups.setdefault(frozenset(pair for pair in labels if pair[0] in kept), []).append(value)
            return {labels: combine(values) for labels, values in groups.items()}

        return aggregated

    def names(self) -> tuple[str, ...]:
        self.take("(")
        found = []
        while not self.accept(")"):
            found.append(self.take())
            self.accept(",")
        return tuple(found)

    def window(self) -> float:
        text = self.take()[1:-1]
        return float(text[:-1]) * _UNITS[text[-1]]

    def matcher(self) -> Callable[[Mapping[str, str]], bool]:
        """label=\"value\" and its like; a label that is missing is empty."""
        name, operator, value = self.take(), self.take(), json.loads(self.take())
        match operator:
            case "=":
                return lambda labels: labels.get(name, "") == value
            case "!=":
                return lambda labels: labels.get(name, "") != value
            case "=~":
                return lambda labels: re.fullmatch(value, labels.get(name, "")) is not None
        raise ValueError(operator)

    def braces(self) -> Callable[[Mapping[str, str]], bool]:
        matchers = []
        if self.accept("{"):
            while not self.accept("}"):
                matchers.append(self.matcher())
                self.accept(",")
        return lambda labels: all(matches(labels) for matches in matchers)

    def series(self, name: str) -> Callable[[str, Labels], bool]:
        matches = self.braces()
        return lambda metric, labels: metric == name and matches(dict(labels))

    def log_range(self) -> tuple[Callable[[Data, float, float], list[tuple[Labels, float]]], float]:
        """A selector with its pipeline and window: the (labels, number) of each line; the number is what it unwraps."""
        in_stream, stages, unwrapped = self.braces(), [], ""
        while operator := self.accept("|", "|~"):
            if operator == "|~":
                stages.append(_holds(json.loads(self.take())))
            elif self.accept("json"):
                stages.append(_parse_json)
            elif self.accept("unwrap"):
                unwrapped = self.take()
            else:
                stages.append(_keeps(self.matcher()))
        window_s = self.window()

        def lines(data: Data, at: float, window_s: float) -> list[tuple[Labels, float]]:
            found = []
            for second, line in data.lines:
                labels: Mapping[str, str] | None = data.stream if at - window_s < second <= at else None
                if labels is None or not in_stream(labels):
                    continue
                for stage in stages:
                    labels = labels if labels is None else stage(line, labels)
                if labels is not None and (not unwrapped or unwrapped in labels):
                    rest = frozenset(pair for pair in labels.items() if pair[0] != unwrapped)
                    found.append((rest, float(labels[unwrapped]) if unwrapped else 1.0))
            return found

        return lines, window_s


Stage = Callable[[str, Mapping[str, str]], Mapping[str, str] | None]


def _holds(pattern: str) -> Stage:
    return lambda line, labels: labels if re.search(pattern, line) else None


def _keeps(matches: Callable[[Mapping[str, str]], bool]) -> Stage:
    return lambda _line, labels: labels if matches(labels) else None


def _parse_json(line: str, labels: Mapping[str, str]) -> Mapping[str, str]:
    """As Loki does: nested names and dots become `_`, lists are left out."""
    fields = {re.sub(r"[^a-zA-Z0-9_]", "_", key): value for key, value in json.loads(line).items()}
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in fields.items()
        if not isinstance(value, list)
    }
    return {**texts, **labels}


def _over_time(name: str, lines: list[tuple[Labels, float]]) -> Vector:
    if name == "absent_over_time":
        return {} if lines else {frozenset(): 1.0}
    found: Vector = {}
    for labels, value in lines:
        before = found.get(labels)
        found[labels] = (
            (before or 0.0) + 1.0 if name == "count_over_time" else value if before is None else max(before, value)
        )
    return found


def _present(data: Data, matches: Callable[[str, Labels], bool], at: float) -> Vector:
    recent = [scrape for second, scrape in data.scrapes if at - LOOKBACK_S < second <= at]
    return {labels: value for (name, labels), value in (recent[-1] if recent else {}).items() if matches(name, labels)}


def _increase(data: Data, matches: Callable[[str, Labels], bool], at: float, window_s: float) -> Vector:
    rises: Vector = {}
    before: Vector = {}
    for second, scrape in data.scrapes:
        if not at - window_s < second <= at:
            continue
        for (name, labels), value in scrape.items():
            if matches(name, labels):
                if labels in before:
                    rises[labels] = rises.get(labels, 0.0) + (
                        value - before[labels] if value >= before[labels] else value
                    )
                before[labels] = value
    return rises
