"""Counters and gauges for Prometheus. Labels are closed sets: no token, workspace or path ever becomes one."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

PullResult = Literal["unchanged", "changed", "partial", "failed"]
Resource = Literal["client", "project"]
RowChange = Literal["inserted", "updated", "deleted", "reappeared"]
TokenState = Literal["ok", "rejected", "parked", "failed"]

_RESULTS: tuple[PullResult, ...] = ("unchanged", "changed", "partial", "failed")
_RESOURCES: tuple[Resource, ...] = ("client", "project")
_CHANGES: tuple[RowChange, ...] = ("inserted", "updated", "deleted", "reappeared")
_STATES: tuple[TokenState, ...] = ("ok", "rejected", "parked", "failed")
_STATUS_CLASSES = ("2xx", "3xx", "4xx", "5xx", "none")
# A pull is a few paced requests: between a tenth of a second and the ten minutes after which it is given up.
_PULL_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The metrics of one service, in a registry of their own. All series exist from the start, at zero."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._pulls = Counter("syncd_pulls", "Pulls ended", ["result"], registry=self._registry)
        self._pull_seconds = Histogram(
            "syncd_pull_duration_seconds", "Time a pull took", buckets=_PULL_SECONDS, registry=self._registry
        )
        self._requests = Counter(
            "syncd_http_requests", "Requests answered, or not (none)", ["status_class"], registry=self._registry
        )
        self._retries = Counter("syncd_http_retries", "Requests sent again", registry=self._registry)
        self._rows = Counter("syncd_rows_written", "Rows written", ["resource", "kind"], registry=self._registry)
        self._quarantined = Gauge("syncd_quarantined", "Records that are kept aside", registry=self._registry)
        self._tokens = Gauge("syncd_tokens", "Tokens by state", ["status"], registry=self._registry)
        self._staleness = Gauge(
            "syncd_staleness_max_seconds", "Age of the oldest last success", registry=self._registry
        )
        for result in _RESULTS:
            self._pulls.labels(result)
        for status_class in _STATUS_CLASSES:
            self._requests.labels(status_class)
        for state in _STATES:
            self._tokens.labels(state)
        for resource in _RESOURCES:
            for change in _CHANGES:
                self._rows.labels(resource, change)

    def pull_finished(self, result: PullResult, duration_s: float) -> None:
        """One pull ended after *duration_s* seconds."""
        self._pulls.labels(result).inc()
        self._pull_seconds.observe(duration_s)

    def requests_answered(self, http_status: int | None, count: int) -> None:
        """One request got a status, or None: no answer came."""
        known = http_status is not None and 200 <= http_status < 600
        self._requests.labels(f"{http_status // 100}xx" if http_status and known else "none").inc(count)

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

    def render(self) -> bytes:
        """All of it in the text format that CONTENT_TYPE names."""
        return generate_latest(self._registry)
