"""Databases to break: copies of a few that take longer to make, so those are made once per module."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio

from tests.chaos.kit import Databases
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
