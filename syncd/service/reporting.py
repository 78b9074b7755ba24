"""What a pull leaves behind for people: its canonical log line, and the lines that explain it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from syncd.clock import Clock
from syncd.errors import (
    ContractChanged,
    InvariantViolated,
    QuotaExhausted,
    RateLimited,
    SyncdError,
    TogglError,
    TogglUnavailable,
    TokenRejected,
    Unforeseen,
)
from syncd.service.notices import line_of
from syncd.service.recent import RecentPulls
from syncd.sync.consequences import consequence
from syncd.sync.report import Counts, PullReport
from syncd.telemetry import events, row_events
from syncd.telemetry.event import Level
from syncd.telemetry.logs import Log
from syncd.toggl.breaker import Change
from syncd.toggl.traffic import Retry

Fields = Mapping[str, object]

_LEVELS: dict[str, Level] = {"failed": "error", "partial": "warning"}

SKEW_EVERY_S = 3600.0
LINES_PER_PULL = 20
"""Lines about single records; beyond that the counts of the canonical line must do."""


class Reporter:
    """Turns reports into log lines. Remembers which tokens were rejected, to say when one recovers."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self.log = log
        self._clock = clock
        self._rejected: set[str] = set()
        self.recent = RecentPulls()
        self._skew_told: float | None = None

    def retry(self, token: str, retry: Retry) -> None:
        """One failed attempt: quiet while there is another to come."""
        self.log.emit(
            events.HTTP_RETRY,
            {
                "syncd.token.id": token,
                "url.path": retry.path,
                "syncd.attempt": retry.attempt,
                "syncd.wait_ms": None if retry.wait_s is None else round(retry.wait_s * 1000),
                "http.response.status_code": retry.error.http_status,
            },
            level="warning" if retry.wait_s is None else "debug",
            error=retry.error,
        )

    def breaker(self, host: str, change: Change) -> None:
        """The source answers nobody, or does again."""
        fields: dict[str, Any] = {"server.address": host, "syncd.attempts": change.failures}
        if change.is_open:
            self.log.emit(events.BREAKER_OPENED, {**fields, "syncd.wait_ms": round(change.seconds * 1000)})
        else:
            self.log.emit(events.BREAKER_CLOSED, {**fields, "event.duration": round(change.seconds * 1e9)})

    def skew(self, host: str, offset_s: float) -> None:
        """Our clock is `offset_s` ahead of the source's: told once an hour."""
        now = self._clock.monotonic()
        if self._skew_told is None or now - self._skew_told >= SKEW_EVERY_S:
            self._skew_told = now
            self.log.emit(events.CLOCK_SKEW, {"server.address": host, "syncd.offset_seconds": round(offset_s, 1)})

    def skipped(self, token: str, reason: str, next_try_at: datetime | None = None) -> None:
        """A turn of a token passed without a pull, or with one that was rolled back."""
        fields = {"syncd.token.id": token, "syncd.skip.reason": reason, "syncd.next_try_at": next_try_at}
        self.log.emit(events.PULL_SKIPPED, fields)

    def pull(self, report: PullReport) -> None:
        """Exactly one `syncd.pull.finish` per pull, last, after the lines that explain it.

        A pull that was put off for the quota's sake is none, and has a line of its own.
        """
        if report.is_postponed:
            self._postpone(report)
            return
        about = {"syncd.token.id": report.token, "syncd.pull.id": _pull_id(report)}
        self._explain_token(report, about)
        self._explain_records(report, about)
        self._explain_interval(report, about)
        self.recent.add(report)
        self.log.emit(
            events.PULL_FINISH,
            pull_fields(report, self._clock),
            level=_LEVELS.get(report.result, "info"),
            error=report.error,
        )

    def _postpone(self, report: PullReport) -> None:
        fields = {"syncd.token.id": report.token, "syncd.next_run_at": report.next_due_at}
        self.log.emit(events.PULL_POSTPONED, fields)

    def _explain_interval(self, report: PullReport, about: Fields) -> None:
        stretch = report.stretch
        if stretch is None:
            return
        fields = {
            **about,
            "syncd.interval_seconds": stretch.interval_s,
            "syncd.interval_configured_seconds": stretch.configured_s,
        }
        is_back = stretch.interval_s <= stretch.configured_s
        self.log.emit(events.INTERVAL_STRETCHED, fields, level="info" if is_back else None)

    def _explain_token(self, report: PullReport, about: Fields) -> None:
        error = report.error
        if isinstance(error, TokenRejected):
            self._rejected.add(report.token)
            self.log.emit(
                events.TOKEN_REJECTED,
                {**about, "http.response.status_code": error.http_status, "syncd.next_try_at": report.next_due_at},
            )
        elif isinstance(error, QuotaExhausted):
            resets_at = self._clock.now() + timedelta(seconds=error.retry_after_s)
            self.log.emit(events.QUOTA_EXHAUSTED, {**about, "syncd.quota_resets_at": resets_at})
        elif isinstance(error, RateLimited):
            self.log.emit(events.HTTP_RATE_LIMITED, {**about, "syncd.retry_after_seconds": error.retry_after_s})
        elif isinstance(error, ContractChanged):
            status = {"http.response.status_code": error.http_status}
            self.log.emit(events.CONTRACT_CHANGED, {**about, **status}, error=error)
        elif isinstance(error, InvariantViolated):
            found = {"syncd.expected": str(error.expected), "syncd.found": str(error.found)}
            self.log.emit(events.INVARIANT_VIOLATED, {**about, "syncd.invariant": error.name, **found})
        elif isinstance(error, Unforeseen):
            self.log.emit(events.UNHANDLED_EXCEPTION, {**about, "syncd.where": "a pull"}, error=error.__cause__)
        elif report.is_fresh and report.token in self._rejected:
            self._rejected.discard(report.token)
            self.log.emit(events.TOKEN_RECOVERED, about)
        if report.gained or report.lost:
            moved = {"syncd.workspaces_added": report.gained, "syncd.workspaces_removed": report.lost}
            self.log.emit(events.TOKEN_SCOPE_CHANGED, {**about, **moved})
        if report.db_retries:
            self.log.emit(events.DB_RETRY, {**about, "syncd.attempts": report.db_retries})

    def _explain_records(self, report: PullReport, about: Fields) -> None:
        for notice in report.notices:
            event, fields = line_of(notice)
            self.log.emit(event, {**about, **fields})
        for resource, key, reason in report.quarantined[:LINES_PER_PULL]:
            self.log.emit(
                row_events.RECORD_QUARANTINED,
                {**about, "syncd.resource": resource, **_record_id(key), "syncd.record.reason": reason},
            )
        for resource, key in report.released[:LINES_PER_PULL]:
            self.log.emit(row_events.RECORD_RELEASED, {**about, "syncd.resource": resource, **_record_id(key)})


