"""What must never happen, and what must be at the end. Judged from the source's side and from a log of its own.

Numbers are those of the invariants, as in the names of tests (test_i06_…).
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from syncd.plan import Diff, ScopePlan, WorkspacePlan
from syncd.postgres.writer import Begun
from syncd.records import RESOURCES, Resource
from syncd.sync.deletes import DeleteRules
from tests.sim.database import Database, Row
from tests.sim.loop import EPOCH
from tests.sim.wire import PULL, Wire
from tests.sim.writer import SimWriter

Key = tuple[Resource, int]


class Look(NamedTuple):
    """One committed snapshot of a scope: when its pull began, what it showed, whether it was complete."""

    began_at: datetime
    shown: frozenset[int]
    is_complete: bool


@dataclass
class Judge:
    """Looks at every commit. `wrongs`: what was found, in words."""

    db: Database
    wire: Wire
    rules: DeleteRules
    wrongs: list[str] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)
    looks: dict[tuple[str, int, str], list[Look]] = field(default_factory=dict)
    shown_at: dict[Key, dict[str, datetime]] = field(default_factory=dict)
    _before: dict[Key, Row] = field(default_factory=dict)

    def commit(self, begun: Begun, writer: SimWriter) -> None:
        """A transaction landed."""
        plan = writer.plan
        assert plan is not None
        served = self.wire.served.get(PULL.get(), {})
        for kind, scope in plan.scopes.items():
            for changes in writer.diffs[kind]:
                self._judge_changes(kind, changes, served)
            self._count(scope)
            self._judge_deletes(kind, scope, begun, plan)
            rows = self.db.rows[kind]
            shown = frozenset(
                id_ for k, id_ in served if k == kind and id_ in rows and rows[id_].workspace_id == plan.workspace.id
            )
            look = Look(begun.began_at, shown, not scope.incomplete)
            self.looks.setdefault((begun.token, plan.workspace.id, kind), []).append(look)
            for id_ in shown:
                self.shown_at.setdefault((kind, id_), {})[begun.token] = begun.began_at
        self.fired["stub"] += sum(map(len, writer.stubs.values()))
        for kind, scope in plan.scopes.items():
            written = [record.id for changes in writer.diffs[kind] for record in changes.written]
            for id_ in written + scope.deletes.tombstones:
                row = self.db.rows[kind][id_]
                self._before[kind, id_] = msgspec.structs.replace(row)

    def _judge_changes(self, kind: Resource, changes: Diff[Any], served: dict[Key, float]) -> None:
        for record, change in changes.changes:
            before = self._before.get((kind, record.id))
            self.fired.update([change, f"{kind} {change}"])
            self.fired["restored"] += record.id in changes.restored
            if before is None or before.record is None:
                continue
            if change == "reappear":
                shown = EPOCH + timedelta(seconds=served.get((kind, record.id), -1.0))
                if before.deleted_at is None or shown <= before.deleted_at:
                    self.wrongs.append(f"I5 {kind} {record.id} rose from an answer older than its tombstone")
            elif record.at < before.record.at and record.id not in changes.restored:
                self.wrongs.append(f"I3 {kind} {record.id}: at goes back from {before.record.at} to {record.at}")
        self.fired["insert"] += len(changes.inserts)
        self.fired["stale"] += len(changes.stale)

    def _count(self, scope: ScopePlan) -> None:
        self.fired["yielded"] += scope.yielded
        for reason in scope.incomplete:
            self.fired[f"incomplete {reason}"] += 1
        if scope.deletes.held:
            self.fired[f"held {scope.deletes.held.reason}"] += 1

    def _judge_deletes(self, kind: Resource, scope: ScopePlan, begun: Begun, plan: WorkspacePlan) -> None:
        wid = plan.workspace.id
        served = self.wire.served.get(PULL.get(), {})
        for id_ in scope.deletes.tombstones:
            self.fired.update(["tombstone", f"{kind} tombstone"])
            if scope.incomplete:
                self.wrongs.append(f"I6 {kind} {id_} buried on an incomplete snapshot")
            if (kind, id_) in served:
                self.wrongs.append(f"I6 {kind} {id_} buried by a pull that was shown it")
            for name in self._still_see(kind, id_, wid, begun.token):
                self.wrongs.append(f"I6 {kind} {id_} buried though {name} sees it")
            if not self._is_confirmed(kind, id_, wid, begun):
                self.wrongs.append(f"I6 {kind} {id_} buried by {begun.token} before it was missed often enough")

    def _is_confirmed(self, kind: Resource, id_: int, wid: int, begun: Begun) -> bool:
        """Whether some token that counts missed it as often as the rules ask, after all that count saw it last."""
        names = [name for name in self.shown_at.get((kind, id_), {}) if self._is_trusted(name, wid, kind)]
        last = max((self.shown_at[kind, id_][name] for name in names), default=EPOCH)
        if EPOCH + timedelta(seconds=self.wire.called_deleted.get((kind, id_), 0.0)) > last:
            return True  # the source itself said so
        for name in {*names, begun.token}:
            looks = self.looks.get((name, wid, kind), [])
            proof = [look.began_at for look in looks if look.is_complete and look.began_at > last]
            proof += [begun.began_at] if name == begun.token else []
            if len(proof) >= self.rules.confirmations and proof[-1] - proof[0] >= self.rules.min_age:
                return True
        return False

    def _is_trusted(self, name: str, wid: int, kind: Resource) -> bool:
        token, scope = self.db.tokens[name], self.db.scopes.get((name, wid, kind))
        return token.enabled and token.status != "rejected" and scope is not None and scope.lost_at is None

    def _still_see(self, kind: Resource, id_: int, wid: int, but: str) -> list[str]:
        """Other tokens in good standing whose last snapshot showed it."""
        found = []
        for name, w, k in self.db.scopes:
            looks = self.looks.get((name, w, k), [])
            trusted = self._is_trusted(name, wid, kind)
            if (w, k) == (wid, kind) and name != but and trusted and looks and id_ in looks[-1].shown:
                found.append(name)
        return found

    # -- at the end ----------------------------------------------------------------------------------------------

    def judge_history(self) -> None:
        """I8: versions touch one another; the last is open if, and only if, the row is live."""
        for kind in RESOURCES:
            for id_, row in self.db.rows[kind].items():
                versions = self.db.versions[kind].get(id_, [])
                ends = [(v.valid_from, v.valid_to, v.end_kind) for v in versions]
                starts = [(v.valid_from, v.change_kind) for v in versions[1:]]
                if row.record is not None and row.deleted_at is None:
                    starts.append((row.valid_from, row.change_kind))
                elif versions and versions[-1].end_kind != "delete":
                    self.wrongs.append(f"I8 {kind} {id_} is dead and its last version did not end by that")
                for (start, end, how), (following, kind_of) in zip(ends, starts, strict=False):
                    fits = following == end if how == "update" else following >= end
                    if start >= end or not fits or (how == "delete") != (kind_of == "reappear"):
                        self.wrongs.append(f"I8 {kind} {id_}: {how} at {end}, then {kind_of} at {following}")

    def judge_mirror(self, *, strict: bool) -> None:
        """I1: the mirror is the source, each row as its owner sees it. `strict`: what nobody sees is buried."""
        world = self.wire.world
        enabled = [name for name, token in self.db.tokens.items() if token.enabled]
        for (kind, id_), source in sorted(world.rows.items()):
            viewers = [name for name in enabled if world.lists(name, source)]
            row = self.db.rows[kind].get(id_)
            if viewers:
                owner = min(viewers, key=lambda n: (not world.tokens[n][source.wid].admin, self.db.tokens[n].rank))
                self._compare(kind, id_, row, world.expected(source, owner), owner)
            elif strict and row is not None and row.record is not None and row.deleted_at is None:
                self._excuse(kind, id_, row, enabled)
        for kind in RESOURCES:
            for id_ in self.db.rows[kind]:
                if (kind, id_) not in world.rows:
                    self.wrongs.append(f"I1 {kind} {id_} was invented")

    def _compare(self, kind: Resource, id_: int, row: Row | None, wanted: dict[str, Any], owner: str) -> None:
        if row is None or row.record is None or row.deleted_at is not None:
            state = "missing" if row is None else "a stub" if row.record is None else f"dead since {row.deleted_at}"
            self.wrongs.append(f"I1 {kind} {id_} of {owner} is {state}")
            return
        found = {name: getattr(row.record, name) for name in wanted}
        if found != wanted:
            odd = {name: (found[name], wanted[name]) for name in wanted if found[name] != wanted[name]}
            self.wrongs.append(f"I1 {kind} {id_} of {owner}: (mirror, source) differ in {odd}")

    def _is_hidden(self, kind: Resource, id_: int, token: str) -> bool:
        """It went out of the token's sight when its owner lost rights, which proves nothing."""
        scopes = [scope.scope for (name, _, k), scope in self.db.scopes.items() if (name, k) == (token, kind)]
        return any(cohort.is_hidden and id_ in cohort.ids for scope in scopes for cohort in scope.absent)

    def _excuse(self, kind: Resource, id_: int, row: Row, enabled: list[str]) -> None:
        """A live row that nobody sees: held back by the guard, or last seen by accounts that no longer count."""
        held = {i for (_, _, k), scope in self.db.scopes.items() if k == kind for i in scope.held_ids or []}
        if id_ in held or "reject" in self.db.decisions.values():
            return
        for name, when in self.shown_at.get((kind, id_), {}).items():
            member = row.workspace_id in self.wire.world.tokens[name]
            if name in enabled and member and when >= row.valid_from and not self._is_hidden(kind, id_, name):
                self.wrongs.append(f"I1 {kind} {id_} is live, nobody sees it, and {name} could have told")

    def judge_staleness(self, token: str, gaps_s: list[float], bound_s: float) -> None:
        """I12: a healthy token is never older than its interval, a step of its phase, and the time of a pull."""
        if gaps_s and max(gaps_s) > bound_s:
            self.wrongs.append(f"I12 {token}: {max(gaps_s):.1f} s between two successes, {bound_s:.1f} s allowed")
