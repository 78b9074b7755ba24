"""What PostgreSQL refuses: another session, a schema that was spoilt, single records.

The real server does it each time. What it refused is mended at the end, and then one pull must set everything right.
"""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio

from syncd.errors import DatabaseUnavailable, DatabaseUnusable
from syncd.postgres.migrate import Connection
from tests.chaos.kit import T0, assert_mirrors
from tests.chaos.sessions import assert_failed, end_sessions, puller_of
from tests.chaos.stages import Stage
from tests.postgres_fixture import name_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def writer_url(url: str, audit: Connection) -> AsyncIterator[str]:
    """The database as a role sees it that may do just what a pull needs."""
    role = f"writer_of_{name_of(url)}"
    await audit.execute(f"""
        CREATE ROLE {role} LOGIN PASSWORD 'secret';
        GRANT USAGE ON SCHEMA toggl, syncd TO {role};
        GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA toggl, syncd TO {role};
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA syncd TO {role};""")
    parts = urlsplit(url)
    yield urlunsplit(parts._replace(netloc=f"{role}:secret@{parts.hostname}:{parts.port}"))
    await audit.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_server_without_room(stage: Stage, writer_url: str, audit: Connection) -> None:
    """53300: too many connections."""
    role = urlsplit(writer_url).username
    async with puller_of(stage, writer_url) as puller:
        await audit.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
        await end_sessions(audit, puller)
        assert_failed(await puller.pull(T0), DatabaseUnavailable, "53300")
        await audit.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")
        assert (await puller.pull(T0)).result == "changed"
    await stage.assert_done(writer_url)


UNUSABLE = {
    "42501": ("REVOKE UPDATE ON toggl.projects FROM {role}", "GRANT UPDATE ON toggl.projects TO {role}"),
    "42P01": ("ALTER TABLE toggl.projects RENAME TO mislaid", "ALTER TABLE toggl.mislaid RENAME TO projects"),
    "42703": (
        "ALTER TABLE toggl.projects RENAME COLUMN color TO hue", "ALTER TABLE toggl.projects RENAME COLUMN hue TO color"
    ),
    "3F000": ("ALTER SCHEMA toggl RENAME TO mislaid", "ALTER SCHEMA mislaid RENAME TO toggl"),
}  # fmt: skip


@pytest.mark.parametrize("sqlstate", UNUSABLE)
@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
async def test_a_schema_that_cannot_be_used(
    stage: Stage, writer_url: str, audit: Connection, sqlstate: str, is_warm: bool
) -> None:
    """Rights, a table, a column, the schema is missing: a person is told what to do, and no half of a workspace is
    written; also if the session knew the table before (`warm`)."""
    role = urlsplit(writer_url).username
    spoil, mend = (statement.format(role=role) for statement in UNUSABLE[sqlstate])
    async with puller_of(stage, writer_url) as puller:
        if is_warm:
            assert (await puller.pull(T0)).result == "changed"
            await audit.execute("UPDATE toggl.clients SET name = 'tampered' WHERE id IN (11, 21)")
            await audit.execute("UPDATE toggl.projects SET name = 'tampered' WHERE id IN (101, 201)")
        await audit.execute(spoil)
        assert_failed(await puller.pull(T0, full=True), DatabaseUnusable, "")
        await audit.execute(mend)
        ((status, error),) = await audit.fetch("SELECT status, last_error FROM toggl.sync_status")
        assert status == "failed"
        assert f"SQLSTATE {sqlstate}" in error or "SQLSTATE 42P01" in error  # of a schema its tables are missed first
        if is_warm:
            assert await audit.fetchval("SELECT count(*) FROM toggl.clients WHERE name = 'tampered'") == 2
        else:
            assert await stage.done(writer_url, sqlstate) == (0, False)
        assert (await puller.pull(T0, full=True)).result == "changed"
    await assert_mirrors(audit, stage.world)


REFUSALS = {
    "new projects": ("projects", "name <> 'New'", [("project", "104"), ("project", "204")]),
    "edited projects": ("projects", "name <> 'Edited once'", [("project", "102"), ("project", "202")]),
    "new clients, of whom projects are": ("clients", "name <> 'New'", [("client", "14"), ("client", "24")]),
    "edited clients": ("clients", "name <> 'Edited once'", [("client", "12"), ("client", "22")]),
    "both": ("projects", "name <> 'New' AND name <> 'Edited once'",
             [("project", "102"), ("project", "104"), ("project", "202"), ("project", "204")]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
async def test_i14_records_that_only_the_database_refuses(stage: Stage, url: str, audit: Connection, case: str) -> None:
    """They are put aside, with the rule they break; the rest is stored; without the rule they are released."""
    table, rule, refused = REFUSALS[case]
    await audit.execute(f"ALTER TABLE toggl.{table} ADD CONSTRAINT odd CHECK ({rule})")
    async with puller_of(stage, url) as puller:
        report = await puller.pull(T0)
        assert report.result == "partial", report.error
        assert [name[:2] for name in report.quarantined] == refused
        rows = await audit.fetch("SELECT DISTINCT reason, detail FROM syncd.quarantine WHERE released_at IS NULL")
        assert [tuple(row) for row in rows] == [("constraint", "23514 odd")]
        edited = await audit.fetchval(
            "SELECT (SELECT count(*) FROM toggl.clients WHERE name IN ('Edited once', 'New'))"
            " + (SELECT count(*) FROM toggl.projects WHERE name IN ('Edited once', 'New'))"
        )
        assert edited == 8 - len(refused)
        frozen = await audit.fetchval(f"SELECT count(*) FROM toggl.{table} WHERE deleted_at IS NOT NULL")
        assert frozen == 0, "a snapshot with rejects proves no absence"
        await audit.execute(f"ALTER TABLE toggl.{table} DROP CONSTRAINT odd")
        report = await puller.pull(T0)
        assert sorted(report.released) == refused
        await puller.pull(T0)
    await assert_mirrors(audit, stage.world)


async def test_a_unique_index_of_somebody_else_s(stage: Stage, url: str, audit: Connection) -> None:
    """23505 is not always an id that is taken: the detail names the index."""
    await audit.execute("CREATE UNIQUE INDEX odd ON toggl.projects (workspace_id) WHERE name IN ('New', 'Edited once')")
    async with puller_of(stage, url) as puller:
        report = await puller.pull(T0)
        assert report.quarantined == [("project", "102", "constraint"), ("project", "202", "constraint")]
        assert await audit.fetchval("SELECT DISTINCT detail FROM syncd.quarantine") == "23505 odd"
        await audit.execute("DROP INDEX toggl.odd")
        await puller.pull(T0)
        await puller.pull(T0)
    await assert_mirrors(audit, stage.world)
