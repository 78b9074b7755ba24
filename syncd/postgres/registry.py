"""The tokens as the database knows them: which there are, whose turn it is, how they do, what waits for a person."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from syncd.errors import DatabaseUnusable
from syncd.postgres.database import Database
from syncd.postgres.migrate import pending
from syncd.postgres.sql import queries
from syncd.postgres.tables import TABLES
from syncd.records import ALWAYS, Resource


class Entry(NamedTuple):
    """A configured token. `fingerprint`: see syncd.fingerprint."""

    name: str
    rank: int
    interval: timedelta
    fingerprint: str


class Registry:
    """The token table, and what hangs on it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fingerprints(self, names: Sequence[str]) -> dict[str, str]:
        """Of tokens that are registered already."""
        return {row["name"]: row["fingerprint"] for row in await self._fetch("read_fingerprints", names)}

    async def register(self, entries: Sequence[Entry], resources: Sequence[Resource] = ALWAYS) -> None:
        """Make the token table agree with the configuration.

        Where a token's weight against others changed (removed, added again, another rank), those who share a workspace
        with it compare everything at their next pull. Where another account is behind a name, what the old one saw is
        forgotten as evidence, a pull of the old one writes nothing more, and the new one's is due now.

        `resources` that are to be mirrored. Where they were others before, the next pull compares everything, what
        pulls cost is to be learnt anew, and nothing waits for a decision about what is mirrored no longer.
        """
        columns = [list(column) for column in zip(*entries, strict=True)] or [[], [], [], []]
        async with self._database.connection() as connection, connection.transaction():
            rows = await connection.fetch(queries()["register_tokens"], *columns, list(resources))
            weighed = [row["name"] for row in rows if row["weight_changed"]]
            others = [row["name"] for row in rows if row["is_another"]]
            changed = [row["name"] for row in rows if row["mirrors_others"]]
            if changed:
                await connection.execute(queries()["compare_tokens"], changed)
                await connection.execute(queries()["let_go_held"], changed)
            if others:
                await connection.execute(queries()["rebase_scopes"], others)
                await connection.execute(queries()["compare_tokens"], others)
                await connection.execute(queries()["fence_tokens"], others)
            if weighed or others:
                await connection.execute(queries()["compare_sharers"], weighed + others)

    async def held(self, names: Sequence[str]) -> dict[str, float]:
        """Tokens that may send nothing yet: name -> seconds to wait."""
        return {row["name"]: row["wait_s"] for row in await self._fetch("held_tokens", names)}

    async def due(self, busy: Sequence[str], prompt: int, slow: int, *, shaky: Sequence[str] = ()) -> dict[str, bool]:
        """Tokens whose turn has come, most overdue first, without those in `busy`: name -> did it fail last time?

        At most `prompt` that did well and `slow` that did not; those in `shaky` count as if they had failed.
        """
        rows = await self._fetch("due_tokens", busy, prompt, slow, shaky)
        return {row["name"]: row["is_suspect"] for row in rows}

    async def pull_soon(self, names: Sequence[str]) -> None:
        """The next pull of these tokens is due now and compares everything."""
        await self._fetch("pull_soon", names)

    async def names(self) -> list[str]:
        """All enabled tokens, best rank first."""
        return [row["name"] for row in await self._fetch("all_tokens")]

    async def status(self) -> list[dict[str, Any]]:
        """The rows of toggl.sync_status, in rank order."""
        return [dict(row) for row in await self._fetch("sync_status")]

    async def status_of(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of toggl.sync_status about these tokens, in rank order."""
        return [dict(row) for row in await self._fetch("sync_status_of", names)]

    async def held_summary(self, names: Sequence[str], limit: int) -> list[dict[str, Any]]:
        """Like `held_deletes`, of these tokens, with `deletes`, a count, in place of ids."""
        return [dict(row) for row in await self._fetch("held_summary", names, limit)]

    async def quarantine_summary(self, names: Sequence[str], limit: int) -> list[dict[str, Any]]:
        """What is in quarantine of these tokens: token, resource, reason, records (a count), since."""
        return [dict(row) for row in await self._fetch("quarantine_summary", names, limit)]

    async def check_schema(self) -> tuple[int, str]:
        """`versions`, of a schema that is ours.

        Raises:
            DatabaseUnusable: it is behind, ahead, or was edited.
        """
        async with self._database.connection() as connection:
            if await pending(connection):
                raise DatabaseUnusable("the schema is behind: run `syncd migrate`")
        return await self.versions()

    async def health(self) -> dict[str, Any]:
        """`by_status`: status -> tokens; `worst`: the stalest token; `quarantined`: records put aside."""
        (row,) = await self._fetch("health")
        return dict(row)

    async def turns(self) -> list[dict[str, Any]]:
        """Of every enabled token: token, staleness_s, bound_s, skipped, held_until; see the query."""
        return [dict(row) for row in await self._fetch("turns")]

    async def versions(self) -> tuple[int, str]:
        """Of the schema, and of PostgreSQL."""
        ((schema, server),) = await self._fetch("versions")
        return schema, server

    async def held_deletes(self) -> list[dict[str, Any]]:
        """Deletions that wait for a person: hash, token, workspace_id, resource, ids, live, reason, since."""
        return [dict(row) for row in await self._fetch("held_deletes")]

    async def decide(self, hashes: Sequence[str] | None, decision: str, valid_for: timedelta) -> list[dict[str, Any]]:
        """Note a decision about held-back sets (None: all that are held), and let their tokens pull soon."""
        rows = [dict(row) for row in await self._fetch("decide", hashes, decision, valid_for)]
        if rows:
            await self.pull_soon(sorted({row["token"] for row in rows}))
        return rows

    async def quarantine(self, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """What is in quarantine, of some tokens or of all."""
        return [dict(row) for row in await self._fetch("list_quarantine", names)]

    async def expire_versions(self, older_than: timedelta) -> int:
        """Forget superseded versions that ended longer ago than that, and what the feed tells of them; how many."""
        async with self._database.connection() as connection, connection.transaction():
            count = sum([await table.expire(connection, older_than) for table in TABLES.values()])
            await connection.execute(queries()["expire_changes"], older_than)
        return count

    async def _fetch(self, query: str, *arguments: Any) -> list[Any]:
        async with self._database.connection() as connection:
            return await connection.fetch(queries()[query], *arguments)
