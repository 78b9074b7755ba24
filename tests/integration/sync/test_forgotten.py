"""docs/tokens.md: an account whose data must go."""

import aiohttp
import pytest

from syncd.clock import Clock
from syncd.emulator import seed
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.records import RESOURCES
from syncd.toggl import v9
from tests.docs.pages import named_blocks
from tests.integration.sync.conftest import Mirror, mirror_of, register

FORGET = named_blocks("docs/tokens.md", "sql")["forget"]
WITH_TAGS = tuple(RESOURCES)
QUOTAS = """
INSERT INTO syncd.quotas SELECT owner, 0, 30, 30, now(), now()
FROM syncd.tokens, LATERAL (VALUES (name), ('#' || user_id)) AS known (owner)"""
"""As from before it was known whose token it is, and since."""


@pytest.fixture
def world() -> World:
    """Two accounts with a workspace each."""
    return seed.generate(seed=3, tokens=2, workspaces=1, clients=3, projects=2, tags=2, now=Clock().now)


@pytest.fixture
async def mirror(database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World) -> Mirror:
    return await mirror_of(database, session, emulator.url, dict(world.tokens), v9.DIALECT, resources=WITH_TAGS)


async def tables(mirror: Mirror, column: str) -> list[str]:
    """Every table of the mirror and its machinery that has such a column."""
    return [name for (name,) in await mirror.rows(
        "SELECT c.table_schema || '.' || c.table_name FROM information_schema.columns c "
        "JOIN information_schema.tables t USING (table_schema, table_name) WHERE t.table_type = 'BASE TABLE' "
        "AND c.table_schema IN ('toggl', 'syncd') AND c.column_name = $1 ORDER BY 1", column)]  # fmt: skip


async def test_nothing_is_left_of_a_forgotten_account_and_all_of_the_other(mirror: Mirror, world: World) -> None:
    """Rows, versions, changes and machinery; the other token's next pull finds nothing to do."""
    for token in mirror.tokens:
        await mirror.pull(token)
    for client in list(world.clients.values()):
        world.update_client(client.id, name=f"{client.name} renamed")
    for project in list(world.projects.values()):
        world.update_project(project.id, name=f"{project.name} renamed")
    for tag in list(world.tags.values()):
        world.update_tag(tag.id, name=f"{tag.name} renamed")
    for token in mirror.tokens:
        assert (await mirror.pull(token)).result == "changed"
    kept, gone = "t0", "t1"
    ((workspace_id,),) = await mirror.rows("SELECT unnest(workspace_ids) FROM syncd.tokens WHERE name = $1", gone)
    for table in (name for resource in RESOURCES for name in (f"toggl.{resource}s", f"syncd.{resource}_versions")):
        assert await mirror.value(f"SELECT count(*) FROM {table} WHERE workspace_id = $1", workspace_id) > 0, table
    await register(mirror.database, kept, resources=WITH_TAGS)
    async with mirror.database.connection() as connection:
        await connection.execute("UPDATE syncd.tokens SET user_id = pull_id")
        await connection.execute(QUOTAS)
        await connection.execute(FORGET.replace("2230001", str(workspace_id)).replace("'acme'", f"'{gone}'"))
    for table in await tables(mirror, "workspace_id"):
        assert await mirror.value(f"SELECT count(*) FROM {table} WHERE workspace_id = $1", workspace_id) == 0, table
    for table in await tables(mirror, "token"):
        assert await mirror.value(f"SELECT count(*) FROM {table} WHERE token = $1", gone) == 0, table
    assert await mirror.value("SELECT count(*) FROM syncd.quotas") == 2
    assert await mirror.rows("SELECT token, status FROM toggl.sync_status") == [(kept, "ok")]
    report = await mirror.pull(kept, full=True)
    assert (report.result, report.counts["client"].unchanged) == ("unchanged", 3)
    assert await mirror.value("SELECT count(*) FROM toggl.clients_history") == 6
