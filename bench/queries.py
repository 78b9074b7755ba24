"""How long each query of docs/queries.md takes, with 100,000 projects: `python -m bench.queries [--projects N]`.

A client for every 20 projects, in 20 workspaces; every project and client has two earlier versions, and changed last
within three years; every tenth is deleted, every fifth archived. Printed are the fastest and the slowest of five runs,
rows fetched, on a warm server; nothing is judged.
"""

import argparse
import asyncio
import shutil
import time
from typing import Any

import asyncpg

from syncd.postgres.embedded import EmbeddedPostgres
from syncd.postgres.migrate import migrate
from tests.docs.cookbook import recipes
from tests.postgres_fixture import make_reachable_directory

RUNS = 5
TARGET_MS = 100

LOAD = """
SET session_replication_role = replica;  -- no check of keys, for they are right by construction
CREATE FUNCTION pg_temp.ago(n bigint, salt text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT now() - ('x' || left(md5(n || salt), 7))::bit(28)::bigint % 94608000 * interval '1 second'
$$;
INSERT INTO toggl.workspaces (id, name, _first_seen_at, _valid_from, _synced_at, _pull_id)
SELECT n, 'w' || n, now(), now(), now(), 1 FROM generate_series(1, 20) n;
INSERT INTO toggl.clients (id, workspace_id, name, hourly_rate, currency, archived, at, deleted_at, _first_seen_at,
                           _valid_from, _synced_at, _pull_id, _change_kind)
SELECT n, n % 20 + 1, 'client ' || n, CASE WHEN n % 7 > 0 THEN n % 90 + 10 END,
       (ARRAY ['EUR', 'USD', 'CHF'])[n % 3 + 1], n % 5 = 0, now(),
       CASE WHEN n % 10 = 0 THEN now() - n % 400 * interval '1 day' END, pg_temp.ago(n, 'c') - interval '1 year',
       pg_temp.ago(n, 'c'), now(), 1, 'update'
FROM generate_series(1, $PARENTS) n;
INSERT INTO toggl.projects (id, workspace_id, client_id, name, active, billable, rate, currency, created_at, at,
                            deleted_at, _first_seen_at, _valid_from, _synced_at, _pull_id, _change_kind)
SELECT n, n % 20 + 1, CASE WHEN n % 50 <> 3 THEN n % $PARENTS + 1 END, 'project ' || n, n % 5 > 0, n % 2 = 0,
       CASE WHEN n % 3 = 0 THEN n % 90 + 10 END, 'EUR', pg_temp.ago(n, 'p') - interval '1 year', now(),
       CASE WHEN n % 10 = 0 THEN now() - n % 400 * interval '1 day' END, pg_temp.ago(n, 'p') - interval '1 year',
       pg_temp.ago(n, 'p'), now(), 1, CASE WHEN n % 1000 = 1 THEN 'reappear' ELSE 'update' END
FROM generate_series(1, $PROJECTS) n;
INSERT INTO syncd.client_versions (id, workspace_id, name, hourly_rate, currency, archived, at, valid_from, valid_to,
                                   change_kind, end_kind, pull_id)
SELECT id, workspace_id, name || CASE WHEN id % 100 = 1 THEN ' Ltd' ELSE '' END, hourly_rate - age % 2, currency,
       false, at, _valid_from - age * interval '180 days', _valid_from - (age - 1) * interval '180 days', 'update',
       'update', 1
FROM toggl.clients, generate_series(1, 2) age;
INSERT INTO syncd.project_versions (id, workspace_id, client_id, name, active, billable, rate, currency, created_at, at,
                                    valid_from, valid_to, change_kind, end_kind, pull_id)
SELECT id, workspace_id, CASE WHEN id % 100 <> 1 THEN client_id END, name, true, billable,
       CASE WHEN id % 9 = 0 THEN rate - age ELSE rate END, currency, created_at, at,
       _valid_from - age * interval '180 days', _valid_from - (age - 1) * interval '180 days', 'update',
       CASE WHEN id % 1000 = 1 AND age = 1 THEN 'delete' ELSE 'update' END, 1
FROM toggl.projects, generate_series(1, 2) age;
RESET session_replication_role;
"""


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.queries", description=__doc__)
    parser.add_argument("--projects", type=int, default=100_000)
    projects = parser.parse_args().projects
    home = make_reachable_directory()
    try:
        async with await EmbeddedPostgres.open(home / "data") as server:
            connection = await asyncpg.connect(server.url)
            await migrate(connection)
            await connection.execute(LOAD.replace("$PROJECTS", str(projects)).replace("$PARENTS", str(projects // 20)))
            await connection.execute("VACUUM ANALYZE")
            print(f"{'fastest':>8} {'slowest':>8} {'rows':>7}   milliseconds, {projects:,} projects")
            for recipe in recipes():
                times, rows = await measured(connection, recipe.query)
                mark = "" if times[0] < TARGET_MS else f"   over {TARGET_MS} ms"
                print(f"{times[0]:8.1f} {times[-1]:8.1f} {rows:7}   {recipe.question}{mark}", flush=True)
            await connection.close()
    finally:
        shutil.rmtree(home)


async def measured(connection: Any, query: str) -> tuple[list[float], int]:
    """Milliseconds of some runs, ascending, and how many rows came."""
    times, rows = [], 0
    for _ in range(RUNS):
        began = time.perf_counter()
        rows = len(await connection.fetch(query))
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times), rows


if __name__ == "__main__":
    asyncio.run(main())
