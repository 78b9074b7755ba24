"""Reads the source anew and compares it with the mirror; repairs by pulling everything, if asked to."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from syncd.clock import Clock
from syncd.config import Settings
from syncd.errors import TogglError
from syncd.postgres.database import Database
from syncd.postgres.mirror import read_held, read_workspace
from syncd.records import Resource
from syncd.service.database import database_url
from syncd.service.once import held_back, pull_all
from syncd.service.reporting import Reporter, explain
from syncd.service.runtime import Runtime, open_runtime
from syncd.sync.pull import keep_hold
from syncd.sync.verify import Drift, Shelf, Sight, find_drift
from syncd.toggl.client import Conversation
from syncd.toggl.dialect import ListingPlan


@dataclass(slots=True)
class Verification:
    """What came of it. `requests`: its price; `failures`: token -> why its rows were not compared."""

    requests: int = 0
    rows: int = 0
    drifts: list[Drift] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    repaired: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.drifts and not self.failures


async def verify(
    settings: Settings,
    reporter: Reporter,
    clock: Clock,
    names: Sequence[str],
    *,
    repair: bool,
    on_price: Callable[[int], None],
) -> Verification:
    """Compare `names` with the mirror. `on_price` hears first what it will cost in requests.

    A token that may not send a request yet (Retry-After, quota) is not asked.

    Raises:
        DatabaseUnavailable, DatabaseUnusable.
    """
    limit = settings.sync.max_concurrent_pulls
    async with (
        database_url(settings, exclusive=False) as url,
        open_runtime(settings, url, reporter, clock, patient=False) as runtime,
    ):
        verification = Verification()
        asked = await _price(runtime, names, verification)
        on_price(verification.requests)
        sights = await _look(runtime, asked, limit, verification)
        for name in names:
            await keep_hold(runtime.puller.toggl, runtime.puller.store, name)
        verification.rows = sum(sight.sighting.row_count for sight in sights)
        verification.drifts = await _drifts(runtime.database, sights)
        if repair and verification.drifts:
            before = len(verification.drifts)
            await pull_all(runtime, asked, limit, full=True)
            verification.drifts = await _drifts(runtime.database, sights)
            verification.repaired = before - len(verification.drifts)
        return verification


async def _price(runtime: Runtime, names: Sequence[str], verification: Verification) -> list[str]:
    """Note what `names` cost together; those of them that could be asked."""
    held = await runtime.registry.held(names)
    asked = []
    for name in names:
        try:
            if name in held:
                raise held_back(held[name])
            cost = await _talk(runtime, name).converse(runtime.puller.dialect.price(_plan(runtime, name)))
        except TogglError as error:
            verification.failures[name] = explain(error)
        else:
            verification.requests += cost.requests
            asked.append(name)
    return asked


async def _look(runtime: Runtime, names: Sequence[str], limit: int, verification: Verification) -> list[Sight]:
    """What each token shows now, best rank first; at most `limit` are asked at once."""
    dialect = runtime.puller.dialect
    room = asyncio.Semaphore(limit)
    ranks = {name: rank for rank, name in enumerate(runtime.subjects)}

    async def look(name: str) -> Sight | None:
        async with room:
            try:
                fetched = await _talk(runtime, name).converse(dialect.listing(_plan(runtime, name)))
                return Sight(name, ranks[name], dialect.decode(fetched))
            except TogglError as error:
                verification.failures[name] = explain(error)
                return None

    found = await asyncio.gather(*(look(name) for name in names))
    return [sight for sight in found if sight is not None]


async def _drifts(database: Database, sights: Sequence[Sight]) -> list[Drift]:
    shelves: dict[tuple[int, Resource], Shelf] = {}
    resources = {resource for sight in sights for w in sight.sighting.workspaces for resource in w.scopes}
    for workspace_id in sorted({w.workspace.id for sight in sights for w in sight.sighting.workspaces}):
        rows = await read_workspace(database, workspace_id, resources)
        held = await read_held(database, workspace_id, [sight.token for sight in sights])
        for resource, stored in rows.items():
            shelves[workspace_id, resource] = Shelf(stored, held[resource])
    return find_drift(sights, shelves)


def _talk(runtime: Runtime, name: str) -> Conversation:
    subject = runtime.subjects[name]
    return runtime.puller.toggl.conversation(name, subject.secret, lambda retry: runtime.reporter.retry(name, retry))


def _plan(runtime: Runtime, name: str) -> ListingPlan:
    rules = runtime.puller.rules
    return ListingPlan(rules.projects, runtime.subjects[name].workspaces, resources=rules.resources)
