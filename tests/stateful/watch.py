"""The machine's eyes: a pull is watched from its start to its report, and afterwards nothing may be wrong.

After every pull the whole mirror is read and compared with what it was, with what the pull was shown, and with what
the source ever held. At the end the source is left alone, and the mirror must become equal to it.
"""

import re
from collections.abc import Iterable
from datetime import timedelta

from syncd.errors import FencedOut, TokenRejected
from syncd.sync.deletes import DeleteRules
from syncd.sync.report import PullReport
from tests.stateful import audit
from tests.stateful.source import Eye, Key, State, administered_in, shown_in
from tests.stateful.source_rules import TOKENS, WORKSPACES, SourceRules
from tests.stateful.stage import Stage, Turn

DAY = timedelta(days=1)
FEW_ROWS = 10
ALWAYS_ALLOWED = 5
MAX_SHARE = 0.2
RESTORED_AFTER = 3
QUIET_ROUNDS = 8
"""Pulls of each token after which a quiet source must be mirrored: the confirmations of a delete, of a restore, and
what a change of rights costs before them."""


class Watch(SourceRules):
    """A source, a stage, and what is known about the mirror on it.

    `latest`: the pull of each token that began last. `approved`: sets of ids that a person let go. `aged`: the step at
    which time passed last. `is_sound`: the last step ended well.
    """

    stage: Stage
    deletes: DeleteRules

    def __init__(self) -> None:
        super().__init__()
        self.is_sound = False
        self.configured: list[str] = []
        self.held: list[Turn] = []
        self.latest: dict[str, Turn] = {}
        self.eye = {token: Eye() for token in TOKENS}
        self.approved: set[frozenset[int]] = set()
        self.aged = 0
        self.before = audit.NOTHING

    def eyes(self) -> dict[str, Eye]:
        return self.eye

    def configure(self, names: list[str]) -> None:
        self.stage.run(self.stage.register(names))
        self.configured = names

    def do_decide(self, held: list[dict[str, object]], decision: str) -> None:
        for each in held:
            if decision == "approve":
                self.approved.add(frozenset(each["ids"]))  # type: ignore[call-overload]
            self.stage.run(self.stage.registry.decide([str(each["hash"])], decision, DAY))
            self.did(f"person: {decision}")

    def new_turn(self, token: str, hold: str | None = None) -> Turn:
        turn = self.latest[token] = Turn(token, self.source.step, hold)
        return turn

    def work(self, coroutine: object) -> None:
        self.is_sound = False
        self.stage.run(coroutine)  # type: ignore[arg-type]

    def let_go(self, turn: Turn) -> None:
        """A held pull goes on, to its end. If a later one of its token has begun, it writes nothing."""
        self.work(self.stage.release(turn))
        self.did(f"release at {turn.hold}")
        before = self.before
        self.ended([turn])
        if self.latest[turn.token] is not turn:
            self.did("fenced out")
            assert isinstance(turn.report.error, FencedOut | TokenRejected), turn.report
            assert self.before.stamps() == before.stamps(), "a pull that was fenced out has written"

    def pull_quietly(self, token: str, *, full: bool = False) -> Turn:
        """Nothing else happens meanwhile, and the process knows of no host that did not answer."""
        self.stage.restart()
        turn = self.new_turn(token)
        self.work(self.stage.begin(turn, full=full))
        self.ended([turn])
        self.check_arrived(turn)
        return turn

    def written(self, token: str, key: Key, *, is_told: bool, is_owned: bool) -> None:
        """Look at the mirror after a write.

        `is_told`: it was ready to hear of it. `is_owned`: it waits for a better token, for so the person was told.
        """
        before, after = self.before, self.stage.run(audit.read(self.stage.database))
        audit.check_state(after, self.source)
        audit.check_step(before, after, self.source.went_back, 1)
        state, row, eye = self.source.sees(token).get(key), after.rows.get(key), self.eye[token]
        if is_told and state is None:
            assert row is None or not row.is_live, f"{key} was deleted by {token}, and is live"
            seen = self.source.sees(token)
            left = [k for k, r in after.live().items() if k[0] == "project" and r.state[1] == key[1]]
            told = [k for k in left if k in seen and (seen[k][1], seen[k][-1]) == (None, after.rows[k].state[-1])]
            assert not told, f"{key} was deleted by {token}, and has the projects {told}"
        elif is_told and state is not None:
            eye.possible.add(key)
            eye.certain.add(key)
            eye.epochs[key] = eye.epoch[int(state[0])]
            eye.lacks.pop(key, None)
            if is_owned:
                others = [other for other in self.configured if other != token and self.is_trusted(other)]
                assert any(key in self.eye[other].possible for other in others), f"nobody but {token} sees {key}"
            else:
                assert row is not None, f"{key} was written by {token}, and is missing"
                assert (row.is_live, row.state) == (True, state), f"{key}: {row}, written as {state}"
        self.before = after
        self.is_sound = True

    # What must hold -----------------------------------------------------------------------------------------------

    def ended(self, turns: list[Turn]) -> None:
        """Look at the mirror after these pulls."""
        self.is_sound = False
        before, after = self.before, self.stage.run(audit.read(self.stage.database))
        audit.check_state(after, self.source)
        audit.check_step(before, after, self.source.went_back, len(turns))
        shown = {turn.report.pull_id: shown_in(turn.answers) for turn in turns}
        for turn in turns:
            self.check_report(turn, before, after, alone=len(turns) == 1)
            self.remember(turn)
        for turn in turns:
            self.check_written(turn, shown[turn.report.pull_id], before, after)
        self.before = after
        self.is_sound = True

    def check_report(self, turn: Turn, before: audit.Mirror, after: audit.Mirror, *, alone: bool) -> None:
        report = turn.report
        error = type(report.error).__name__ if report.error else None
        assert report.reason not in ("invariant", "unforeseen", "database"), repr(
            getattr(report.error, "__cause__", None) or report
        )
        self.did(f"result: {error or report.result}")
        if report.result == "unchanged" and alone:
            assert after.stamps() == before.stamps(), "an unchanged pull has written"

    def remember(self, turn: Turn) -> None:
        """What the mirror can know after a pull."""
        eye, report = self.eye[turn.token], turn.report
        shown = shown_in(turn.answers)
        if isinstance(report.error, TokenRejected):
            eye.is_rejected = True
        if report.result == "failed":
            if isinstance(report.error, FencedOut):
                eye.may_take(shown, began=turn.began)
            return
        listed = dict.fromkeys(self.world.users[turn.token].access, "client")
        listed |= {int(path.split("/")[4]): "workspace" for path, status, _ in turn.answers
                   if status == 200 and re.fullmatch(r"/api/v8/workspaces/\d+/projects", path)}  # fmt: skip
        eye.admin_of |= {w for w in WORKSPACES if self.source.is_admin(turn.token, w)} | administered_in(turn.answers)
        eye.take(
            shown,
            listed,
            began=turn.began,
            is_complete=_is_complete(report),
        )
        since = self.source.visible_since[turn.token]
        eye.certain = {key for key in eye.certain if since.get(key, turn.began + 1) <= turn.began}

    def is_trusted(self, token: str) -> bool:
        """As evidence: the mirror counts on what it saw."""
        return token in self.configured and not self.eye[token].is_rejected

    def check_written(self, turn: Turn, shown: dict[Key, State], before: audit.Mirror, after: audit.Mirror) -> None:
        """What a pull wrote is what it was shown; what it buried was gone, as far as anybody could know."""
        buried: list[Key] = []
        for key, row in audit.changed(before, after).items():
            if row.pull_id != turn.report.pull_id or row.is_stub:
                continue
            old = before.rows.get(key)
            if row.deleted_at is not None:
                buried.append(key)
                continue
            assert shown.get(key) == row.state, f"{key}: written as {row.state}, shown as {shown.get(key)}"
            if old is not None and old.deleted_at is not None:
                self.did("a row reappeared")
                assert turn.report.began_at is not None
                assert turn.report.began_at > old.deleted_at, f"{key}: raised from the dead by an old answer"
            if old is not None and old.is_live and row.state[-1] < old.state[-1]:
                self.did("a row was restored")
                count = self.eye[turn.token].steady[key][row.state]
                assert count >= RESTORED_AFTER, f"{key} went back to {row.state} after {count} pulls"
            self.did("a stub was filled" if old is not None and old.is_stub else "a row was written")
        for key in buried:
            self.check_burial(turn, key, before)
        self.check_guard(buried, before)

    def check_burial(self, turn: Turn, key: Key, before: audit.Mirror) -> None:
        self.did("a row was buried")
        workspace_id = int(before.rows[key].state[0])
        for token in self.configured:
            since = self.source.visible_since[token]
            if token != turn.token and self.is_trusted(token):
                assert key not in self.eye[token].certain, f"false delete: {token} saw {key} and still sees it"
            listed = key in self.source.sees(token, self.eye[token].listings)
            if token == turn.token and listed and (lack := self.eye[token].lacks.get(key)) is not None:
                assert since.get(key, lack.since + 1) > lack.since, f"false delete: {token} saw {key} all the time"
        lack = self.eye[turn.token].lacks.get(key)
        assert lack is not None, f"{key} was buried by a pull that saw it, or by a token that never did"
        live = sum(k[0] == key[0] and row.state[0] == workspace_id for k, row in before.live().items())
        needed = self.deletes.confirmations if live >= FEW_ROWS else max(3, self.deletes.confirmations)
        assert lack.count >= needed, f"{key} was buried after {lack.count} pulls of {needed}"
        if self.deletes.min_age:
            assert lack.since <= self.aged, f"{key} was buried before its time"

    def check_guard(self, buried: list[Key], before: audit.Mirror) -> None:
        """Too many at once need a person's word about exactly them."""
        live = before.live()
        for scope in {(key[0], live[key].state[0]) for key in buried}:
            ids = frozenset(key[1] for key in buried if (key[0], live[key].state[0]) == scope)
            count = sum((key[0], row.state[0]) == scope for key, row in live.items())
            if len(ids) > max(ALWAYS_ALLOWED, MAX_SHARE * count):
                assert ids in self.approved, f"the guard let {len(ids)} of {count} rows go"
                self.did("an approved deletion was carried out")

    def check_arrived(self, turn: Turn) -> None:
        """A pull that nothing disturbed succeeds, and its token's own rows are then as the token sees them."""
        token, report = turn.token, turn.report
        if self.world.users[token].is_revoked:
            assert isinstance(report.error, TokenRejected), report
            return
        assert report.is_fresh, repr(report.error)
        view = self.source.sees(token, self.eye[token].listings if report.counts["project"].complete else None)
        shown = shown_in(turn.answers)
        if _is_complete(report):
            assert shown == view, "the model and the emulator differ about what the token may see"
        for key, state in shown.items():
            if key in self.source.went_back or any(key in self.eye[t].possible for t in self.betters(token, state[0])):
                continue
            row = self.before.rows.get(key)
            assert row is not None, f"{key} is missing after a pull of {token}"
            assert row.is_live, f"{key} is not live after a pull of {token}, its owner: {row}"
            assert row.state == state, f"{key} is {row.state} after a pull of {token}, its owner, who sees {state}"

    def betters(self, token: str, workspace_id: int) -> Iterable[str]:
        """Trusted tokens that may own a row before this one."""
        admin, rank = self.source.is_admin(token, workspace_id), self.configured.index(token)
        for other in self.configured:
            may_be_admin = workspace_id in self.eye[other].admin_of
            before = self.configured.index(other) < rank
            if other != token and self.is_trusted(other) and ((before and not admin) or may_be_admin or before):
                if admin and not may_be_admin:
                    continue
                if admin and not before:
                    continue
                yield other

    def waits_for_admin(self, token: str, key: Key, row: audit.Row) -> bool:
        """Whether a private row may stand: the token was an admin once, and what it cannot see now proves nothing."""
        workspace_id, is_private = int(row.state[0]), key[0] == "project" and bool(row.state[4])
        was_admin = workspace_id in self.eye[token].admin_of
        return is_private and was_admin and not self.source.is_admin(token, workspace_id)

    # The end ------------------------------------------------------------------------------------------------------

    def quiesce(self) -> None:
        """Nothing happens at the source any more: the mirror must become equal to it, and stay so for nothing."""
        while self.held:
            self.let_go(self.held.pop(0))
        self.stage.forget_rejections()
        quiet = 0
        for _ in range(QUIET_ROUNDS):
            self.stage.age_absences()
            self.aged = self.source.step
            self.source.step += 1
            turns = [self.pull_quietly(token) for token in self.configured]
            held = self.stage.run(self.stage.registry.held_deletes())
            self.do_decide(held, "approve")
            quiet = 0 if held or any(turn.report.full for turn in turns) else quiet + 1
            if quiet > 1:
                break  # nobody compared, nor did those who were told to look again at the end of the round before
        self.check_equal()
        before = self.before.stamps()
        for token in self.configured:
            turn = self.pull_quietly(token)
            if turn.report.is_fresh:
                if "contradicted" in turn.report.reason:
                    self.did("the source contradicts itself at the end")
                    continue
                assert (turn.report.result, turn.report.full) == ("unchanged", False), (
                    f"it does not settle: {turn.report}"
                )
        assert self.before.stamps() == before, "a pull of a quiet source has written"
        self.did("end")

    def check_equal(self) -> None:
        """The union of what healthy tokens see, each row as its owner sees it; frozen rows besides."""
        healthy = [token for token in self.configured if not self.world.users[token].is_revoked]
        expected: dict[Key, tuple[tuple[bool, int], State]] = {}
        for rank, token in enumerate(healthy):
            for key, state in self.source.sees(token, self.eye[token].listings).items():
                place = (not self.source.is_admin(token, state[0]), rank)
                if key not in expected or place < expected[key][0]:
                    expected[key] = place, state
        live = self.before.live()
        for key, (_, state) in expected.items():
            assert key in live, f"{key} is missing at the end: {self.before.rows.get(key)}"
            assert live[key].state == state, f"{key} is {live[key].state} at the end, its owner sees {state}"
        for key in live.keys() - expected.keys():
            workspace_id = int(live[key].state[0])
            for token in healthy:
                if self.latest[token].report.result == "partial" or self.source.shows_by_id(token, key):
                    continue
                if self.waits_for_admin(token, key, live[key]):
                    continue
                if workspace_id in self.world.users[token].access:
                    missed = self.eye[token].must_miss(key, workspace_id)
                    assert not missed, f"{key} is live at the end, though {token} missed it: {live[key]}"
            self.did("a row is frozen at the end")


def _is_complete(report: PullReport) -> bool:
    return all(counts.complete for counts in report.counts.values())
