"""What one writes in an afternoon: one request after the other, one upsert per row with executemany. Deletes nothing.

python -m bench.peers.naive --url URL --database URL --tokens 200
"""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import aiohttp
import asyncpg

from bench.bodies import secret

TABLES = """
CREATE TABLE IF NOT EXISTS clients (id bigint PRIMARY KEY, workspace_id bigint, name text, at timestamptz, notes text,
                                    hourly_rate float8, currency text);
CREATE TABLE IF NOT EXISTS projects (id bigint PRIMARY KEY, workspace_id bigint, name text, at timestamptz,
                                     client_id bigint, billable bool, is_private bool, active bool);
"""
CLIENT = """
INSERT INTO clients VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE
SET name = excluded.name, at = excluded.at, notes = excluded.notes, hourly_rate = excluded.hourly_rate,
    currency = excluded.currency
"""
PROJECT = """
INSERT INTO projects VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE
SET name = excluded.name, at = excluded.at, client_id = excluded.client_id, billable = excluded.billable,
    is_private = excluded.is_private, active = excluded.active
"""


async def pull(url: str, database: str, tokens: Sequence[str]) -> None:
    """Copy what the tokens see, token by token."""
    connection = await asyncpg.connect(database, ssl=False)
    await connection.execute(TABLES)
    async with aiohttp.ClientSession(url) as session:
        for token in tokens:
            auth = aiohttp.BasicAuth(token, "api_token")
            clients = await get(session, auth, "/api/v8/clients")
            projects = await get(session, auth, f"/api/v8/workspaces/{clients[0]['wid']}/projects?active=both")
            await connection.executemany(CLIENT, [client_row(row) for row in clients])
            await connection.executemany(PROJECT, [project_row(row) for row in projects])
    await connection.close()


async def get(session: aiohttp.ClientSession, auth: aiohttp.BasicAuth, path: str) -> Any:
    async with session.get(path, auth=auth) as response:
        response.raise_for_status()
        return await response.json()


def client_row(row: dict[str, Any]) -> tuple[Any, ...]:
    at = datetime.fromisoformat(row["at"])
    return row["id"], row["wid"], row["name"], at, row.get("notes"), row.get("hrate"), row.get("cur")


def project_row(row: dict[str, Any]) -> tuple[Any, ...]:
    at = datetime.fromisoformat(row["at"])
    return row["id"], row["wid"], row["name"], at, row["cid"], row["billable"], row["is_private"], row["active"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--tokens", type=int, required=True)
    args = parser.parse_args()
    asyncio.run(pull(args.url, args.database, [secret(token) for token in range(args.tokens)]))


if __name__ == "__main__":
    main()
