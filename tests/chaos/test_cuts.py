"""The connection to PostgreSQL breaks at a message of the protocol: at every single one, or at a sample of them.

What must hold at each: after the cut every workspace is as before or as after, never between, and the token's success
is noted only if all its rows are there. After one more pull the mirror equals the source, with one version per change.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from random import Random

import pytest
import pytest_asyncio

from syncd.sync.report import PullReport
from tests.chaos.kit import DATABASE_ATTEMPTS, IS_DEEP, Databases
from tests.chaos.proxy import Cut, Proxy, When, all_cuts
from tests.chaos.stages import Stage, staged

SAMPLE = {"first": 2, "changes": 8, "unchanged": 3}
"""Cuts of each scenario where not all are made; those around commits come on top."""

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1800 if IS_DEEP else 120)]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SAMPLE)
async def stage(request: pytest.FixtureRequest, databases: Databases, migrated_template: str) -> AsyncIterator[Stage]:
    async with staged(request.param, databases, migrated_template) as stage:
        yield stage


def cuts_of(stage: Stage, *whens: When) -> Sequence[Cut]:
    """All cuts of the pull, or an even sample and what is cut around commits."""
    cuts = all_cuts(stage.messages["frontend"], stage.messages["backend"], whens)
    if IS_DEEP:
        return cuts
    around = [Cut("frontend", number, when) for number in stage.commits for when in whens]
    return list(dict.fromkeys([*cuts[:: len(cuts) // SAMPLE[stage.name]], *around]))


async def survive(stage: Stage, tally: Counter[str], *cuts: Cut) -> None:
    """Pull with cuts, one per pull, then once without, and judge every moment between."""
    async with stage.databases.copy(stage.before) as url:
        async with Proxy(url) as proxy:
            for nth, cut in enumerate(cuts):
                proxy.arm(cut)
                report = await stage.source.pull(proxy.url)
                was_made = not proxy.unmade
                # After the first cut so much may be done already that the next pull has less to say.
                assert was_made or (nth and report and report.is_fresh), f"never due in {stage.name}: {cut}"
                await stage.databases.backends_gone(url)
                if was_made:
                    tally["cuts"] += 1
                    await judge(stage, tally, url, cut, report)
        await stage.recover(url)
        await stage.assert_done(url)


async def judge(stage: Stage, tally: Counter[str], url: str, cut: Cut, report: PullReport | None) -> None:
    """The moment after a cut, against what the client believes."""
    done, is_noted = await stage.done(url, cut)
    believed = 0 if report is None else report.workspaces
    if report is not None and report.is_fresh:
        assert is_noted, f"a success that is not noted: {cut}"
        tally["pulls that mended themselves"] += 1
    elif report is not None:
        assert report.reason == "database", f"the cut is taken for something else: {cut}: {report.error!r}"
    if is_noted and (report is None or not report.is_fresh):
        tally["noted, though the client saw an error"] += 1
    if stage.name != "unchanged":
        assert done >= believed, f"what was reported as applied is not there: {cut}"
        if done > believed and (report is None or not report.is_fresh):
            tally["committed, though the client saw an error"] += 1


def tell(stage: Stage, tally: Counter[str], how: str) -> None:
    counts = ", ".join(f"{number} {name}" for name, number in sorted(tally.items()))
    print(f"\n{stage.name} pull, {stage.messages['frontend']} + {stage.messages['backend']} messages, {how}: {counts}")


async def test_i10_a_cut_at_any_message_harms_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is tried once only, so that a cut ends the pull."""
    monkeypatch.setattr(DATABASE_ATTEMPTS, 1)
    tally: Counter[str] = Counter()
    for cut in cuts_of(stage, "before", "after"):
        await survive(stage, tally, cut)
    tell(stage, tally, "tried once")
    assert stage.name == "unchanged" or tally["committed, though the client saw an error"]


async def test_i10_trying_again_after_a_cut_harms_nothing(stage: Stage) -> None:
    """Within a workspace's transaction the pull mends itself."""
    tally: Counter[str] = Counter()
    for cut in cuts_of(stage, "after"):
        await survive(stage, tally, cut)
    tell(stage, tally, "with retries")
    assert stage.name == "unchanged" or tally["pulls that mended themselves"] > tally["cuts"] / 4


@pytest.mark.parametrize("stage", ["changes"], indirect=True)
async def test_i10_cuts_during_the_recovery_harm_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pull after a cut is cut, too, and the one after that."""
    monkeypatch.setattr(DATABASE_ATTEMPTS, 1)
    dice, tally = Random(20240506), Counter[str]()
    cuts = all_cuts(stage.messages["frontend"], stage.messages["backend"], ("before", "after"))
    for _ in range(300 if IS_DEEP else 5):
        await survive(stage, tally, *dice.choices(cuts, k=dice.choice((2, 2, 3))))
    tell(stage, tally, "again and again")
