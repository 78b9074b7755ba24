"""The composition root: from settings to something that can pull."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

import aiohttp

from syncd.clock import Clock
from syncd.config import Settings
from syncd.fingerprint import fingerprint_of
from syncd.postgres.database import Database
from syncd.postgres.quotas import Ledger
from syncd.postgres.registry import Entry, Registry
from syncd.postgres.store import Store
from syncd.service.database import open_database
from syncd.service.reporting import Reporter
from syncd.sync.budget import Budget
from syncd.sync.deletes import DeleteRules
from syncd.sync.pull import Puller, Rules, Subject
from syncd.sync.report import PullReport
from syncd.toggl import v8, v9
from syncd.toggl.client import Toggl
from syncd.toggl.dialect import Dialect
from syncd.toggl.session import open_session
from syncd.tokens import Token

DIALECTS: dict[str, Dialect] = {"v8": v8.DIALECT, "v9": v9.DIALECT}


@dataclass(slots=True)
class Runtime:
    """Everything that `run` and `once` share. `subjects` in rank order; they and the puller change with `adopt`."""

    database: Database
    registry: Registry
    puller: Puller
    reporter: Reporter
    subjects: dict[str, Subject]

    async def pull(self, name: str, *, full: bool = False) -> PullReport:
        """Pull one token and report it."""
        report = await self.puller.pull(self.subjects[name], full=full)
        self.reporter.pull(report)
        return report

    def adopt(self, settings: Settings, *, forget: Sequence[str]) -> None:
        """Work by other settings from now on; pulls at work keep theirs.

        What was learnt of the source stays (pace, quotas, whether it answers), but for the tokens in `forget`.
        """
        toggl = self.puller.toggl
        toggl.forget(forget)
        toggl = toggl.adjusted(settings.toggl.base_url, settings.toggl.requests_per_second)
        toggl.on_breaker = partial(self.reporter.breaker, _host(settings))
        toggl.on_skew = partial(self.reporter.skew, _host(settings))
        dialect, rules = DIALECTS[settings.toggl.api], rules_of(settings)
        budget = _budget(toggl, dialect, rules, self.database, self.puller.budget)
        self.puller = replace(self.puller, toggl=toggl, dialect=dialect, rules=rules, budget=budget)
        self.subjects = _subjects(settings.tokens)


@asynccontextmanager
async def open_runtime(
    settings: Settings, url: str, reporter: Reporter, clock: Clock, *, patient: bool
) -> AsyncIterator[Runtime]:
    """A migrated database with all tokens registered, and a session to the API.

    `patient`: wait for the database for ever, see `open_database`.

    Raises:
        DatabaseUnavailable, DatabaseUnusable.
    """
    async with open_database(settings, url, reporter.log, patient=patient) as database, open_session() as session:
        registry = Registry(database)
        await register(registry, settings)
        toggl = open_toggl(settings, session, reporter, clock)
        dialect, rules = DIALECTS[settings.toggl.api], rules_of(settings)
        budget = _budget(toggl, dialect, rules, database)
        puller = Puller(toggl, dialect, Store(database), rules, clock, reporter.retry, budget)
        yield Runtime(database, registry, puller, reporter, _subjects(settings.tokens))


def open_toggl(settings: Settings, session: aiohttp.ClientSession, reporter: Reporter, clock: Clock) -> Toggl:
    """The API as configured, over a session; the reporter says when it stops answering."""
    rate = settings.toggl.requests_per_second
    host = _host(settings)
    return Toggl(
        session,
        settings.toggl.base_url,
        rate,
        clock,
        on_breaker=partial(reporter.breaker, host),
        on_skew=partial(reporter.skew, host),
    )


def _budget(
    toggl: Toggl, dialect: Dialect, rules: Rules, database: Database, former: Budget | None = None
) -> Budget | None:
    """What pulls at work have set aside in the `former` one stays set aside."""
    if dialect.whose is None:
        return None
    if former is not None:
        return replace(former, toggl=toggl, whose=dialect.whose, full_every=rules.full_every)
    return Budget(toggl, Ledger(database), dialect.whose, rules.full_every)


def _host(settings: Settings) -> str:
    return urlsplit(settings.toggl.base_url).hostname or ""


def _subjects(tokens: Sequence[Token]) -> dict[str, Subject]:
    return {
        token.name: Subject(token.name, token.secret.get_secret_value(), frozenset(token.workspaces))
        for token in tokens
    }


def rules_of(settings: Settings) -> Rules:
    """The part of the configuration that decides how pulls behave."""
    deletes = settings.sync.deletes
    return Rules(
        projects=settings.toggl.projects,
        pull_timeout=settings.sync.pull_timeout,
        full_every=settings.sync.full_every,
        deletes=DeleteRules(deletes.enabled, deletes.confirmations, deletes.min_age, deletes.max_share),
        resources=settings.sync.resources,
    )


async def register(registry: Registry, settings: Settings) -> None:
    """Tell the database which tokens there are, and what they mirror; see `Registry.register`."""
    known = await registry.fingerprints([token.name for token in settings.tokens])
    entries = [
        Entry(
            token.name,
            token.rank,
            token.interval,
            fingerprint_of(token.secret.get_secret_value(), known.get(token.name)),
        )
        for token in settings.tokens
    ]
    await registry.register(entries, settings.sync.resources)
