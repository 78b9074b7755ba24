"""Databases to break."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.chaos.kit import Databases


@pytest.fixture
async def databases(database_url: str) -> AsyncIterator[Databases]:
    admin = await asyncpg.connect(database_url, ssl=False)
    yield Databases(admin, database_url)
    await admin.close()
