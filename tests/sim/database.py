"""What the simulated PostgreSQL holds, and what the queries about tokens do to it."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from syncd.plan import Scope
from syncd.records import RESOURCES
from tests.sim.loop import EPOCH

TICK = timedelta(microseconds=1)
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Token:
    """A row of syncd.tokens."""

    rank: int
    interval: timedelta
    fingerprint: str
    next_due_at: datetime
    enabled: bool = True
    pull_id: int = 0
    status: str = "late"
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    last_full_at: datetime | None = None
    last_walk_at: datetime | None = None
    not_before: datetime | None = None
    rejected_at: datetime | None = None
    failures: int = 0
    digest: bytes | None = None
    compare_no: int = 0
    workspace_ids: list[int] | None = None
    row_count: int = 0


class Row(msgspec.Struct):
    """A row of toggl.clients or toggl.projects: `record` None is a stub."""

    workspace_id: int
    record: Any
    deleted_at: datetime | None
    valid_from: datetime
    change_kind: str


class Version(msgspec.Struct, frozen=True):
    """A superseded version."""

    record: Any
    valid_from: datetime
    valid_to: datetime
    change_kind: str
    end_kind: str


class ScopeRow(msgspec.Struct):
    """A row of syncd.scopes."""

    scope: Scope
    incomplete: tuple[str, ...]
    held_ids: list[int] | None
    complete_at: datetime | None = None
    lost_at: datetime | None = None
    cursor_no: int = 0


def next_due(name: str, every: timedelta, due: datetime, now: datetime) -> datetime:
    """The first instant of a token's own grid that lies ahead; see syncd.next_due for how it moves."""
    ahead = due + ((now - due) // every + 1) * every
    place = UNIX_EPOCH + every * (int(hashlib.md5(name.encode()).hexdigest()[:8], 16) / 2**32)
    return ahead + min(every / 10, (place - ahead) % every)


@dataclass
class Database:
    """All that is stored. Shared by the processes of the simulation; `now` never gives one instant twice."""

    time: Callable[[], float]
    tokens: dict[str, Token] = field(default_factory=dict)
    workspaces: dict[int, str | None] = field(default_factory=dict)
    rows: dict[str, dict[int, Row]] = field(default_factory=lambda: {resource: {} for resource in RESOURCES})
    versions: dict[str, dict[int, list[Version]]] = field(default_factory=lambda: {kind: {} for kind in RESOURCES})
    scopes: dict[tuple[str, int, str], ScopeRow] = field(default_factory=dict)
    decisions: dict[tuple[str, int, str], str] = field(default_factory=dict)
    quarantine: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    pull_no: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    _last: datetime = EPOCH
    _locks: dict[Any, asyncio.Lock] = field(default_factory=dict)

    def now(self) -> datetime:
        self._last = max(EPOCH + timedelta(seconds=self.time()), self._last + TICK)
        return self._last

    def lock(self, what: Any) -> asyncio.Lock:
        """The lock of a workspace (its id) or of a token's row (its name)."""
        return self._locks.setdefault(what, asyncio.Lock())

    def looked_at(self, name: str, resource: str, row: "ScopeRow") -> datetime | None:
        """When a token's last look at all of a scope began; an unchanged pull is such a look too, unless it asked for
        changes of projects only."""
        if row.incomplete:
            return row.complete_at
        token = self.tokens[name]
        instants = [token.last_walk_at if resource == "project" else token.last_success_at, row.complete_at]
        return max((instant for instant in instants if instant is not None), default=None)

    # -- what Registry does --------------------------------------------------------------------------------------

    def register(self, entries: Sequence[tuple[str, int, timedelta, str]]) -> None:
        """See sql/queries/tokens.sql, register_tokens."""
        names = {name for name, *_ in entries}
        weighed, others = [], []
        for name, token in self.tokens.items():
            if token.enabled and name not in names:
                token.enabled = False
                weighed.append(name)
        for name, rank, interval, fingerprint in entries:
            before = self.tokens.get(name)
            if before is None:
                self.tokens[name] = Token(rank, interval, fingerprint, self.now())
                continue
            if (before.rank, before.enabled) != (rank, True):
                weighed.append(name)
            if before.fingerprint != fingerprint:
                others.append(name)
            before.rank, before.interval, before.enabled, before.fingerprint = rank, interval, True, fingerprint
            if before.status == "rejected":
                before.next_due_at, before.not_before = self.now(), None
        for (name, _, _), row in self.scopes.items():
            if name in others:
                row.scope = msgspec.structs.replace(row.scope, strategy="", absent=[], regressions={}, held_hash=None)
                row.held_ids = None
        self.compare(others)
        self.compare_sharers([*weighed, *others])

    def due(self, busy: Sequence[str], prompt: int, slow: int, shaky: Sequence[str]) -> dict[str, bool]:
        """See due_tokens."""
        now = self.now()
        ready = [
            (max(token.next_due_at, token.last_attempt_at or token.next_due_at), name)
            for name, token in self.tokens.items()
            if token.enabled and token.next_due_at <= now and (token.not_before or now) <= now and name not in busy
        ]
        suspect = {name: self.tokens[name].failures > 0 or name in shaky for _, name in sorted(ready)}
        well = [name for name in suspect if not suspect[name]][:prompt]
        others = [name for name in suspect if suspect[name]][:slow]
        return {name: suspect[name] for name in [*well, *others]}

    def pull_soon(self, names: Iterable[str]) -> None:
        """See pull_soon."""
        names = list(names)
        self.compare(names)
        for name in names:
            self.tokens[name].last_full_at, self.tokens[name].next_due_at = None, self.now()

    def decide(self, decision: str) -> None:
        """About all that is held."""
        held = [(name, wid, row) for (name, wid, _), row in self.scopes.items() if row.scope.held_hash]
        for name, wid, row in held:
            self.decisions[name, wid, row.scope.held_hash or ""] = decision
            self.fired[f"decision {decision}"] += 1
        self.pull_soon({name: None for name, *_ in held})

    def compare(self, names: Iterable[str]) -> None:
        """See compare_tokens."""
        for name in names:
            self.tokens[name].digest = None
            self.tokens[name].compare_no += 1

    def compare_sharers(self, names: Sequence[str]) -> None:
        """See compare_sharers."""
        mine = {(wid, resource) for name, wid, resource in self.scopes if name in names}
        sharers = {name: None for name, wid, resource in self.scopes if (wid, resource) in mine}
        self.compare(sharers)
