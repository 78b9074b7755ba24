"""What is known of the hourly quotas, kept so that a restart or another replica honours it. By the database's clock."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from syncd.postgres.database import Database
from syncd.postgres.sql import queries

Cost = Mapping[int, int]
"""Organization (0: none) -> requests."""


class StoredLevel(msgspec.Struct, frozen=True):
    """A bucket. `organization` 0: none. `total` 0: nobody told. `resets_in_s`: seconds until it is full again, below 0
    if it is."""

    organization: int
    remaining: int
    total: int
    resets_in_s: float


class Sharer(msgspec.Struct, frozen=True):
    """A token that draws on the same quotas. `interval_s` as configured; what its pulls cost, None: not known."""

    interval_s: float
    full: dict[int, int] | None = None
    usual: dict[int, int] | None = None


class StoredBudget(msgspec.Struct, frozen=True):
    """What a pull may cost. `user_id` None: not known whose token it is. `sharers`: by name, the token itself included.

    `quota_interval_s`: between two pulls of it if the quota is to last, 0: as configured. `full_due`: everything will
    be listed.
    """

    user_id: int | None
    full_due: bool
    quota_interval_s: float
    levels: list[StoredLevel]
    sharers: dict[str, Sharer]


class Verdict(NamedTuple):
    """What a pull taught about its token. `every` None: as configured. `action`: for a person, None: nothing."""

    full: Cost | None
    usual: Cost | None
    every: timedelta | None
    action: str | None


class Ledger:
    """Quotas and budgets, in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, token: str, full_every: timedelta) -> StoredBudget:
        """Of a registered token."""
        rows = await self._fetch("read_budget", token, full_every)
        return msgspec.convert(dict(rows[0]), StoredBudget, str_keys=True, strict=False)

    async def write(self, owner: str, levels: Sequence[StoredLevel]) -> None:
        """What this process knows of one owner's buckets. Of one hour the lower number stays."""
        columns = [list(column) for column in zip(*map(msgspec.structs.astuple, levels), strict=True)]
        if columns:
            await self._fetch("write_quotas", owner, *columns)

    async def judge(self, token: str, verdict: Verdict) -> None:
        """Note a verdict, if it is another one than before."""
        await self._fetch("write_budget", token, verdict.full, verdict.usual, verdict.every, verdict.action)

    async def belongs(self, token: str, user_id: int) -> None:
        """Whose token it is."""
        await self._fetch("write_user", token, user_id)

    async def postpone(self, token: str, seconds: float) -> datetime:
        """No pull before so many seconds are over; when that is."""
        ((due,),) = await self._fetch("postpone_pull", token, seconds)
        found: datetime = due
        return found

    async def _fetch(self, query: str, *arguments: Any) -> list[Any]:
        async with self._database.connection() as connection:
            return await connection.fetch(queries()[query], *arguments)
