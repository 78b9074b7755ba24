"""Records that COPY stored are read back as they were."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.postgres.copying import CopyFormat
from syncd.postgres.pool import prepare


class Everything(msgspec.Struct, frozen=True):
    """A field of every type that a record can have."""

    number: int
    text: str | None
    flag: bool | None
    instant: datetime | None
    day: date | None
    amount: Decimal | None
    extra: dict[str, Any] | None


COLUMNS = """number bigint, text text, flag boolean, instant timestamptz, day date, amount numeric(18,4), extra jsonb,
             note text, since timestamptz"""
SINCE = datetime(1970, 1, 1, 12, 0, 0, 1, tzinfo=UTC)
FIRST, LAST = SINCE.replace(tzinfo=None), SINCE.replace(year=9998, tzinfo=None)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
amounts = st.decimals(-(10**13), 10**13, places=4) | st.integers(0, 10**13).map(Decimal)
everything = st.builds(
    Everything,
    number=st.integers(-(2**63), 2**63 - 1),
    text=st.none() | texts,
    flag=st.none() | st.booleans(),
    instant=st.none() | st.datetimes(FIRST, LAST, timezones=st.just(UTC)),
    day=st.none() | st.dates(),
    amount=st.none() | amounts,
    extra=st.none()
    | st.dictionaries(texts, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts, max_size=3),
)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield runner


@pytest.fixture
def connection(migrated_url: str, runner: asyncio.Runner) -> Iterator[Any]:
    """One with a table of every type."""

    async def opened() -> Any:
        connection = await asyncpg.connect(migrated_url)
        await prepare(connection)
        await connection.execute(f"CREATE TEMPORARY TABLE everything ({COLUMNS})")
        return connection

    connection = runner.run(opened())
    yield connection
    runner.run(connection.close())


async def _copied(connection: Any, records: list[Everything]) -> list[tuple[Any, ...]]:
    await connection.execute("TRUNCATE everything")
    columns, body = CopyFormat(Everything).copy(records, {"note": "all alike", "since": SINCE})
    await connection.copy_to_table("everything", source=body, columns=columns, format="binary")
    return [tuple(row) for row in await connection.fetch("SELECT * FROM everything")]


@given(st.lists(everything, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_copied_is_read_back(runner: asyncio.Runner, connection: Any, records: list[Everything]) -> None:
    """Whatever the values, columns that are empty throughout included."""
    expected = [(*msgspec.structs.astuple(record), "all alike", SINCE) for record in records]
    assert runner.run(_copied(connection, records)) == expected
