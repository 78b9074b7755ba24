"""What stands for Airbyte's PostgreSQL destination: its messages on stdin, into tables, in its two usual modes.

    airbyte_load.py DATABASE_URL

In schema `overwrite` (Full refresh | Overwrite) a stream's table is made anew; in `dedup` (Append + Deduped) rows are
upserted by id. As with the destination, a stream that does not end with COMPLETE leaves its table as it was before.
"""

import json
import sys

import psycopg
from psycopg.types.json import Json

MODES = ("overwrite", "dedup")
STREAMS = ("clients", "projects")


def main(url: str) -> None:
    rows: dict[str, dict[int, object]] = {name: {} for name in STREAMS}
    complete = set()
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("type") == "RECORD":
            record = message["record"]
            rows[record["stream"]][record["data"]["id"]] = record["data"]
        elif message.get("type") == "TRACE" and message["trace"].get("type") == "STREAM_STATUS":
            status = message["trace"]["stream_status"]
            if status["status"] == "COMPLETE":
                complete.add(status["stream_descriptor"]["name"])
    with psycopg.connect(url) as connection:
        for mode in MODES:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {mode}")
            for name in STREAMS:
                table = f"{mode}.{name}"
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (id bigint PRIMARY KEY, data jsonb)")
                if name in complete:
                    if mode == "overwrite":
                        connection.execute(f"DELETE FROM {table}")
                    _upsert(connection, table, rows[name])


def _upsert(connection: psycopg.Connection, table: str, rows: dict[int, object]) -> None:
    statement = f"INSERT INTO {table} VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET data = excluded.data"
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(key, Json(row)) for key, row in rows.items()])


main(*sys.argv[1:])
