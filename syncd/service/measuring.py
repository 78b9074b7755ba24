"""The daemon counts what it reports. A command that ends has nobody who would ask for its counts."""

from syncd.clock import Clock
from syncd.errors import DatabaseError
from syncd.service.reporting import Reporter
from syncd.sync.report import PullReport
from syncd.telemetry.logs import Log
from syncd.telemetry.metrics import Metrics
from syncd.toggl.traffic import Retry


class MeasuringReporter(Reporter):
    """A reporter that keeps metrics, too."""

    def __init__(self, log: Log, metrics: Metrics, clock: Clock) -> None:
        super().__init__(log, clock)
        self.metrics = metrics

    def retry(self, token: str, retry: Retry) -> None:
        self.metrics.request_retried()
        super().retry(token, retry)

    def pull(self, report: PullReport) -> None:
        if not report.is_postponed:
            self._measure(report)
        super().pull(report)

    def _measure(self, report: PullReport) -> None:
        self.metrics.pull_finished(report.result, report.duration_s)
        self.metrics.service.database_retried(report.db_retries)
        if isinstance(report.error, DatabaseError):
            self.metrics.service.database_failed()
        for http_status, count in report.traffic.answers.items():
            self.metrics.requests_answered(http_status, count)
        for resource, counts in report.counts.items():
            self.metrics.rows_written(resource, "inserted", counts.inserted)
            self.metrics.rows_written(resource, "updated", counts.updated)
            self.metrics.rows_written(resource, "deleted", counts.deleted)
            self.metrics.rows_written(resource, "reappeared", counts.reappeared)
