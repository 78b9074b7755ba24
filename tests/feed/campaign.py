"""Writers that commit at random, readers that follow, and what must come of it.

Writers go through the real `Store`: inserts, updates, stubs, tombstones, reappearances and volatile fields, in
workspaces that they share; every tenth transaction is rolled back. Some commits take their time between taking a
position and being visible, which is when a feed that hands out positions too early would lose them. The seed chooses
what is written, the machine in which order.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, NamedTuple

import msgspec

from syncd.plan import Change, Diff
from syncd.postgres.database import Database
from syncd.postgres.pool import open_pool
from syncd.postgres.registry import Entry, Registry
from syncd.postgres.store import Store
from syncd.records import Resource, Stored
from tests.feed.readers import READERS, Reader
from tests.model import RECORDS
from tests.planned import write

WORKSPACES = range(1, 9)
ENOUGH = 60
"""Rows of a workspace and resource after which new ones are rare: all of them are read each time."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

SLOW_COMMITS = """
CREATE FUNCTION syncd.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.1 THEN PERFORM pg_sleep(random() * 0.01); END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER place_commit_then_dawdle AFTER INSERT ON syncd.changes DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION syncd.dawdle();
"""

HISTORY = """
SELECT 'clients', id, workspace_id, change_kind, valid_from FROM toggl.clients_history UNION ALL
SELECT 'clients', id, workspace_id, end_kind, valid_to FROM toggl.clients_history WHERE end_kind = 'delete' UNION ALL
SELECT 'projects', id, workspace_id, change_kind, valid_from FROM toggl.projects_history UNION ALL
SELECT 'projects', id, workspace_id, end_kind, valid_to FROM toggl.projects_history WHERE end_kind = 'delete' UNION ALL
SELECT 'tags', id, workspace_id, change_kind, valid_from FROM toggl.tags_history UNION ALL
SELECT 'tags', id, workspace_id, end_kind, valid_to FROM toggl.tags_history WHERE end_kind = 'delete'
"""


class Abandoned(Exception):
    """A transaction that is not to be committed."""


@dataclass
class Outcome:
    """What a campaign came to. `wrongs`: what is not as promised."""

    commits: int = 0
    rolled_back: int = 0
    changes: int = 0
    seconds: float = 0.0
    reads: dict[str, int] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)


class Written(NamedTuple):
    """What one transaction does. `stubs`: clients of the projects."""

    diffs: dict[Resource, Diff[Any]]
    stubs: list[int]
    buried: dict[Resource, list[int]]


class Writers:
    """`commits` transactions, by several tokens at once, and a note of what each one did."""

    def __init__(self, database: Database, seed: int, commits: int) -> None:
        self.store = Store(database)
        self.seed = seed
        self.turns = iter(range(commits))
        self.ids = itertools.count(1)
        self.written: Counter[tuple[str, int, str]] = Counter()
        self.commits = self.rolled_back = 0

    async def write(self, token: str) -> None:
        rng = Random(f"{self.seed} {token}")
        for _ in self.turns:
            begun = await self.store.begin(token, timeout=HOUR, full_every=DAY)
            workspace_id = rng.choice(WORKSPACES)
            try:
                async with self.store.workspace(begun, workspace_id) as writer:
                    there = await writer.read(RECORDS)
                    rows = {kind: await writer.read_rows(kind, sorted(there[kind].known)) for kind in there}
                    plan = self._plan(rng, workspace_id, rows, begun.began_at)
                    await write(writer, plan.diffs, stubs=plan.stubs, buried=plan.buried)
                    if rng.random() < 0.1:
                        raise Abandoned
            except Abandoned:
                self.rolled_back += 1
                continue
            self.commits += 1
            for resource, diff in plan.diffs.items():
                self.written.update(changes_of(f"{resource}s", diff, plan.buried[resource]))

    def _plan(
        self,
        rng: Random,
        workspace_id: int,
        rows: Mapping[Resource, Mapping[int, Stored[Any]]],
        began_at: datetime,
    ) -> Written:
        plan = Written({}, [next(self.ids)] if rng.random() < 0.1 else [], {})
        parents = [*rows["client"], *plan.stubs, None]
        for resource, record in RECORDS.items():
            choices = {"client_id": parents} if resource == "project" else {}
            made = self._scope(rng, rows[resource], began_at, partial(record, workspace_id=workspace_id), choices)
            plan.diffs[resource], plan.buried[resource] = made
        return plan

    def _scope(
        self,
        rng: Random,
        rows: Mapping[int, Stored[Any]],
        began_at: datetime,
        record: Any,
        choices: dict[str, list[Any]],
    ) -> tuple[Diff[Any], list[int]]:
        """A few new records, a few changed, a few gone; once in a while a great many new ones.

        `choices`: what is in these columns of a record.
        """

        def fields() -> dict[str, Any]:
            return {column: rng.choice(values) for column, values in choices.items()}

        usual = rng.choice((0, 0, 1, 2)) if len(rows) < ENOUGH else 0
        count = 300 if rng.random() < 0.0005 else usual
        inserts = [record(next(self.ids), **fields()) for _ in range(count)]
        touched = sorted(rng.sample(sorted(rows), min(len(rows), rng.choice((0, 1, 2, 4)))))
        changes: list[tuple[Any, Change]] = []
        tombstones = []
        for id_ in touched:
            row = rows[id_]
            if row.record is None:
                changes.append((record(id_, **fields()), "insert"))
            elif row.deleted_at is not None:
                if row.deleted_at < began_at:
                    changes.append((record(id_, **fields()), "reappear"))
            elif rng.random() < 0.3:
                tombstones.append(id_)
            elif "actual_seconds" in record().__struct_fields__ and rng.random() < 0.3:
                seconds = (row.record.actual_seconds or 0) + 1
                changes.append((msgspec.structs.replace(row.record, actual_seconds=seconds), "volatile"))
            else:
                changes.append((record(id_, **fields(), name=f"name {rng.random()}"), "update"))
        return Diff(inserts, changes, 0, []), tombstones


