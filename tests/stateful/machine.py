"""The rules by which tokens are configured and pulled: the machine."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from syncd.errors import ConfigError, TogglError
from syncd.records import ALWAYS, Resource
from syncd.service.clients import NEXT_PULL, Clients
from syncd.sync.deletes import DeleteRules
from syncd.toggl.writes import ClientFields
from tests.postgres_fixture import Cluster
from tests.stateful import audit, faults
from tests.stateful.source_rules import FEW, PICK, RESOURCE, TOKENS
from tests.stateful.stage import EVERYTHING, PLACES, Stage, Turn
from tests.stateful.watch import MAX_SHARE, Watch

ACCESS = st.fixed_dictionaries(
    {
        token: st.lists(st.sampled_from(("admin", "member", "member", "none", "admin")), min_size=3, max_size=3)
        for token in TOKENS
    }
)


class MirrorMachine(Watch):
    """Several tokens, one source, one mirror. Class attributes: the server to work on, set by the test."""

    cluster: ClassVar[Cluster]
    template: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.url = ""

    @initialize(
        rights=ACCESS,
        projects=st.sampled_from(("auto", "auto", "client")),
        min_age=st.sampled_from((timedelta(0), timedelta(minutes=15))),
        confirmations=st.integers(1, 2),
        resources=st.sampled_from((EVERYTHING, ALWAYS)),
    )
    def begin(
        self,
        rights: dict[str, list[str]],
        projects: str,
        min_age: timedelta,
        confirmations: int,
        resources: Sequence[Resource] = EVERYTHING,
    ) -> None:
        self.begin_world(rights, resources, by_client=projects == "client")
        self.deletes = DeleteRules(min_age=min_age, confirmations=confirmations, max_share=MAX_SHARE)
        self.url = self.cluster.create(self.template)
        self.stage = Stage(self.url, self.world, projects=projects, deletes=self.deletes, resources=resources)
        self.configure(list(TOKENS))
        self.is_sound = True

    def teardown(self) -> None:
        try:
            if self.is_sound:
                self.quiesce()
        finally:
            if hasattr(self, "stage"):
                self.stage.close()
            if self.url:
                self.cluster.drop(self.url)

    # The configuration, and people ----------------------------------------------------------------------------------

    @rule(order=st.permutations(TOKENS), count=st.sampled_from((3, 3, 2, 1)))
    def reconfigure(self, order: Sequence[str], count: int) -> None:
        """Tokens are removed, come again, change their rank."""
        before = self.configured
        self.configure(list(order[:count]))
        if set(before) - set(self.configured):
            self.did("configuration: remove")
        if set(self.configured) - set(before):
            self.did("configuration: add")
        if [t for t in before if t in self.configured] != [t for t in self.configured if t in before]:
            self.did("configuration: reorder")

    @rule(pick=PICK, decision=st.sampled_from(("reject", "approve")))
    def decide(self, pick: int, decision: str) -> None:
        """A person decides about one of the deletions that are held back."""
        held = self.stage.run(self.stage.registry.held_deletes())
        if held:
            self.do_decide([held[pick % len(held)]], decision)

    @rule(what=st.sampled_from(("an hour", "an hour", "days")))
    def time_passes(self, what: str) -> None:
        if what == "an hour":
            self.stage.age_absences()
            self.aged = self.source.step
            self.source.step += 1
        else:
            self.stage.age_comparisons()
        self.did(f"time: {what}")

    # Writes -----------------------------------------------------------------------------------------------------

    @rule(token=st.sampled_from(TOKENS), pick=PICK, kind=st.sampled_from(("create", "rename", "rename", "delete")))
    def write(self, token: str, pick: int, kind: str) -> None:
        """A person writes as a token, whatever pulls are on their way: the mirror hears of it at once."""
        row = self.pick_row("client", pick)
        enough = sum(key[0] == "client" for key in self.source.rows) > FEW
        if token not in self.configured or row is None or (kind == "delete" and not enough):
            return
        self.second += 1
        fields = ClientFields(name=self.fresh("written"))

        async def errand(clients: Clients) -> None:
            if kind == "create":
                await clients.create(row.workspace_id, fields)
            elif kind == "rename":
                await clients.update(row.workspace_id, row.id, fields)
            else:
                await clients.delete(row.workspace_id, row.id)

        known = set(self.world.clients)
        try:
            was_fenced, notes = self.stage.run(self.stage.write(token, errand))
        except (TogglError, ConfigError):
            self.did(f"write: {kind}, refused")
            return
        self.is_sound = False
        if kind == "delete":
            self.deleted.append(row)
        self.changed(f"write: {kind}")
        if was_fenced:
            self.new_turn(token)
        key = ("client", row.id if kind != "create" else (set(self.world.clients) - known).pop())
        is_told = NEXT_PULL not in notes
        self.written(token, key, is_told=is_told, is_owned=is_told and bool(notes))

    # Pulls ------------------------------------------------------------------------------------------------------

    @rule(token=st.sampled_from(TOKENS), full=st.booleans(), times=st.integers(1, 3))
    def pull(self, token: str, full: bool, times: int) -> None:
        for _ in range(times if token in self.configured else 0):
            self.pull_quietly(token, full=full)
            self.did("pull: full" if full else "pull")

    @rule(order=st.permutations(TOKENS), times=st.integers(1, 4), ripens=st.booleans())
    def pull_each(self, order: Sequence[str], times: int, ripens: bool) -> None:
        """All, some times in turn. `ripens`: enough time passes between for what is missing to be gone."""
        for _ in range(times):
            if ripens:
                self.time_passes(what="an hour")
            for token in order:
                if token in self.configured:
                    self.pull_quietly(token)
        self.did("pull: each")

    @rule(token=st.sampled_from(TOKENS), resource=RESOURCE, pick=PICK, full=st.booleans())
    def edit_twice_in_a_second(self, token: str, resource: str, pick: int, full: bool) -> None:
        """A pull falls between two edits that share their `at`."""
        row = self.pick_row(resource, pick)
        if row is None:
            return
        self.second += 1
        for _ in range(2):
            getattr(self.world, f"update_{resource}")(row.id, name=self.fresh("twice"))
            self.changed(f"{resource}: twice in a second")
            if token in self.configured:
                self.pull_quietly(token, full=full)

    @rule(
        token=st.sampled_from(TOKENS),
        kind=st.sampled_from(sorted(faults.KINDS)),
        place=st.sampled_from(faults.PLACES),
        lasts=st.booleans(),
        pulls=st.integers(1, 4),
    )
    def pull_through_a_fault(self, token: str, kind: str, place: str, lasts: bool, pulls: int) -> None:
        """Once, or for several pulls in a row; a retry helps, or does not."""
        if token not in self.configured:
            return
        armed = self.stage.emulator.faults
        for _ in range(pulls):
            faults.arm(armed, kind, place, token, lasts=lasts, fired=self.fired)
            turn = self.new_turn(token)
            self.work(self.stage.begin(turn, full=True, impatient=kind in faults.SLOW))
            armed.clear()
            self.ended([turn])
            self.did(f"faulty pull: {turn.report.result}")

    @rule(token=st.sampled_from(TOKENS), place=st.sampled_from(PLACES), full=st.booleans())
    def hold(self, token: str, place: str, full: bool) -> None:
        """A pull begins and comes no further than to a certain place, for now."""
        if token not in self.configured or len(self.held) > 3:
            return
        turn = self.new_turn(token, hold=place)
        self.work(self.stage.begin(turn, full=full))
        if turn.is_over:
            self.ended([turn])
        else:
            self.held.append(turn)
            self.did(f"hold at {place}")

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def release(self, pick: int) -> None:
        """A held pull goes on, long after its answers were given."""
        self.let_go(self.held.pop(pick % len(self.held)))

    @rule(tokens=st.lists(st.sampled_from(TOKENS), min_size=2, max_size=4), full=st.booleans())
    def pull_at_once(self, tokens: list[str], full: bool) -> None:
        """Pulls side by side, also of one token; a reader never sees a workspace half-written."""
        turns = [self.new_turn(token) for token in tokens if token in self.configured]
        self.work(self.stage_all(turns, full=full))
        self.ended(turns)
        self.did("pull: at once")

    async def stage_all(self, turns: list[Turn], *, full: bool) -> None:
        work = asyncio.gather(*(self.stage.begin(turn, full=full) for turn in turns))
        while not work.done():
            assert (await audit.read(self.stage.database)).torn == 0, "a reader saw half a workspace"
        await work
