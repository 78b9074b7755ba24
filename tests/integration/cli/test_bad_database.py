"""A database that cannot serve: one line that says why and what to do, exit 3, and nothing is pulled."""

from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from syncd.emulator.server import Emulator
from syncd.postgres.sql import migrations
from tests.integration.cli.stage import CANARY_PASSWORD, CANARY_TOKEN, Mirror
from tests.postgres_fixture import name_of
from tests.processes import Outcome, Syncd
from tests.servers import unused_port


def assert_refused(outcome: Outcome, message: str) -> None:
    """Nothing but this line, and exit code 3."""
    assert outcome.messages == [f"syncd: {message}"]
    assert (outcome.exit_code, outcome.stdout, outcome.events) == (3, "", [])


def moved(url: str, *, path: str = "", user: str = "") -> str:
    """The same server, another database or user."""
    parts = urlsplit(url)
    netloc = f"{user}@{parts.hostname}:{parts.port}" if user else parts.netloc
    return urlunsplit(parts._replace(netloc=netloc, path=path or parts.path))


def place(mirror: Mirror, path: str = "") -> str:
    """How messages name a database."""
    parts = urlsplit(mirror.url)
    return f"{parts.hostname}:{parts.port}{path or parts.path}"


@pytest.mark.parametrize("command", ["once", "status", "migrate"])
async def test_nobody_listens(syncd: Syncd, command: str) -> None:
    nowhere = f"127.0.0.1:{unused_port()}/bi"
    password = quote(CANARY_PASSWORD, safe="")
    syncd.configure(
        database={"url": f"postgresql://canary:{password}@{nowhere}", "connect_timeout": "100ms"},
        tokens={"acme": CANARY_TOKEN},
    )
    assert_refused(
        await syncd(command),
        f"PostgreSQL at {nowhere}: Connection refused; gave up after 0.1 s; start it, or mend [database] url",
    )


async def test_wrong_password(configured: Syncd, mirror: Mirror) -> None:
    configured.configure(database={"url": moved(mirror.url, user="canary:canary-7f3b9-wrong")})
    outcome = await configured("once")
    reason = "the server refuses this user or password; mend [database] url (SQLSTATE 28P01)"
    assert_refused(outcome, f"PostgreSQL at {place(mirror)}: {reason}")
    assert "canary-7f3b9-wrong" not in outcome.stderr


@pytest.mark.parametrize("command", ["once", "run"])
async def test_unknown_value_of_a_parameter(configured: Syncd, mirror: Mirror, command: str) -> None:
    """No server needs to be asked."""
    configured.configure(database={"url": f"{mirror.url}?sslmode=sure"})
    outcome = await configured(command)
    (message,) = outcome.messages
    assert (outcome.exit_code, message.startswith("syncd: [database] url: `sslmode` parameter must be one of")) == (
        3,
        True,
    )


@pytest.mark.parametrize("command", ["once", "run"])
async def test_missing_certificate(configured: Syncd, mirror: Mirror, command: str) -> None:
    """Waiting for the server would bring it no nearer."""
    configured.configure(database={"url": f"{mirror.url}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem"})
    outcome = await configured(command)
    expected = "syncd: [database] url: sslrootcert: /nowhere/ca.pem cannot be read; correct the path"
    assert (outcome.exit_code, outcome.messages) == (3, [expected])


async def test_missing_database(configured: Syncd, mirror: Mirror) -> None:
    configured.configure(database={"url": moved(mirror.url, path="/nowhere")})
    reason = "this database does not exist: create it, or mend [database] url (SQLSTATE 3D000)"
    assert_refused(await configured("once"), f"PostgreSQL at {place(mirror, '/nowhere')}: {reason}")


async def test_role_that_may_not_create_schemas(configured: Syncd, mirror: Mirror) -> None:
    await mirror.do(f'ALTER DATABASE "{name_of(mirror.url)}" OWNER TO CURRENT_USER')
    assert_refused(
        await configured("once"),
        f"PostgreSQL at {place(mirror)}: the user lacks a right that syncd needs; "
        "run `syncd migrate` as the owner (SQLSTATE 42501)",
    )


async def test_database_newer_than_the_program(configured: Syncd, toggl: Emulator, mirror: Mirror) -> None:
    """An older program must not write into tables it does not know."""
    await configured("migrate")
    known = len(migrations())
    await mirror.do(f"INSERT INTO syncd.migrations VALUES ({known + 1}, 'of_tomorrow', '')")
    message = f"the database is at schema version {known + 1}, this syncd knows {known}: upgrade syncd"
    assert_refused(await configured("once"), message)
    assert_refused(await configured("migrate"), message)
    assert not toggl.requests


async def test_edited_migration(configured: Syncd, mirror: Mirror) -> None:
    """What was applied here is not what the program thinks it was."""
    await configured("migrate")
    first = migrations()[0].name
    await mirror.do("UPDATE syncd.migrations SET checksum = 'other' WHERE version = 1")
    assert_refused(
        await configured("once"),
        f"migration {first} was edited after it was applied here: restore the released file",
    )
    daemon = await configured("run")
    assert (daemon.exit_code, daemon.names) == (3, ["syncd.start", "syncd.migration.failed", "syncd.stop.finish"])
    failed = daemon.event("syncd.migration.failed")
    assert (failed["log.level"], failed["error.type"]) == ("fatal", "DatabaseUnusable")


async def test_pending_migrations_where_they_are_not_ours_to_apply(configured: Syncd, mirror: Mirror) -> None:
    """[database] migrate = false: neither `once` nor `run` touches the schema; `migrate` does."""
    configured.configure(database={"migrate": False})
    outcome = await configured("once")
    assert_refused(outcome, "[database] migrate is false and the schema is behind: run `syncd migrate`")
    assert await mirror.rows("SELECT FROM pg_tables WHERE schemaname IN ('toggl', 'syncd')") == []
    assert (await configured("migrate")).exit_code == 0
    assert (await configured("once")).exit_code == 0


async def test_data_directory_of_another_major(syncd: Syncd, data_dir: Path) -> None:
    """The server would refuse it too, in a riddle."""
    cluster = data_dir / "cluster" / "data"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("9\n")
    syncd.configure(database={"data_dir": str(data_dir)}, tokens={"acme": CANARY_TOKEN})
    outcome = await syncd("once")
    (message,) = outcome.messages
    assert message.startswith(f"syncd: data directory {data_dir} was made by PostgreSQL 9, this syncd brings ")
    assert message.endswith("or give another [database] data_dir")
    assert (outcome.exit_code, outcome.stdout) == (3, "")
