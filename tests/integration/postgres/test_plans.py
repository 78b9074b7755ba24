"""What reports ask is answered from an index, with 100,000 rows in every table."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from tests.postgres_fixture import Cluster

ROWS = 100_000
"""A minute between two versions; workspaces have 1,000 clients and as many projects, clients five projects each."""

LOAD = f"""
SET session_replication_role = replica;  -- no check of keys, for they are right by construction
INSERT INTO toggl.workspaces (id, name, _first_seen_at, _valid_from, _synced_at, _pull_id)
SELECT n, 'w' || n, now(), now(), now(), 1 FROM generate_series(1, 100) n;
INSERT INTO toggl.clients
    (id, workspace_id, name, at, deleted_at, _first_seen_at, _valid_from, _synced_at, _pull_id, _change_kind)
SELECT n, n % 100 + 1, 'c' || n, now(), CASE WHEN n % 10 = 0 THEN now() END, now(), now(), now(), 1, 'insert'
FROM generate_series(1, {ROWS}) n;
INSERT INTO toggl.projects
    (id, workspace_id, client_id, name, at, deleted_at, _first_seen_at, _valid_from, _synced_at, _pull_id, _change_kind)
SELECT n, n % 100 + 1, n % 20000 + 1, 'p' || n, now(), CASE WHEN n % 10 = 0 THEN now() END, now(), now(), now(), 1,
       'insert'
FROM generate_series(1, {ROWS}) n;
INSERT INTO syncd.client_versions (id, workspace_id, name, at, valid_from, valid_to, change_kind, end_kind, pull_id)
SELECT n, n % 100 + 1, 'c' || n, now(), now() - n * interval '2 minutes', now() - n * interval '1 minute',
       'insert', 'update', 1
FROM generate_series(1, {ROWS}) n;
INSERT INTO syncd.project_versions (id, workspace_id, name, at, valid_from, valid_to, change_kind, end_kind, pull_id)
SELECT n, n % 100 + 1, 'p' || n, now(), now() - n * interval '2 minutes', now() - n * interval '1 minute',
       'insert', 'update', 1
FROM generate_series(1, {ROWS}) n;
INSERT INTO syncd.changes (part, position, ordinal, pull_id, workspace_id, relation, change_kind, at, ids)
SELECT n, n, 1, n, n % 100 + 1, 'clients', 'update', now(), ARRAY [n] FROM generate_series(1, {ROWS}) n;
ANALYZE;
"""

AS_OF = "valid_from <= {0} AND (valid_to > {0} OR valid_to IS NULL)"
LATELY = AS_OF.format("now() - interval '1 day'")
LONG_AGO = AS_OF.format("now() - interval '138 days'")

SELECTIVE = {
    "SELECT * FROM toggl.projects_current WHERE client_id = 77": {"projects_client_id_idx"},
    "SELECT * FROM toggl.projects_enriched WHERE client_id = 77": {"projects_client_id_idx", "clients_pkey"},
    "SELECT * FROM toggl.projects WHERE workspace_id = 7": {"projects_workspace_id_idx"},
    "SELECT * FROM toggl.clients WHERE workspace_id = 7": {"clients_workspace_id_idx"},
    "SELECT * FROM toggl.projects_current WHERE workspace_id = 7": {"projects_workspace_id_idx"},
    "SELECT * FROM toggl.clients_current WHERE workspace_id = 7": {"clients_workspace_id_idx"},
    "SELECT * FROM toggl.projects_history WHERE id = 77": {"project_versions_pkey", "projects_pkey"},
    "SELECT * FROM toggl.clients_history WHERE id = 77": {"client_versions_pkey", "clients_pkey"},
    "SELECT * FROM toggl.projects_history WHERE id = 77 ORDER BY valid_from DESC LIMIT 1":
        {"project_versions_pkey", "projects_pkey"},
    "SELECT * FROM toggl.changes WHERE position > 99990 ORDER BY position, ordinal": {"changes_position_idx"},
    "SELECT * FROM toggl.changes WHERE position >= 7 AND (position, ordinal) > (7, 1) "
    "ORDER BY position, ordinal LIMIT 9": {"changes_position_idx"},
    f"SELECT * FROM toggl.projects_history WHERE id = 77 AND {LATELY}": {"project_versions_pkey", "projects_pkey"},
}  # fmt: skip
"""No table of ours is read from end to end."""

AS_OF_AN_INSTANT = {
    f"SELECT * FROM toggl.{table}s_history WHERE {instant}": f"{table}_versions_{bound}_idx"
    for table in ("client", "project")
    for instant, bound in ((LATELY, "valid_to"), (LONG_AGO, "valid_from"))
}
"""Most rows that are live now were so then: of the superseded versions, few."""


@pytest.fixture(scope="module")
def loaded_url(cluster: Cluster, migrated_template: str) -> Iterator[str]:
    """A database with many rows."""
    url = cluster.create(migrated_template)
    cluster.fill(url, LOAD)
    yield url
    cluster.drop(url)


@pytest.fixture
async def connection(loaded_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(loaded_url)
    yield connection
    await connection.close()


async def scans(connection: Any, query: str) -> tuple[set[str], set[str]]:
    """Names of the indexes that a query is answered from, and of the tables that it reads from end to end."""
    found: tuple[set[str], set[str]] = set(), set()
    nodes = [entry["Plan"] for entry in json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {query}"))]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        found[0].update([node["Index Name"]] if "Index Name" in node else [])
        found[1].update([node["Relation Name"]] if node["Node Type"] == "Seq Scan" else [])
    return found


@pytest.mark.parametrize("query", SELECTIVE)
async def test_few_rows_are_found_without_reading_all(connection: Any, query: str) -> None:
    """By client, by workspace, live ones only, the history of a record."""
    indexes, whole_tables = await scans(connection, query)
    assert (indexes, whole_tables - {"workspaces"}) == (SELECTIVE[query], set())


@pytest.mark.parametrize("query", AS_OF_AN_INSTANT)
async def test_the_history_is_cut_at_an_instant_by_an_index(connection: Any, query: str) -> None:
    """On the side where less remains."""
    indexes, whole_tables = await scans(connection, query)
    assert (AS_OF_AN_INSTANT[query] in indexes, {name for name in whole_tables if "versions" in name}) == (True, set())
