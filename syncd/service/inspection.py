"""Looking at the mirror, and at what it stands on, without pulling."""

from typing import Any

from syncd.config import Settings
from syncd.postgres.migrate import migrate, pending
from syncd.postgres.registry import Registry
from syncd.postgres.sql import Migration
from syncd.service.database import database_url, open_database, report_migration
from syncd.telemetry.logs import Log


async def read_status(settings: Settings, log: Log) -> list[dict[str, Any]]:
    """The rows of toggl.sync_status, in rank order. Raises DatabaseError."""
    async with (
        database_url(settings, exclusive=False) as url,
        open_database(settings, url, log, patient=False) as database,
    ):
        return await Registry(database).status()


async def bring_up_to_date(settings: Settings, log: Log, *, dry_run: bool) -> list[str]:
    """Apply pending migrations; the names of those applied, or with `dry_run` of those pending.

    Raises:
        DatabaseUnavailable, DatabaseUnusable.
    """
    names: list[str] = []

    def applied(file: Migration) -> None:
        names.append(file.name)
        report_migration(log, file)

    async with (
        database_url(settings, exclusive=False) as url,
        open_database(settings, url, log, patient=False, schema=False) as database,
        database.connection() as connection,
    ):
        if dry_run:
            return [file.name for file in await pending(connection)]
        await migrate(connection, on_applied=applied)
    return names
