"""A machine that is told what to do: for sequences that once went wrong, and for what chance is slow to find."""

from datetime import timedelta

from tests.stateful import faults
from tests.stateful.machine import MirrorMachine
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
    """Every fault at every place, with rows missing and rows there; a stub; deletions that a person refuses."""
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
    play = machine()
    try:
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
    finally:
        play.teardown()
