"""A status page with a real socket and a real database, in whatever state a test wants it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO

import aiohttp
from pydantic import SecretStr

from syncd import config
from syncd.cli.run import measuring_reporter
from syncd.clock import Clock
from syncd.postgres.database import Database
from syncd.postgres.pool import open_pool
from syncd.postgres.registry import Entry, Registry
from syncd.service.measuring import MeasuringReporter
from syncd.service.pages import serve_pages
from syncd.service.vitals import Vitals
from syncd.sync.report import PullReport, Result
from syncd.tokens import Token
from tests.servers import unused_port

INTERVAL = timedelta(minutes=5)
SECRET = "5ec4e7-that-no-page-shows"
FINGERPRINT = "f1ngerprint-that-no-page-shows"


class Hands(Clock):
    """A clock whose monotonic hand a test can push."""

    pushed_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.pushed_s


@dataclass(slots=True)
class Site:
    """The pages at `url`, and what stands behind them."""

    url: str
    database: Database
    registry: Registry
    vitals: Vitals
    reporter: MeasuringReporter
    clock: Hands

    async def do(self, statement: str, *arguments: object) -> None:
        """Change something in the database."""
        async with self.database.connection() as connection:
            await connection.execute(statement, *arguments)

    async def get(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> "Answer":
        """What a browser would get."""
        async with aiohttp.ClientSession() as http, http.request(method, self.url + path, headers=headers) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.text())

    def expire(self) -> None:
        """The next question goes to the database again, not to what was read a moment ago."""
        self.clock.pushed_s += 2.0

    def pulled(self, token: str, result: Result = "unchanged", duration_s: float = 0.4) -> None:
        """A pull of this process ended."""
        self.reporter.recent.add(PullReport(token, result, duration_s=duration_s))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


@asynccontextmanager
async def site_of(
    url: str, names: Sequence[str], *, is_open: bool = True, port: int | None = None
) -> AsyncIterator[Site]:
    """Pages about these tokens, registered and pulled a minute ago, on the database at `url`."""
    clock = Hands()
    reporter = measuring_reporter(config.Log(), StringIO(), clock)
    tokens = [Token(name, SecretStr(SECRET), (), INTERVAL, rank) for rank, name in enumerate(names)]
    pool = await open_pool(url, size=2, connect_timeout_s=5)
    try:
        database = Database(pool, "here:5432/bi")
        registry = Registry(database)
        await registry.register([Entry(token.name, token.rank, token.interval, FINGERPRINT) for token in tokens])
        vitals = Vitals(clock, tokens)
        if is_open:
            vitals.open(registry)
            vitals.turned(leads=True, in_flight=0)
        port = port or unused_port()
        async with serve_pages(("127.0.0.1", port), vitals, reporter, clock):
            site = Site(f"http://127.0.0.1:{port}", database, registry, vitals, reporter, clock)
            await site.do(
                "UPDATE syncd.tokens SET status = 'ok', row_count = 1234, request_count = 3, quota_remaining = 27,"
                " last_attempt_at = now() - interval '1 min', last_success_at = now() - interval '1 min',"
                " next_due_at = now() + interval '4 min'"
            )
            yield site
    finally:
        pool.terminate()


async def hold(site: Site, token: str) -> None:
    """The guard holds back three deletions."""
    await site.do(
        "INSERT INTO syncd.scopes (token, workspace_id, resource, is_admin, strategy, ids, held_ids, held_hash,"
        " held_reason, held_live, held_since, seen_at, pull_id)"
        " VALUES ($1, 7, 'client', true, '', '{}', '{1,2,3}', '9f2c41d7e0b3', 'too many at once', 10,"
        " now() - interval '2 hours', now(), 1)",
        token,
    )


async def put_aside(site: Site, token: str) -> None:
    """A record is in quarantine."""
    await site.do(
        "INSERT INTO syncd.quarantine (token, resource, record_key, reason, detail, body, first_seen_at, last_seen_at,"
        " pull_id) VALUES ($1, 'project', '9', 'bad_number', 'rate', '{}', now() - interval '3 days', now(), 1)",
        token,
    )
