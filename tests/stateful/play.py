"""A machine that is told what to do: for sequences that once went wrong, and for what chance is slow to find."""

from datetime import timedelta

from tests.stateful import faults, source_rules, stage
from tests.stateful.machine import MirrorMachine
from tests.stateful.source import COLUMNS
from tests.stateful.source_rules import TOKENS

NOBODY = ["none", "none", "none"]


class Play(MirrorMachine):
    """Its rules, called by name. `teardown` ends it: what is played must end well."""

    def start(self, **rights: list[str]) -> None:
        """Rights in the three workspaces, of the tokens named; the others have none."""
        everybody = dict.fromkeys(TOKENS, NOBODY) | rights
        self.begin(rights=everybody, projects="auto", min_age=timedelta(0), confirmations=2)

    def project(self, workspace_id: int, *, nth: int = 0, loose: bool = False) -> int:
        """The `pick` of the nth public project of a workspace, with a client or without."""
        rows = sorted(key for key in self.source.rows if key[0] == "project")
        fitting = [p.id for p in self.world.projects_of(workspace_id)
                   if not p.is_private and (p.client_id is None) == loose]  # fmt: skip
        return rows.index(("project", fitting[nth]))

    def pull_once(self, token: str, *, full: bool = False) -> None:
        self.pull(token=token, full=full, times=1)


def tour(machine: type[Play]) -> None:
    """What chance may miss: every fault at every place, every change at the source, whatever a person decides about."""
    _tour_of_faults(machine)
    for part in (_tour_of_changes, _tour_of_decisions):
        play = machine()
        try:
            part(play)
        finally:
            play.teardown()


def _tour_of_faults(machine: type[Play]) -> None:
    """With rows missing and rows there."""
    for kind in sorted(faults.KINDS):
        for place in faults.PLACES:
            play = machine()
            try:
                play.start(t0=["admin", "member", "member"], t1=["member", "admin", "none"])
                play.pull_each(order=TOKENS, times=1, ripens=False)
                play.delete(pick=play.project(1), kind="project")
                for token in ("t0", "t1"):
                    play.pull_through_a_fault(token=token, kind=kind, place=place, lasts=False, pulls=1)
                    play.pull_through_a_fault(token=token, kind=kind, place=place, lasts=True, pulls=3)
            finally:
                play.teardown()


def _tour_of_changes(play: Play) -> None:
    """Each while a pull waits for some answer; then the source is restored, and what was deleted comes again."""
    play.start(t0=["admin", "admin", "admin"])
    play.pull_once("t0")
    edits = [
        *(("client", kind) for kind in source_rules.CLIENT_EDITS),
        *(("project", kind) for kind in source_rules.PROJECT_EDITS),
    ]
    for resource, kind in edits:
        getattr(play, f"edit_{resource}")(pick=0, kind=kind, tick=True)
    play.rename_tag(pick=0, tick=True)
    for resource in COLUMNS:
        play.create(workspace_id=1, resource=resource, to=0)
    for place in stage.PLACES:
        play.hold(token="t0", place=place, full=True)
        play.rename_tag(pick=1, tick=True)
        play.release(pick=0)
    play.pull_once("t0")
    for resource in COLUMNS:
        play.set_back(pick=0, age=0, resource=resource)
    play.pull_each(order=TOKENS, times=4, ripens=True)
    for kind, again in zip(("tag", "project", "client"), source_rules.RETURNS, strict=True):
        play.delete(pick=0, kind=kind)
        play.pull_each(order=TOKENS, times=3, ripens=True)
        play.bring_back(pick=0, kind=again)
        play.pull_once("t0")


def _tour_of_decisions(play: Play) -> None:
    """A stub; deletions that a person refuses."""
    play.start(t0=["admin", "none", "none"])
    play.hold(token="t0", place="clients", full=False)
    play.create(workspace_id=1, resource="client", to=0)
    play.create(workspace_id=1, resource="project", to=4)
    play.release(pick=0)
    play.pull_once("t0")
    play.delete(pick=0, kind="many projects")
    play.pull_each(order=TOKENS, times=4, ripens=True)
    play.decide(pick=0, decision="reject")
    play.pull_each(order=TOKENS, times=2, ripens=True)
