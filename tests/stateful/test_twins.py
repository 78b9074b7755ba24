"""Asking for changes only never makes the mirror differ from what listing everything gives."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

from syncd.emulator import v9_read
from syncd.toggl import v9_projects
from tests.postgres_fixture import Cluster
from tests.stateful import faults, source_rules
from tests.stateful.profile import DEEP, SEED, STEPS, bounded
from tests.stateful.twins import CLOCK_STEPS, MEDDLING, Twins

EXAMPLES = -(-DEEP // 8) if DEEP else 2
EXPECTED = (
    *("pull: whole", "pull: changes", "equal at the end", "a deletion was approved"),
    *(f"meanwhile: {what}" for what in MEDDLING),
    *(f"clock: {step}" for step in CLOCK_STEPS),
    *(f"fault at {place}" for place in faults.PLACES),
    *(
        "client: archive",
        "client: restore",
        "tag: rename",
        "project: time",
        "project: end",
        "created again",
        "workspace: rename",
    ),
    *(f"right: {right}" for right in source_rules.RIGHTS),
    *(f"project: {kind}" for kind in source_rules.PROJECT_EDITS),
    *(f"delete {kind}" for kind in source_rules.DELETES),
    *("project: move", "project: leave its client", "token: revoke", "token: give back"),
)
"""What a deep run must have seen."""


@pytest.mark.timeout(0 if DEEP else 600)
@pytest.mark.parametrize("per_page", [200, 4], ids=lambda size: f"pages of {size}")
def test_asking_for_changes_gives_what_listing_everything_gives(
    per_page: int,
    cluster: Cluster,
    migrated_template: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """Whatever changes at the source, also while it is asked; through any fault; with one page or several."""
    monkeypatch.setattr(v9_read, "MAX_PER_PAGE", per_page)
    monkeypatch.setattr(v9_projects, "PER_PAGE", per_page)
    monkeypatch.setattr(v9_projects, "SMALLEST_LIMIT", min(per_page, 50))
    record_property("run", f"twins, pages of {per_page}: {EXAMPLES} examples of {STEPS} steps, seed {SEED}")
    fired: Counter[str] = Counter()
    machine = type("Machine", (Twins,), {"cluster": cluster, "template": migrated_template, "fired": fired})
    run_state_machine_as_test(seed(SEED)(machine), settings=bounded(EXAMPLES))
    record_property("fired", ", ".join(f"{what} {count}" for what, count in sorted(fired.items())))
    assert fired["pull: changes"], "changes were never asked for"
    if DEEP:
        assert not [what for what in EXPECTED if not fired[what]], "these never happened"
