"""Databases to break: copies of a few that take longer to make, so those are made once per module."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio

from syncd.postgres.migrate import Connection
from tests.chaos.kit import Databases, looking_at
from tests.chaos.stages import Stage, staged
from tests.postgres_fixture import Cluster


@pytest.fixture(scope="module")
def home_url(cluster: Cluster) -> Iterator[str]:
    """A database to be connected to while others are made."""
    url = cluster.create()
    yield url
    cluster.drop(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def databases(home_url: str) -> AsyncIterator[Databases]:
    admin = await asyncpg.connect(home_url, ssl=False)
    yield Databases(admin, home_url)
    await admin.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(databases: Databases, migrated_template: str) -> AsyncIterator[Stage]:
    async with staged("changes", databases, migrated_template) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def url(stage: Stage) -> AsyncIterator[str]:
    """A database at the beginning of the scenario, to be broken."""
    async with stage.databases.copy(stage.before) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def audit(url: str) -> AsyncIterator[Connection]:
    """A second session, of a superuser."""
    async with looking_at(url) as connection:
        yield connection
