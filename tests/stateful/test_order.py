"""Order does not matter: however the pulls of several tokens follow or overlap one another, the mirror is the same."""

from datetime import timedelta
from typing import ClassVar

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from tests.postgres_fixture import Cluster
from tests.stateful.machine import ACCESS, MirrorMachine
from tests.stateful.profile import DEEP, EXAMPLES, SEED, bounded
from tests.stateful.source import Key, State
from tests.stateful.source_rules import TOKENS

TURNS = st.lists(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=3), max_size=5)
"""Groups of tokens that are pulled at the same time, one group after the other."""

ORDER = st.permutations(TOKENS)


class Ordered(MirrorMachine):
    """A machine whose steps are given by a test; it need not come to rest."""

    template: ClassVar[str]

    def play(self, groups: list[list[str]], order: list[str]) -> dict[Key, State]:
        """The rows after these pulls, and one more of every token."""
        for group in groups:
            self.pull_at_once(tokens=group, full=False)
        for token in order:
            self.pull_quietly(token)
        return {key: row.state for key, row in self.before.live().items()}


@pytest.mark.timeout(0 if DEEP else 300)
def test_any_order_and_overlap_of_pulls_ends_in_the_same_rows(cluster: Cluster, migrated_template: str) -> None:
    """Each row as its owner sees it, whoever came first; and so again after the source has changed."""

    @seed(SEED)
    @bounded(EXAMPLES)
    @given(rights=ACCESS, early=TURNS, late=TURNS, first=ORDER, last=ORDER, ranks=ORDER)
    def check(
        rights: dict[str, list[str]],
        early: list[list[str]],
        late: list[list[str]],
        first: list[str],
        last: list[str],
        ranks: list[str],
    ) -> None:
        Ordered.cluster, Ordered.template = cluster, migrated_template
        machine = Ordered()
        try:
            machine.begin(rights=rights, projects="auto", min_age=timedelta(0), confirmations=2)
            machine.configure(ranks)
            assert machine.play(early, first) == owners_view(machine)
            for key in sorted(machine.source.rows)[::3]:
                row = machine.source.rows[key]
                machine.edit_client(pick=row.id, kind="rename", tick=False)
                machine.edit_project(pick=row.id, kind="color", tick=True)
            assert machine.play(late, last) == owners_view(machine)
        finally:
            machine.is_sound = False  # what follows at the end of a machine is not what is tried here
            machine.teardown()

    check()


def owners_view(machine: Ordered) -> dict[Key, State]:
    """What each row's owner sees of it: administrators before others, then by rank."""
    rows: dict[Key, tuple[tuple[bool, int], State]] = {}
    for rank, token in enumerate(machine.configured):
        for key, state in machine.source.sees(token).items():
            place = (not machine.source.is_admin(token, state[0]), rank)
            rows[key] = min(rows.get(key, (place, state)), (place, state), key=lambda each: each[0])
    return {key: state for key, (_, state) in rows.items()}