def explain(error: SyncdError) -> str:
    """What went wrong with a pull, and what a person can do about it."""
    action = consequence(error).action
    if isinstance(error, TogglUnavailable):
        action = "check [toggl] base_url, or try again later"
    elif isinstance(error, RateLimited):
        action = f"next request in {error.retry_after_s:.0f} s"
    return f"{error}; {action}" if action else str(error)


def pull_fields(report: PullReport, clock: Clock) -> dict[str, Any]:
    """The canonical line of a pull. Counts per resource stand only where rows were compared."""
    staleness = None if report.last_success_at is None else (clock.now() - report.last_success_at).total_seconds()
    traffic = report.traffic
    fields: dict[str, Any] = {
        "event.outcome": "success" if report.is_fresh else "failure",
        "event.duration": round(report.duration_s * 1e9),
        "syncd.token.id": report.token,
        "syncd.pull.id": _pull_id(report),
        "syncd.pull.result": report.result,
        "syncd.pull.reason": report.reason or None,
        "syncd.pull.full": report.full,
        "syncd.requests": traffic.requests,
        "syncd.retries": traffic.retries,
        "syncd.received_bytes": traffic.received_bytes,
        "syncd.wait_rate_limit_ms": round(traffic.waited_s * 1000),
        "syncd.db_ms": round(report.db_s * 1000),
        "syncd.staleness_seconds": None if staleness is None else round(max(0.0, staleness), 3),
        "syncd.next_run_at": report.next_due_at,
        "syncd.rows": report.row_count,
        "syncd.standing_by": len(report.left),
    }
    if report.is_compared:
        fields["syncd.written"] = report.total("written")
        fields["syncd.workspaces"] = report.workspaces
        for resource, counts in report.counts.items():
            fields |= _count_fields(resource, counts)
    if isinstance(report.error, TogglError):
        fields["http.response.status_code"] = report.error.http_status
    return fields


def _count_fields(resource: str, counts: Counts) -> dict[str, Any]:
    names = Counts.__struct_fields__
    return {f"syncd.{resource}.{name}": getattr(counts, name) for name in names}


def _record_id(key: str) -> dict[str, Any]:
    return {"syncd.record.id": int(key)} if key.isdecimal() else {}


def _pull_id(report: PullReport) -> str | None:
    """`_pull_id` of the rows, as a word: the catalogue's ids are names, not amounts."""
    return None if report.pull_id is None else str(report.pull_id)
