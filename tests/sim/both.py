"""One story told to two stores, the simulated one and the real one, and what each holds in the end."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

import msgspec

from syncd.clock import Clock, Jitter
from syncd.errors import FencedOut
from syncd.postgres.database import Database as RealDatabase
from syncd.postgres.registry import Entry, Registry
from syncd.postgres.store import Store
from syncd.postgres.writer import Begun
from syncd.records import RESOURCES, Reject, Sighting, WorkspaceSnapshot
from syncd.sync.apply import Applier
from syncd.sync.deletes import DeleteRules
from syncd.sync.report import PullReport
from syncd.toggl import v8
from syncd.toggl.client import Conversation, Toggl
from syncd.toggl.traffic import Traffic
from tests.sim.database import Database
from tests.sim.store import SimStore, StoreTrouble

RULES = DeleteRules(min_age=timedelta(0))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Mute:
    """A conversation that may ask nothing more: its quota is used up."""

    traffic = Traffic(remaining={None: 0})


class Pull(msgspec.Struct, frozen=True):
    """A pull of a token: what it saw, and how it ends.

    `end`: finish (with a digest, if the plan is settled), rejected, failed, or none: it dies. `is_overtaken`: another
    pull of the token begins before it writes.
    """

    token: str
    sight: list[WorkspaceSnapshot]
    end: str = "finish"
    rejects: list[Reject] = []
    is_overtaken: bool = False


class Register(msgspec.Struct, frozen=True):
    """The configured tokens, in the order of their ranks, each with what its secret looks like."""

    tokens: list[tuple[str, str]]


class Decide(msgspec.Struct, frozen=True):
    """About everything that is held back."""

    decision: str


Step = Pull | Register | Decide


class Teller:
    """Tells a story to one store. `told`: what came of each step, for the two must agree in that too."""

    def __init__(self, store: Any) -> None:
        self.store = cast("Store", store)
        self.told: list[Any] = []

    async def tell(self, story: Sequence[Step]) -> None:
        for step in story:
            match step:
                case Pull():
                    self.told.append(await self._pull(step))
                case Register():
                    await self.register(step)
                case Decide():
                    await self.decide(step.decision)

    async def register(self, step: Register) -> None:
        raise NotImplementedError

    async def decide(self, decision: str) -> None:
        raise NotImplementedError

    async def state(self) -> dict[str, Any]:
        raise NotImplementedError

    async def _pull(self, step: Pull) -> Any:
        store = self.store
        begun = await store.begin(step.token, timeout=HOUR, full_every=DAY)
        told = [begun.failures, begun.rank, begun.compare_no, sorted(begun.workspace_ids or []), begun.digest]
        told.append({wid: (cursor.since, cursor.is_admin) for wid, cursor in begun.cursors.items()})
        told += [await store.known_clients(begun, snapshot.workspace.id) for snapshot in step.sight]
        if step.is_overtaken:
            await store.begin(step.token, timeout=HOUR, full_every=DAY)
        try:
            return [*told, await self._write(begun, step)]
        except FencedOut:
            return [*told, "fenced out"]

    async def _write(self, begun: Begun, step: Pull) -> Any:
        store, report = self.store, PullReport(step.token)
        toggl = Toggl(cast("Any", None), "", 0, jitter=Jitter(Random(1)))
        rejects = list(step.rejects)
        applier = Applier(
            store=store,
            begun=begun,
            rules=RULES,
            conversation=cast("Conversation", Mute()),
            dialect=v8.DIALECT,
            report=report,
            clock=Clock(),
            toggl=toggl,
            seen=Sighting(step.sight, rejects).ids(),
        )
        for snapshot in step.sight:
            plan, refused = await applier.apply(snapshot)
            report.add(plan)
            rejects += refused
        visible = [snapshot.workspace.id for snapshot in step.sight]
        told = [msgspec.to_builtins(report.counts), report.is_settled]
        told.append(sorted(await store.lose_workspaces(begun, visible)))
        match step.end:
            case "finish":
                told.append([sorted(changed) for changed in await store.quarantine(begun, rejects)])
                digest = b"seen" if report.is_settled and not rejects else None
                is_whole = not any(snapshot.scopes["project"].is_delta for snapshot in step.sight)
                told.append(await store.finish_changed(begun, 3, None, digest, 7, visible, is_whole=is_whole) is None)
            case "rejected" | "failed":
                told.append(await store.finish_failed(begun, step.end, "why", None, None) is None)
        return told


class Real(Teller):
    """The real store."""

    def __init__(self, database: RealDatabase) -> None:
        super().__init__(Store(database))
        self._database, self._registry = database, Registry(database)

    async def register(self, step: Register) -> None:
        await self._registry.register([Entry(n, rank, HOUR, seen) for rank, (n, seen) in enumerate(step.tokens)])

    async def decide(self, decision: str) -> None:
        await self._registry.decide(None, decision, DAY)

    async def state(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for kind in RESOURCES:
            found[f"{kind}s"] = await self._fetch(
                "SELECT id, workspace_id, name, at, deleted_at, _is_stub, CASE WHEN NOT _is_stub THEN _valid_from END, "
                f"CASE WHEN NOT _is_stub THEN _change_kind END FROM toggl.{kind}s ORDER BY id"
            )
            found[f"{kind} versions"] = await self._fetch(
                f"SELECT id, name, at, valid_from, valid_to, change_kind, end_kind FROM syncd.{kind}_versions "
                "ORDER BY id, valid_from"
            )
        found["scopes"] = [
            (*row[:5], _cohorts(row[5]), {k: v["count"] for k, v in row[6].items()}, *row[7:])
            for row in await self._fetch(
                "SELECT token, workspace_id, resource, is_admin, ids, absent, regressions, strategy, incomplete, "
                "held_ids, seen_at, complete_at, lost_at, cursor, cursor_no FROM syncd.scopes "
                "ORDER BY token, workspace_id, resource"
            )
        ]
        found["tokens"] = await self._fetch(
            "SELECT name, rank, enabled, status, failures, digest, compare_no, coalesce(workspace_ids, '{}'), "
            "row_count, last_success_at, last_full_at, last_walk_at, last_attempt_at FROM syncd.tokens ORDER BY name"
        )
        found["quarantine"] = await self._fetch(
            "SELECT token, resource, record_key, released_at IS NULL FROM syncd.quarantine ORDER BY 1, 2, 3"
        )
        return found

    async def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        async with self._database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query)]


class Simulated(Teller):
    """The simulated one, on its good days."""

    def __init__(self) -> None:
        self.db = Database(time=lambda: 0.0)
        super().__init__(SimStore(self.db, StoreTrouble(Random(1), latency_s=0.0), lambda *_: None))

    async def register(self, step: Register) -> None:
        self.db.register([(n, rank, HOUR, seen) for rank, (n, seen) in enumerate(step.tokens)])

    async def decide(self, decision: str) -> None:
        self.db.decide(decision)

    async def state(self) -> dict[str, Any]:
        db, found = self.db, dict[str, Any]()
        for kind in RESOURCES:
            found[f"{kind}s"] = [
                (id_, r.workspace_id, r.record.name, r.record.at, r.deleted_at, False, r.valid_from, r.change_kind)
                if r.record is not None
                else (id_, r.workspace_id, None, None, None, True, None, None)
                for id_, r in sorted(db.rows[kind].items())
            ]
            found[f"{kind} versions"] = [
                (id_, v.record.name, v.record.at, v.valid_from, v.valid_to, v.change_kind, v.end_kind)
                for id_, versions in sorted(db.versions[kind].items())
                for v in versions
            ]
        found["scopes"] = [self._scope(key) for key in sorted(db.scopes)]
        found["tokens"] = [
            (
                *(name, t.rank, t.enabled, t.status, t.failures, t.digest, t.compare_no, sorted(t.workspace_ids or [])),
                *(t.row_count, t.last_success_at, t.last_full_at, t.last_walk_at, t.last_attempt_at),
            )
            for name, t in sorted(db.tokens.items())
        ]
        found["quarantine"] = [(*key, there) for key, there in sorted(db.quarantine.items())]
        return found

    def _scope(self, key: tuple[str, int, str]) -> tuple[Any, ...]:
        row = self.db.scopes[key]
        scope = row.scope
        counts = {id_: known.count for id_, known in scope.regressions.items()}
        cohorts = _cohorts(msgspec.to_builtins(scope.absent))
        fixed = (*key, scope.is_admin, scope.ids, cohorts, counts, scope.strategy, list(row.incomplete))
        instants = scope.seen_at, row.complete_at, row.lost_at, scope.cursor
        return (*fixed, row.held_ids, *instants, row.cursor_no)


def _cohorts(absent: list[dict[str, Any]]) -> list[Any]:
    """Without their instants, which are those of snapshots that `seen_at` compares already."""
    return [(c["ids"], c["count"], c["is_proven"], c["is_hidden"]) for c in absent]


def by_order(state: dict[str, Any], source: datetime) -> dict[str, Any]:
    """The state with every instant of a store's own clock replaced by its place in the order of all of them.

    `source`: where the source's own instants end; those stay, for they are data.
    """
    instants = sorted({each for rows in state.values() for row in rows for each in row if _is_ours(each, source)})
    places = {instant: f"#{place}" for place, instant in enumerate(instants)}
    return {
        name: [tuple(places[e] if _is_ours(e, source) else e for e in row) for row in rows]
        for name, rows in state.items()
    }


def _is_ours(value: Any, source: datetime) -> bool:
    return isinstance(value, datetime) and value > source
