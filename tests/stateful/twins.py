"""Two mirrors of one source: one asks for changes, the other lists everything each time. They must not differ.

Both see the same edits, rights and revoked tokens, in the same order; faults, and edits between two answers of a pull,
befall the first alone. After every round of pulls in which nothing else happens (the second one, where rights changed:
who stands by for another token learns of its fall at the next pull), a row that somebody may see is live
in both and the same, but for what the list of changes is silent about (see docs/guarantees.md). At the end, once the
first has listed everything, too, they are equal in everything.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar

from aiohttp import web
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from syncd.clock import Clock
from syncd.emulator.faults import Exchange, Mishap
from syncd.emulator.rows import Project
from syncd.errors import TokenRejected
from syncd.sync.deletes import DeleteRules
from syncd.toggl import v9
from tests.postgres_fixture import Cluster
from tests.stateful import faults
from tests.stateful.machine import ACCESS
from tests.stateful.source import Key
from tests.stateful.source_rules import PICK, TOKENS, WORKSPACES, SourceRules
from tests.stateful.stage import EVERYTHING, Stage, Turn

SILENT = frozenset({"actual_seconds", "status"})
"""Columns that change without a sign."""

QUIET_ROUNDS = 5
"""Rounds after which nothing waits any more: the confirmations of a delete, and what a change of rights costs first."""

CLOCK_STEPS = {"a minute": timedelta(minutes=1), "an hour": timedelta(hours=1), "a season": timedelta(days=100)}
MEDDLING = ("edit a project", "move a project", "delete a project", "delete a client", "create", "archive a client")

_ROWS = """SELECT id, deleted_at IS NULL AND NOT _is_stub AS is_live, to_jsonb(t) - ARRAY['deleted_at',
           '_first_seen_at', '_valid_from', '_synced_at', '_pull_id', '_is_stub', '_change_kind'] AS columns
           FROM toggl.{resource}s t"""

_LEFT = """SELECT resource, unnest(ids) FROM syncd.scopes WHERE standby_at IS NOT NULL UNION
           SELECT resource, jsonb_array_elements_text(cohort -> 'ids')::bigint
           FROM syncd.scopes, jsonb_array_elements(absent) AS cohort WHERE standby_at IS NOT NULL"""

Rows = dict[Key, dict[str, Any]]


class Twins(SourceRules):
    """`a` asks for changes, `b` lists everything.

    `unnoticed`: rows that a token may not see any more, though they and its rights are there: `a` hears of that when it
    lists everything. `frozen`: rows that a token lost by its rights, or may not have missed often enough before. Once
    nobody sees such a row, its fate hangs on who looked when: in `b` all look.
    """

    cluster: ClassVar[Cluster]
    template: ClassVar[str]

    set_back = bring_back = None  # type: ignore[assignment]
    """A source that is restored from a backup says nothing of it; only a full pull can notice."""

    def __init__(self) -> None:
        super().__init__()
        self.began = Clock().now()
        self.jumped = timedelta()
        self.urls: list[str] = []
        self.stages: list[Stage] = []
        self.unnoticed: set[Key] = set()
        self.frozen: set[Key] = set()
        self.rights_are_known = False
        self.is_sound = False

    def now(self) -> datetime:
        return self.began + self.jumped + timedelta(seconds=self.second)

    @initialize(rights=ACCESS, confirmations=st.integers(1, 2))
    def begin(self, rights: dict[str, list[str]], confirmations: int) -> None:
        self.begin_world(rights, EVERYTHING, by_client=False)
        deletes = DeleteRules(min_age=timedelta(0), confirmations=confirmations)
        for _ in range(2):
            self.urls.append(self.cluster.create(self.template))
            stage = Stage(self.urls[-1], self.world, projects="auto", deletes=deletes, dialect=v9.DIALECT)
            self.stages.append(stage)
            stage.run(stage.register(TOKENS))
        self.is_sound = True

    def teardown(self) -> None:
        try:
            if self.is_sound:
                self.end()
        finally:
            for stage in self.stages:
                stage.close()
            for url in self.urls:
                self.cluster.drop(url)

    # The source -------------------------------------------------------------------------------------------------

    def changed(self, what: str) -> None:
        before = {token: set(self.source.visible_since[token]) for token in TOKENS}
        super().changed(what)
        is_right = what.startswith(("right", "token"))
        self.rights_are_known &= not is_right
        for token in TOKENS:
            lost = before[token] - self.source.visible_since[token].keys()
            if is_right:
                self.frozen |= lost | (self.source.past.keys() - self.source.rows.keys())
            else:
                self.unnoticed |= lost & self.source.rows.keys()

    @rule(step=st.sampled_from(("a minute", "an hour", "an hour", "a season")))
    def time_passes(self, step: str) -> None:
        """What changes are asked for from moves; after a season the source refuses to tell."""
        self.jumped += CLOCK_STEPS[step]
        self.changed(f"clock: {step}")

    @rule(pick=PICK, restores=st.booleans(), with_projects=st.booleans())
    def archive_or_restore(self, pick: int, restores: bool, with_projects: bool) -> None:
        row = self.pick_row("client", pick)
        if row is None:
            return
        if restores:
            self.world.restore_client(row.id, None if with_projects else ())
        else:
            self.world.archive_client(row.id)
        self.changed("client: restore" if restores else "client: archive")

    @rule(pick=PICK, what=st.sampled_from(("time", "end")))
    def move_silently(self, pick: int, what: str) -> None:
        """Time is tracked, or a day set after which the status is another."""
        row = self.pick_row("project", pick)
        if row is None or not self.is_free(row, row.client_id, row.name):
            return
        if what == "time":
            self.world.track(row.id, 60)
        else:
            self.second += 1
            self.world.update_project(row.id, end_date=(self.now() + timedelta(days=30)).date())
        self.changed(f"project: {what}")

    @precondition(lambda self: self.deleted)
    @rule(pick=PICK)
    def create_again(self, pick: int) -> None:
        """What was deleted comes again under its name, as another row."""
        row = self.deleted[-1 - pick % len(self.deleted)]
        parent = row.client_id if isinstance(row, Project) and row.client_id in self.world.clients else None
        if self.is_free(row, parent, row.name):
            self.recreate(row, parent)
            self.changed("created again")

    @rule(workspace_id=st.sampled_from(WORKSPACES))
    def rename_workspace(self, workspace_id: int) -> None:
        self.world.update_workspace(workspace_id, name=self.fresh("workspace"))
        self.changed("workspace: rename")

    def meddle(self, what: str, pick: int) -> None:
        """One change of the source."""
        deeds: Mapping[str, Callable[[], None]] = {
            "edit a project": lambda: self.edit_project(pick=pick, kind="rename", tick=bool(pick % 2)),
            "move a project": lambda: self.move_project(pick=pick, to=pick + 1, tick=bool(pick % 2)),
            "delete a project": lambda: self.delete(pick=pick, kind="project"),
            "delete a client": lambda: self.delete(pick=pick, kind="client"),
            "create": lambda: self.create(workspace_id=WORKSPACES[pick % 3], resource="project", to=pick),
            "archive a client": lambda: self.archive_or_restore(pick=pick, restores=False, with_projects=False),
        }
        deeds[what]()

    # Pulls ------------------------------------------------------------------------------------------------------

    @rule(order=st.permutations(TOKENS), full=st.sampled_from((False, False, False, False, True)))
    def pull(self, order: Sequence[str], full: bool) -> None:
        """A round of pulls in which nothing else happens."""
        self.is_sound = False
        for token in order:
            for stage in self.stages:
                self.pull_one(stage, token, full=full or stage is self.stages[1])
        if self.rights_are_known:
            self.compare()
        self.is_sound = self.rights_are_known = True

    @rule(
        token=st.sampled_from(TOKENS),
        kind=st.sampled_from(sorted(faults.KINDS)),
        place=st.sampled_from(faults.PLACES),
        lasts=st.booleans(),
    )
    def pull_through_a_fault(self, token: str, kind: str, place: str, lasts: bool) -> None:
        """Of the first mirror alone."""
        armed = self.stages[0].emulator.faults
        faults.arm(armed, kind, place, token, lasts=lasts, fired=self.fired)
        try:
            self.pull_one(self.stages[0], token, impatient=kind in faults.SLOW, is_faulty=True)
        finally:
            armed.clear()
            self.stages[0].restart()

    @rule(token=st.sampled_from(TOKENS), nth=st.integers(1, 7), what=st.sampled_from(MEDDLING), pick=PICK)
    def pull_while_it_changes(self, token: str, nth: int, what: str, pick: int) -> None:
        """Behind the nth answer, something happens at the source."""
        count = 0

        async def send(exchange: Exchange) -> web.StreamResponse:
            nonlocal count
            count += 1
            answer = await exchange.perform()
            if count == nth:
                self.meddle(what, pick)
                self.did(f"meanwhile: {what}")
            date = format_datetime(self.now(), usegmt=True)
            headers = {"Content-Type": answer.content_type, "Date": date, **(answer.headers or {})}
            return web.Response(status=answer.status, body=answer.body, headers=headers)

        armed = self.stages[0].emulator.faults
        armed.add(Mishap("meddle", send), token=token, times=None)
        try:
            self.pull_one(self.stages[0], token)
        finally:
            armed.clear()

    def pull_one(
        self, stage: Stage, token: str, *, full: bool = False, impatient: bool = False, is_faulty: bool = False
    ) -> None:
        turn = Turn(token, self.source.step)
        stage.run(stage.begin(turn, full=full, impatient=impatient))
        report = turn.report
        if stage is self.stages[0]:
            self.did("pull: whole" if report.is_whole else "pull: changes")
        if not (is_faulty or report.is_fresh):
            assert isinstance(report.error, TokenRejected), repr(report.error)
            assert self.world.users[token].is_revoked, repr(report.error)
        assert report.reason not in ("invariant", "unforeseen", "database"), repr(report.error)

    # What must hold ---------------------------------------------------------------------------------------------

    def rows(self) -> list[Rows]:
        return [stage.run(read(stage)) for stage in self.stages]

    def visible(self) -> set[Key]:
        return {key for token in TOKENS for key in self.source.sees(token)}

    def compare(self) -> None:
        """What somebody may see is live in both, and the same."""
        a, b = self.rows()
        for key in sorted(self.visible()):
            assert b.get(key) is not None, f"{key} is missing from the mirror that lists everything"
            assert a.get(key) is not None, f"{key} is missing, or a tombstone: {self.source.rows[key]}"
            differ = {name: (a[key][name], value) for name, value in b[key].items() if a[key][name] != value}
            assert differ.keys() <= SILENT, f"{key} is (changes only, everything): {differ}"

    def decide(self) -> None:
        for stage in self.stages:
            for held in stage.run(stage.registry.held_deletes()):
                stage.run(stage.registry.decide([str(held["hash"])], "approve", timedelta(days=1)))
                self.did("a deletion was approved")

    def end(self) -> None:
        """Quiet: the mirrors settle, each in its way; then the first lists everything, too."""
        for full in (False, True):
            for _ in range(QUIET_ROUNDS):
                self.pull(order=TOKENS, full=full)
                self.decide()
            a, b = self.rows()
            known = (a.keys() | b.keys()) - (self.frozen - self.visible())
            if not full:
                known -= self.unnoticed | self.stages[0].run(read_left(self.stages[0])) - self.visible()
            self.did("equal at the end" if a.keys() == b.keys() else "unlike at the end")
            for key in sorted(known):
                assert (key in a) == (key in b), f"{key} is live in one mirror only: {key in a}, {key in b}"
                assert not full or a[key] == b[key], f"{key} differs in the end: {a[key]}, {b[key]}"


async def read_left(stage: Stage) -> set[Key]:
    """What tokens saw in workspaces before they left those to another: it is no evidence until they look again."""
    return {(resource, id_) for resource, id_ in await stage.rows(_LEFT)}


async def read(stage: Stage) -> Rows:
    """The live rows."""
    found: Rows = {}
    for resource in EVERYTHING:
        for id_, is_live, columns in await asyncio.ensure_future(stage.rows(_ROWS.format(resource=resource))):
            if is_live:
                found[resource, id_] = columns
    return found
