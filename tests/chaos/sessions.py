"""Sessions of a pull, to be broken from a second one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syncd.postgres.migrate import Connection
from syncd.sync.pull import Puller
from syncd.sync.report import PullReport
from tests.chaos.kit import pool_of
from tests.chaos.stages import Stage
from tests.processes import eventually


@asynccontextmanager
async def puller_of(stage: Stage, url: str) -> AsyncIterator[Puller]:
    """A puller whose pool outlives its pulls."""
    async with pool_of(url) as database:
        assert database is not None
        yield stage.source.puller(database)


async def end_sessions(audit: Connection, puller: Puller) -> None:
    """End all other sessions in this database, and wait until they are gone and the puller's pool knows."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    await audit.fetch(f"SELECT pg_terminate_backend(pid) {others}")

    async def are_gone() -> bool:
        is_known = puller.store._database.pool.get_idle_size() == 0
        return is_known and not await audit.fetchval(f"SELECT count(*) {others}")

    await eventually(are_gone)


def assert_failed(report: PullReport, kind: type[Exception], sqlstate: str) -> None:
    assert (report.result, report.reason, type(report.error)) == ("failed", "database", kind), report.error
    assert sqlstate in str(report.error)
