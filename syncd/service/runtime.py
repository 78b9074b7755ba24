"""The composition root: from settings to something that can pull."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from syncd.clock import Clock
from syncd.config import Settings
from syncd.postgres.store import Store
from syncd.service.database import open_store
from syncd.service.reporting import Reporter
from syncd.sync.pull import Puller, Rules, Subject
from syncd.sync.report import PullReport
from syncd.toggl import v8
from syncd.toggl.client import Toggl, open_session
from syncd.toggl.dialect import Dialect
from syncd.tokens import Token

DIALECTS: dict[str, Dialect] = {"v8": v8.DIALECT}


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that `run` and `once` share. `subjects` in rank order."""

    store: Store
    puller: Puller
    reporter: Reporter
    subjects: dict[str, Subject]

    async def pull(self, name: str, *, full: bool = False) -> PullReport:
        """Pull one token and report it."""
        report = await self.puller.pull(self.subjects[name], full=full)
        self.reporter.pull(report)
        return report


@asynccontextmanager
async def open_runtime(
    settings: Settings, url: str, reporter: Reporter, clock: Clock, *, patient: bool
) -> AsyncIterator[Runtime]:
    """A migrated database with all tokens registered, and a session to the API.

    `patient`: wait for the database for ever, see `open_store`.

    Raises:
        DatabaseUnavailable, DatabaseUnusable.
    """
    async with open_store(settings, url, reporter.log, patient=patient) as store, open_session() as session:
        await store.register([(token.name, token.rank, token.interval) for token in settings.tokens])
        toggl = Toggl(session, settings.toggl.base_url, settings.toggl.requests_per_second, clock)
        rules = Rules(settings.toggl.projects, settings.sync.pull_timeout, settings.sync.full_every)
        puller = Puller(toggl, DIALECTS[settings.toggl.api], store, rules, clock, reporter.retry)
        yield Runtime(store, puller, reporter, _subjects(settings.tokens))


def _subjects(tokens: Sequence[Token]) -> dict[str, Subject]:
    return {
        token.name: Subject(token.name, token.secret.get_secret_value(), frozenset(token.workspaces))
        for token in tokens
    }
