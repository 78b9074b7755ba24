"""Every child has its parent, by whichever way the server enforces it: row by row, or for a whole statement."""

import asyncio
from typing import Any

import asyncpg
import pytest

WORKSPACE = """
    INSERT INTO toggl.workspaces (id, name, _first_seen_at, _valid_from, _synced_at, _pull_id)
    VALUES (1, 'w', now(), now(), now(), 1)"""
CLIENTS = """
    INSERT INTO toggl.clients
        (id, workspace_id, name, at, _first_seen_at, _valid_from, _synced_at, _pull_id, _change_kind)
    SELECT id, 1, 'c', now(), now(), now(), now(), 1, 'insert' FROM unnest($1::bigint[]) AS id"""
PROJECTS = """
    INSERT INTO toggl.projects
        (id, workspace_id, client_id, name, at, _first_seen_at, _valid_from, _synced_at, _pull_id, _change_kind)
    SELECT row_number() OVER (), $1, client, 'p', now(), now(), now(), now(), 1, 'insert'
    FROM unnest($2::bigint[]) AS client"""


@pytest.fixture
async def connection(migrated_url: str) -> Any:
    """Workspace 1 with clients 1 and 2."""
    connection = await asyncpg.connect(migrated_url)
    await connection.execute(WORKSPACE)
    await connection.execute(CLIENTS, [1, 2])
    yield connection
    await connection.close()


@pytest.mark.parametrize(("workspace", "clients", "key"), [(1, [1, 9, 2], "client_id"), (8, [1], "workspace_id")])
async def test_one_child_without_its_parent_fails_all(
    connection: Any, workspace: int, clients: list[int], key: str
) -> None:
    """The error is that of a foreign key: its code, its constraint, and which value has no parent."""
    with pytest.raises(asyncpg.ForeignKeyViolationError) as caught:
        await connection.execute(PROJECTS, workspace, clients)
    found = caught.value
    assert (found.schema_name, found.table_name, found.constraint_name) == ("toggl", "projects", f"projects_{key}_fkey")
    parent, value = {"client_id": ("clients", 9), "workspace_id": ("workspaces", 8)}[key]
    assert str(found).splitlines() == [
        f'insert or update on table "projects" violates foreign key constraint "projects_{key}_fkey"',
        f'DETAIL:  Key ({key})=({value}) is not present in table "{parent}".',
    ]
    assert await connection.fetchval("SELECT count(*) FROM toggl.projects") == 0


async def test_a_project_needs_no_client(connection: Any) -> None:
    """NULL names no parent, in a new row and in a changed one."""
    await connection.execute(PROJECTS, 1, [None, 1])
    await connection.execute("UPDATE toggl.projects SET client_id = NULL")
    assert await connection.fetchval("SELECT count(*) FROM toggl.projects WHERE client_id IS NULL") == 2


@pytest.mark.parametrize("table", ["clients", "projects"])
async def test_a_child_cannot_move_to_a_parent_that_is_not_there(connection: Any, table: str) -> None:
    """Changed rows are checked like new ones."""
    await connection.execute(PROJECTS, 1, [1, None])
    with pytest.raises(asyncpg.ForeignKeyViolationError, match=f"{table}_workspace_id_fkey"):
        await connection.execute(f"UPDATE toggl.{table} SET workspace_id = 8")
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="projects_client_id_fkey"):
        await connection.execute("UPDATE toggl.projects SET client_id = 9")
    assert await connection.execute("UPDATE toggl.projects SET client_id = 2") == "UPDATE 2"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("DELETE FROM toggl.workspaces", "clients_workspace_id_fkey"),
        ("DELETE FROM toggl.clients WHERE id = 1", "projects_client_id_fkey"),
        ("UPDATE toggl.clients SET id = 9 WHERE id = 1", "projects_client_id_fkey"),
    ],
)
async def test_a_parent_stays_while_it_has_children(connection: Any, change: str, key: str) -> None:
    """Nor can it be given another id; one without children can go."""
    await connection.execute(PROJECTS, 1, [1])
    with pytest.raises(asyncpg.ForeignKeyViolationError) as caught:
        await connection.execute(change)
    assert caught.value.constraint_name == key
    assert await connection.execute("DELETE FROM toggl.clients WHERE id = 2") == "DELETE 1"


async def test_parents_cannot_be_truncated_away(connection: Any) -> None:
    """TRUNCATE looks at the keys that are declared."""
    with pytest.raises(asyncpg.FeatureNotSupportedError):
        await connection.execute("TRUNCATE toggl.clients")


async def test_who_removes_a_parent_waits_for_a_child_that_is_about_to_come(connection: Any, migrated_url: str) -> None:
    """The child holds its parent until it commits: neither of the two can leave an orphan."""
    other = await asyncpg.connect(migrated_url)
    try:
        async with connection.transaction():
            await connection.execute(PROJECTS, 1, [1])
            removal = asyncio.create_task(other.execute("DELETE FROM toggl.clients WHERE id = 1"))
            waits = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'"
            while not await connection.fetchval(waits, other.get_server_pid()):
                assert not removal.done()
        with pytest.raises(asyncpg.ForeignKeyViolationError, match="projects_client_id_fkey"):
            await removal
    finally:
        await other.close()


async def test_an_old_snapshot_does_not_hide_a_child_from_who_removes_its_parent(
    connection: Any, migrated_url: str
) -> None:
    """The transaction began before the child came, and would leave it an orphan."""
    other = await asyncpg.connect(migrated_url)
    try:
        transaction = other.transaction(isolation="repeatable_read")
        await transaction.start()
        await other.fetch("SELECT FROM toggl.projects")
        await connection.execute(PROJECTS, 1, [1])
        with pytest.raises((asyncpg.ForeignKeyViolationError, asyncpg.SerializationError)):
            await other.execute("DELETE FROM toggl.clients WHERE id = 1")
    finally:
        await other.close()
