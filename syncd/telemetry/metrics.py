"""Counters and gauges for Prometheus. Labels are closed sets, or the configured tokens' names: no workspace, no path.

Names follow Prometheus: base units, `_total` for counters, one unit per name.
"""

import platform
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from syncd.records import ALWAYS, Resource
from syncd.telemetry.events import CATALOGUE
from syncd.telemetry.logs import program_version

PullResult = Literal["unchanged", "changed", "partial", "failed"]
RowChange = Literal["inserted", "updated", "deleted", "reappeared"]
TokenState = Literal["ok", "rejected", "parked", "failed"]

_RESULTS: tuple[PullResult, ...] = ("unchanged", "changed", "partial", "failed")
_CHANGES: tuple[RowChange, ...] = ("inserted", "updated", "deleted", "reappeared")
_STATES: tuple[TokenState, ...] = ("ok", "rejected", "parked", "failed")
_STATUS_CLASSES = ("2xx", "3xx", "4xx", "5xx", "none")
# A pull is a few paced requests: between a tenth of a second and the ten minutes after which it is given up.
_PULL_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

# Columns of toggl.sync_status that become one gauge per token, and what each means.
_OF_TOKENS = (
    ("staleness_seconds", "Time since the last successful pull began"),
    ("quota_remaining", "Requests left in this hour, as the API last said"),
    ("rows", "Records that the token sees"),
    ("deletes_held", "Deletions that wait for a person"),
    ("quarantined", "Records that are kept aside"),
)
# A healthy loop is late by less than a millisecond; what a person notices begins at a quarter of a second.
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class ServiceMetrics:
    """How the process does, and whether its database answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        ProcessCollector(registry=registry)
        build = Gauge(
            "syncd_build_info", "Always 1; the labels say what runs", ["version", "python"], registry=registry
        )
        build.labels(program_version(), platform.python_version()).set(1)
        self._lag = Histogram(
            "syncd_event_loop_lag_seconds",
            "How late a timer was, once a second",
            buckets=_LAG_SECONDS,
            registry=registry,
        )
        self._errors = Counter("syncd_database_errors", "Pulls and turns that the database failed", registry=registry)
        self._retries = Counter("syncd_database_retries", "Transactions tried again", registry=registry)
        self._up = Gauge("syncd_database_up", "1 if the database answered when last asked", registry=registry)
        self._leader = Gauge("syncd_leader", "1 if this process pulls, 0 if it stands by", registry=registry)
        self._in_flight = Gauge("syncd_pulls_in_flight", "Pulls at work", registry=registry)

    def timer_late(self, seconds: float) -> None:
        """A timer of the event loop fired *seconds* after it should have."""
        self._lag.observe(max(0.0, seconds))

    def database_failed(self) -> None:
        """Something could not be done because of the database."""
        self._errors.inc()

    def database_retried(self, times: int) -> None:
        """Transactions were tried again."""
        self._retries.inc(times)

    def set_state(self, *, database_up: bool, leads: bool, in_flight: int) -> None:
        """How it stands now."""
        self._up.set(database_up)
        self._leader.set(leads)
        self._in_flight.set(in_flight)


class Metrics:
    """The metrics of one service, in a registry of their own. All series exist from the start, at zero.

    `resources` that are mirrored; those that join them later have series once something of them is written.
    """

    def __init__(self, resources: Iterable[Resource] = ALWAYS) -> None:
        self.registry = CollectorRegistry()
        self.service = ServiceMetrics(self.registry)
        self._by_token = {
            column: Gauge(f"syncd_token_{column}", meaning, ["token"], registry=self.registry)
            for column, meaning in _OF_TOKENS
        }
        self._pulls = Counter("syncd_pulls", "Pulls ended", ["result"], registry=self.registry)
        self._pull_seconds = Histogram(
            "syncd_pull_duration_seconds", "Time a pull took", buckets=_PULL_SECONDS, registry=self.registry
        )
        self._requests = Counter(
            "syncd_http_requests", "Requests answered, or not (none)", ["status_class"], registry=self.registry
        )
        self._retries = Counter("syncd_http_retries", "Requests sent again", registry=self.registry)
        self._rows = Counter("syncd_rows_written", "Rows written", ["resource", "kind"], registry=self.registry)
        self._quarantined = Gauge("syncd_quarantined", "Records that are kept aside", registry=self.registry)
        self._tokens = Gauge("syncd_tokens", "Tokens by state", ["status"], registry=self.registry)
        self._staleness = Gauge("syncd_staleness_max_seconds", "Age of the oldest last success", registry=self.registry)
        self._stale = Gauge("syncd_tokens_stale", "Tokens that are stale beyond their bound", registry=self.registry)
        self._events = Counter("syncd_log_events", "Lines of the log, by event", ["event"], registry=self.registry)
        for event in CATALOGUE:
            self._events.labels(event)
        for result in _RESULTS:
            self._pulls.labels(result)
        for status_class in _STATUS_CLASSES:
            self._requests.labels(status_class)
        for state in _STATES:
            self._tokens.labels(state)
        for resource in resources:
            for change in _CHANGES:
                self._rows.labels(resource, change)

    def pull_finished(self, result: PullResult, duration_s: float) -> None:
        """One pull ended after *duration_s* seconds."""
        self._pulls.labels(result).inc()
        self._pull_seconds.observe(duration_s)

    def requests_answered(self, http_status: int | None, count: int) -> None:
        """So many requests got this status, or None: no answer came."""
        status_class = "none" if http_status is None or not 200 <= http_status < 600 else f"{http_status // 100}xx"
        self._requests.labels(status_class).inc(count)

    def request_retried(self) -> None:
        """One request is sent again."""
        self._retries.inc()

    def rows_written(self, resource: Resource, kind: RowChange, rows: int) -> None:
        """*rows* rows of *resource* were written, and why."""
        self._rows.labels(resource, kind).inc(rows)

    def set_quarantined(self, records: int) -> None:
        """How many records are kept aside now."""
        self._quarantined.set(records)

    def set_tokens(self, state: TokenState, tokens: int) -> None:
        """How many tokens are in *state* now."""
        self._tokens.labels(state).set(tokens)

    def set_staleness_max(self, seconds: float) -> None:
        """Seconds since the last success of the token that waits longest."""
        self._staleness.set(seconds)

    def set_of_tokens(self, tokens: Mapping[str, Mapping[str, Any]]) -> None:
        """Token -> its row of toggl.sync_status. What is unknown (None) has no series; nor has any other token."""
        for column, gauge in self._by_token.items():
            gauge.clear()
            for token, row in tokens.items():
                if row[column] is not None:
                    gauge.labels(token).set(row[column])

    def set_stale(self, tokens: int) -> None:
        """How many tokens are stale beyond their bound now."""
        self._stale.set(tokens)

    def event_emitted(self, event: str) -> None:
        """An event of the catalogue was logged, or would have been if its level were written."""
        self._events.labels(event).inc()