def changes_of(relation: str, diff: Diff[Any], buried: list[int]) -> list[tuple[str, int, str]]:
    """What a feed has to tell of a commit."""
    born = [(relation, record.id, "insert") for record in diff.inserts]
    changed = [(relation, record.id, change) for record, change in diff.changes if change != "volatile"]
    return born + changed + [(relation, id_, "delete") for id_ in buried]


async def run(url: str, *, commits: int, seed: int, writers: int = 6) -> Outcome:
    """Write, follow, compare; `url` names a migrated database without rows."""
    began, tokens = time.monotonic(), [f"w{n}" for n in range(writers)]
    pool = await open_pool(url, size=writers, connect_timeout_s=10)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(pool.close)
        database = Database(pool, "the campaign's database")
        await Registry(database).register([Entry(name, rank, HOUR, name) for rank, name in enumerate(tokens)])
        await pool.execute(SLOW_COMMITS)
        readers = [await stack.enter_async_context(reader(url)) for reader in READERS]
        following = [asyncio.create_task(reader.follow()) for reader in readers]
        writing = Writers(database, seed, commits)
        await asyncio.gather(*map(writing.write, tokens))
        last = await pool.fetchval("SELECT position FROM toggl.changes_horizon")
        for reader in readers:
            reader.stop_at(last)
        await asyncio.wait_for(asyncio.gather(*following), 60)
        truth = sorted(tuple(row) for row in await pool.fetch(HISTORY))
    outcome = Outcome(writing.commits, writing.rolled_back, len(truth), time.monotonic() - began)
    outcome.reads = {reader.name: reader.reads for reader in readers}
    outcome.wrongs = [wrong for reader in readers for wrong in wrongs_of(reader, truth, writing.written)]
    return outcome


def wrongs_of(reader: Reader, truth: list[tuple[Any, ...]], written: Counter[tuple[str, int, str]]) -> list[str]:
    """What a reader did not see as it is in the history and as the writers know it."""
    keys = [(row["position"], row["ordinal"]) for row in reader.seen]
    told = [(r["relation"], r["id"], r["workspace_id"], r["change_kind"], r["at"]) for r in reader.seen]
    sizes = Counter(position for position, _ in keys)
    missed, invented = Counter(truth) - Counter(told), Counter(told) - Counter(truth)
    checks = {
        f"{missed.total()} missed, as {next(iter(missed), None)}": not missed,
        f"{invented.total()} too many, as {next(iter(invented), None)}": not invented,
        "not in ascending order": keys == sorted(set(keys)),
        "ordinals with gaps": keys == [(p, n) for p in sorted(sizes) for n in range(1, sizes[p] + 1)],
        "not what was written": Counter((relation, id_, kind) for relation, id_, _, kind, _ in told) == written,
        "commits and notifications differ": reader.notified in (None, sorted(sizes)),
    }
    return [f"reader {reader.name}: {text}" for text, is_well in checks.items() if not is_well]
