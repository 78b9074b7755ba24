"""What a pull may spend of the hourly quotas, before it begins; what it taught about them, when it ends.

The numbers live in the database, for a restart or another process to honour; `toggl.quotas` is this process's copy.
Only for APIs that have quotas. The decisions are in `planner`, here is only who is asked and told.
"""

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from syncd.errors import DatabaseError, QuotaExhausted
from syncd.postgres.quotas import Ledger, StoredLevel, Verdict
from syncd.sync.planner import OWN, learn, schedule
from syncd.sync.report import Stretch
from syncd.sync.sheet import Sheet
from syncd.toggl.breaker import spread
from syncd.toggl.client import Conversation, Toggl
from syncd.toggl.dialect import Inquiry
from syncd.toggl.quota import Key, Level, owner_of

RETURN_S = 30.0
"""Tokens that wait for one reset come back within so many seconds after it, each at its own moment."""


@dataclass(slots=True)
class Budget:
    """One per process. `whose`: see Dialect."""

    toggl: Toggl
    ledger: Ledger
    whose: Callable[[], Inquiry[int | None]]
    full_every: timedelta
    _running: set[Sheet] = field(default_factory=set)
    _asked: set[str] = field(default_factory=set)

    async def open(self, name: str, *, full: bool) -> Sheet:
        """Look up what a pull may spend; `close` or `drop` the sheet.

        Raises:
            QuotaExhausted: less than it needs; the token is due again after the reset.
        """
        stored = await self.ledger.read(name, self.full_every)
        owner, now = name if stored.user_id is None else owner_of(stored.user_id), self.toggl.clock.monotonic()
        self.toggl.belongs(name, owner)
        for level in stored.levels:
            key = Key(owner, level.organization or None)
            self.toggl.quotas.remember(key, now, Level(level.remaining, level.total, now + level.resets_in_s))
        sheet = Sheet(name, stored, {})
        sheet.expected = sheet.appetites[name].cost(is_full=full or stored.full_due)
        wait_s = max((self._wait_s(sheet, owner, bucket, now) for bucket in sheet.expected), default=0.0)
        if wait_s:
            wait_s += spread(name) * RETURN_S
            problem = "what is left of the hourly quota does not cover a pull"
            raise QuotaExhausted(problem, retry_after_s=wait_s, http_status=None)
        self._running.add(sheet)
        return sheet

    def drop(self, sheet: Sheet) -> None:
        """The pull is over, whatever became of it: nothing is set aside for it any more."""
        self._running.discard(sheet)

    def _wait_s(self, sheet: Sheet, owner: str, bucket: int, now: float) -> float:
        """Until there is enough for the pull in one bucket, the needs of pulls at work set aside; 0.0: there is."""
        key = Key(owner, bucket or None)
        left = self.toggl.quotas.left(key, now)
        if left is None:
            return 0.0
        others = [other for other in self._running if self.toggl.owner(other.name) == owner]
        claimed = sum(other.outstanding(bucket) for other in others if other.name != sheet.name)
        return 0.0 if left - claimed >= sheet.expected[bucket] else self.toggl.quotas.resets_in_s(key, now)

    async def identify(self, sheet: Sheet, conversation: Conversation) -> None:
        """Follow the pull's spending; ask whose token it is, once.

        Raises:
            TogglError.
        """
        name = sheet.name
        sheet.traffic = conversation.traffic
        if sheet.stored.user_id is not None or name in self._asked:
            return
        user_id = await conversation.converse(self.whose())
        self._asked.add(name)
        sheet.overhead = Counter(conversation.traffic.spent)
        if user_id is not None:
            self.toggl.belongs(name, owner_of(user_id))
            await self.ledger.belongs(name, user_id)

    async def close(self, sheet: Sheet, *, is_whole: bool | None) -> Stretch | None:
        """Note what is left, what the pull cost (`is_whole` None: it did not end well), and how often to pull.

        Where the database is away the next pull will tell. Returns the change of the interval, if there was one.
        """
        if sheet not in self._running:
            return None
        self._running.remove(sheet)
        name = sheet.name
        own = sheet.appetites[name]
        spent = {bucket or OWN: n for bucket, n in (sheet.traffic.spent - sheet.overhead).items()}
        if is_whole:
            own = msgspec.structs.replace(own, full=spent)
        elif is_whole is not None:
            own = msgspec.structs.replace(own, usual=learn(own.usual, spent))
        found = schedule(
            own,
            list({**sheet.appetites, name: own}.values()),
            self._totals(name, [*(own.full or ()), *(own.usual or ())]),
            self.full_every.total_seconds(),
        )
        is_stretched = found.interval_s > own.interval_s
        action = _action(found.interval_s, own.interval_s, is_hopeless=found.is_hopeless) if is_stretched else None
        every = timedelta(seconds=found.interval_s) if is_stretched else None
        with contextlib.suppress(DatabaseError):
            await self.ledger.write(self.toggl.owner(name), self._levels(name))
            await self.ledger.judge(name, Verdict(own.full, own.usual, every, action))
        before_s = max(own.interval_s, sheet.stored.quota_interval_s)
        return Stretch(found.interval_s, own.interval_s) if found.interval_s != before_s else None

    def _totals(self, name: str, buckets: list[int]) -> dict[int, int]:
        owner = self.toggl.owner(name)
        totals = {bucket: self.toggl.quotas.total(Key(owner, bucket or None)) for bucket in buckets}
        return {bucket: total for bucket, total in totals.items() if total is not None}

    def _levels(self, name: str) -> list[StoredLevel]:
        now = self.toggl.clock.monotonic()
        known = self.toggl.quotas.known(self.toggl.owner(name))
        return [
            StoredLevel(key.organization or OWN, level.remaining, level.total, level.resets_at - now)
            for key, level in known
            if level.resets_at > now
        ]


def _action(interval_s: float, configured_s: float, *, is_hopeless: bool) -> str:
    """What a person should do whose plan does not allow the configured interval."""
    if is_hopeless:
        return "a pull needs more requests than the plan allows in an hour: raise the plan, or mirror fewer workspaces"
    wanted, allowed = (f"{timedelta(seconds=round(s))!s}" for s in (configured_s, interval_s))
    return f"the plan allows a pull every {allowed}, not every {wanted}: lengthen the interval, or raise the plan"
