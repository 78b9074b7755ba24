"""What statements have left behind in the session of a connection; it goes back into the pool as it is."""

from typing import Any

QUERY = """
SELECT 'lock ' || mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() UNION ALL
SELECT 'setting ' || name FROM pg_settings WHERE source = 'session' AND setting <> reset_val UNION ALL
SELECT 'cursor ' || name FROM pg_cursors WHERE name <> '' UNION ALL
SELECT 'channel ' || channel FROM pg_listening_channels() AS channel UNION ALL
SELECT 'relation ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
"""


async def left_behind(connection: Any) -> list[str]:
    """Empty, if all is well."""
    return [row[0] for row in await connection.fetch(QUERY)]
