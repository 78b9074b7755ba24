"""A place to run commands in, a source and a database for them; the secrets of both are canaries."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from syncd.emulator import seed
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from tests.integration.cli.stage import CANARY_PASSWORD, CANARY_TOKEN, ROLE, Calendar, Mirror
from tests.postgres_fixture import name_of
from tests.processes import Syncd, spellings


@pytest.fixture
async def mirror(database_url: str) -> AsyncIterator[Mirror]:
    """An empty database that belongs to an ordinary role, whose password no output may hold, nor any table."""
    parts = urlsplit(database_url)
    user = f"{ROLE}:{quote(CANARY_PASSWORD, safe='')}"
    mirror = Mirror(urlunsplit(parts._replace(netloc=f"{user}@{parts.hostname}:{parts.port}")), database_url)
    if not await mirror.rows("SELECT FROM pg_roles WHERE rolname = $1", ROLE):
        await mirror.do(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{CANARY_PASSWORD}'")
    await mirror.do(f'ALTER DATABASE "{name_of(database_url)}" OWNER TO {ROLE}')
    yield mirror
    text = await mirror.text()
    for secret in (CANARY_TOKEN, CANARY_PASSWORD):
        for spelling in spellings(secret):
            assert spelling not in text


@pytest.fixture
def syncd(tmp_path: Path) -> Syncd:
    """Runs commands in an empty home."""
    return Syncd(tmp_path, secrets=(CANARY_TOKEN, CANARY_PASSWORD))


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def world(calendar: Calendar) -> World:
    """The rows of the API's documentation, of a user whose token no output may hold."""
    world = seed.documented(calendar.now)
    world.user("t0").token = CANARY_TOKEN
    return world


@pytest.fixture
async def toggl(world: World) -> AsyncIterator[Emulator]:
    """A server for `world`."""
    async with Emulator(world) as emulator:
        yield emulator


@pytest.fixture
def api() -> str:
    """The API version that commands speak, where a test does not say `BOTH`."""
    return "v9"


@pytest.fixture
def configured(syncd: Syncd, toggl: Emulator, mirror: Mirror, api: str) -> Syncd:
    """Runs commands on `toggl` and `mirror`, with one token named acme."""
    syncd.configure(
        database={"url": mirror.url, "connect_timeout": "1s"},
        toggl={"base_url": toggl.url, "requests_per_second": 0, "api": api},
        sync={"interval": "1s"},
        tokens={"acme": CANARY_TOKEN},
    )
    return syncd
