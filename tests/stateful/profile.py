"""How much is tried: a little with every other test, `SYNCD_DEEP` examples of the machine by `make test-deep`.

`SYNCD_SEED` makes a run the same as an earlier one.
"""

import os
from collections import Counter

from hypothesis import HealthCheck, Phase, settings

from tests.stateful import faults, source_rules, stage

DEEP = int(os.environ.get("SYNCD_DEEP", "0"))
SEED = int(os.environ.get("SYNCD_SEED", "1"))
PARTS = 2
"""The examples are split, so that two processes can share them."""

STEPS = 50 if DEEP else 20
EXAMPLES = -(-DEEP // PARTS) if DEEP else 7


def bounded(examples: int) -> settings:
    """Settings for so many examples. A failing run is shrunk: to the fewest steps that still fail."""
    return settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if "SYNCD_NO_SHRINK" not in os.environ else [Phase.generate],
        report_multiple_bugs=False,
    )


EXPECTED = (
    *(f"client: {kind}" for kind in (*source_rules.CLIENT_EDITS, "create", "set back", "twice in a second")),
    *(f"project: {kind}" for kind in (*source_rules.PROJECT_EDITS, "create", "set back", "twice in a second")),
    *("project: move", "project: leave its client"),
    *(f"tag: {kind}" for kind in ("rename", "create", "set back", "twice in a second")),
    *(f"delete {kind}" for kind in source_rules.DELETES),
    *(f"bring back: {kind}" for kind in source_rules.RETURNS),
    *(f"right: {right}" for right in source_rules.RIGHTS),
    *("token: revoke", "token: give back"),
    *(f"configuration: {what}" for what in ("remove", "add", "reorder")),
    *("person: approve", "person: reject", "time: an hour", "time: days"),
    *(f"write: {kind}" for kind in ("create", "rename", "delete", "create, refused", "delete, refused")),
    *("pull", "pull: full", "pull: each", "pull: at once"),
    *(f"{what} at {place}" for what in ("hold", "release") for place in stage.PLACES),
    *(f"fault: {kind}" for kind in faults.KINDS),
    *(f"fault at {place}" for place in faults.PLACES),
    *(f"result: {result}" for result in ("unchanged", "changed", "partial")),
    *(f"result: {error}" for error in ("FencedOut", "TokenRejected", "RateLimited", "TogglUnavailable")),
    *("result: ContractChanged", "result: QuotaExhausted", "fenced out"),
    *(f"a row {fate}" for fate in ("was written", "was buried", "reappeared", "was restored", "is frozen at the end")),
    *("a stub was filled", "an approved deletion was carried out", "end"),
)
"""What a deep run must have seen."""


def missing(fired: Counter[str]) -> list[str]:
    """What never happened."""
    return [what for what in EXPECTED if not fired[what]]
