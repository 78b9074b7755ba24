"""What is done now and then, besides pulling."""

from datetime import timedelta

from syncd.errors import DatabaseError
from syncd.postgres.registry import Registry
from syncd.telemetry import row_events
from syncd.telemetry.logs import Log

EVERY = timedelta(hours=1)


async def expire_history(registry: Registry, retention: timedelta | None, log: Log) -> None:
    """Forget superseded versions older than `retention`; None: keep them for ever. A database that is away can wait."""
    if retention is None:
        return
    try:
        count = await registry.expire_versions(retention)
    except DatabaseError:
        return
    if count:
        log.emit(row_events.HISTORY_EXPIRED, {"syncd.count": count})
