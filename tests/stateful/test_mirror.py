"""The machine, run. A failing run prints its steps; the same seed and number of examples find them again."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

from tests.postgres_fixture import Cluster
from tests.stateful.machine import MirrorMachine
from tests.stateful.play import Play, tour
from tests.stateful.profile import DEEP, EXAMPLES, PARTS, SEED, STEPS, bounded, missing


@pytest.mark.timeout(0 if DEEP else 600)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_mirror_is_right_whatever_happens(
    part: int, cluster: Cluster, migrated_template: str, record_property: Callable[[str, object], None]
) -> None:
    """Of several tokens that see one source, with any rights, through any fault, in any order."""
    number = SEED + part
    record_property("run", f"part {part}: {EXAMPLES} examples of {STEPS} steps, seed {number}")
    fired: Counter[str] = Counter()
    members = {"cluster": cluster, "template": migrated_template, "fired": fired}
    if DEEP:
        tour(type("Tour", (Play,), members))
    machine = type("Machine", (MirrorMachine,), members)
    run_state_machine_as_test(seed(number)(machine), settings=bounded(EXAMPLES))
    record_property("fired", ", ".join(f"{what} {count}" for what, count in sorted(fired.items())))
    if DEEP:
        assert not missing(fired), "these never happened, so nothing was proven about them"
