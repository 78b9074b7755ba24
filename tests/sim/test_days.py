"""Some stretches of the daemon's days with every test run, and its fairness; `make sim` has hundreds of days."""

from collections import Counter

import pytest

from tests.sim.fairness import KINDS, TOLERANCE, Figures, Stretch
from tests.sim.freshness import Bounds, Findings, Success, complement, judge_beats, judge_token
from tests.sim.month import DAY_S, Setting, Verdict, judge, simulate
from tests.sim.spells import CLOCK, DATABASE, PROCESS, Spell, one_after_another

pytestmark = pytest.mark.timeout(600)  # seconds of work, but machines may be busy

SEEDS = range(1, 9)
SMALL = Stretch(tokens=12, limit=3, hours=1.5)
BROKEN = 9


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    """Every seed's."""
    return [judge(seed) for seed in SEEDS]


def test_tokens_that_are_well_are_fresh_and_the_heartbeat_is_never_missing(verdicts: list[Verdict]) -> None:
    """Whatever befalls source, database, clocks and processes: `make sim SEED=…` replays one that fails."""
    wrongs = {verdict.setting.seed: verdict.findings.wrongs[:3] for verdict in verdicts if verdict.findings.wrongs}
    assert wrongs == {}


RARE = (
    Spell("deaf", 3600.0, 4800.0, frozenset({"t0", "t1"})),
    Spell("database refuses", 9000.0, 9400.0),
    Spell("killed", 9100.0, 9110.0),
    Spell("wall clock back", 11000.0, 11000.0, jump_s=-3600.0),
    Spell("database silent", 15500.0, 15800.0),
    Spell("503", 17000.0, 21000.0, frozenset({"t0"})),
    Spell("401", 21000.0, 21400.0, frozenset({"t0"})),
)
"""Every place is taken by a pull that does not end; a start without database; a tick that stays away; a silent turn; a
rejection that ends a long outage."""


def test_the_rare_cases_are_survived() -> None:
    """One after the other, with as many places as tokens."""
    verdict = simulate(Setting(0, 25000.0 / DAY_S, (300.0, 300.0), 1.0, 2, RARE))
    assert verdict.findings.wrongs == []
    assert {spell.kind for spell in RARE} <= set(verdict.fired)


def test_much_of_it_happened(verdicts: list[Verdict]) -> None:
    """Trouble of every group, and tokens that were well enough to be held against a bound."""
    fired: Counter[str] = sum((verdict.fired for verdict in verdicts), Counter())
    assert [any(fired[kind] for kind in group) for group in (DATABASE, PROCESS, CLOCK)] == [True] * 3
    assert min(verdict.findings.looks for verdict in verdicts) > 20


def test_a_stretch_is_one_story() -> None:
    """Line by line."""
    assert simulate(Setting.of(3)).lines == simulate(Setting.of(3)).lines


@pytest.fixture(scope="module")
def undisturbed() -> Figures:
    """How stale the others are without trouble."""
    return SMALL.figures(f"t{n}" for n in range(BROKEN, SMALL.tokens))


@pytest.mark.parametrize("kind", KINDS)
def test_three_quarters_that_are_broken_leave_the_others_as_fresh(undisturbed: Figures, kind: str) -> None:
    """In the mean, for 95 % of the time, and at worst, though there are fewer places than broken tokens."""
    disturbed = SMALL.figures((f"t{n}" for n in range(BROKEN, SMALL.tokens)), kind, BROKEN)
    assert max(disturbed.over(undisturbed)) <= TOLERANCE


BOUNDS = Bounds(steady_s=100.0, recovery_s=300.0)


@pytest.mark.parametrize(
    ("successes", "wrongs"),
    [
        ([Success(10, 12), Success(95, 110), Success(490, 499), Success(580, 585)], 0),
        ([Success(10, 12), Success(95, 111), Success(490, 499), Success(580, 585)], 1),  # late in its steady state
        ([Success(10, 12), Success(95, 110), Success(590, 599)], 1),  # late after its trouble
        ([Success(10, 12), Success(95, 110)], 1),  # never again
    ],
)
def test_who_is_late_is_told(successes: list[Success], wrongs: int) -> None:
    """Trouble from 190 to 250."""
    found = Findings()
    judge_token("t", successes, complement([(190.0, 250.0)], 600.0), BOUNDS, found)
    assert len(found.wrongs) == wrongs


@pytest.mark.parametrize(("beats", "wrongs"), [([60, 130, 190], 0), ([60, 131, 190], 1), ([60, 120], 1), ([], 1)])
def test_a_missing_heartbeat_is_told(beats: list[float], wrongs: int) -> None:
    """The first one, one between, the last ones, all of them."""
    found = Findings()
    judge_beats(beats, [(0.0, 250.0)], found)
    assert len(found.wrongs) == wrongs


def test_troubles_that_overlap_are_one() -> None:
    """And what is left are the times between."""
    assert complement([(5.0, 8.0), (2.0, 6.0), (20.0, 1e9)], 30.0) == [(0.0, 2.0), (8.0, 20.0)]
    assert one_after_another([]) == []
