"""What a person decides and looks into: held-back deletions, quarantine, drift."""

import pytest

from syncd.emulator import mishaps
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from tests.integration.cli.stage import CANARY_TOKEN, Mirror
from tests.processes import Syncd

CLIENTS = 8


@pytest.fixture
def at_once(syncd: Syncd, toggl: Emulator, mirror: Mirror, world: World) -> Syncd:
    """A configuration that deletes without waiting, and a source with enough clients for the guard to object."""
    for number in range(CLIENTS):
        world.create_client(777, f"Client {number}", client_id=500 + number)
    syncd.configure(
        database={"url": mirror.url},
        toggl={"base_url": toggl.url, "requests_per_second": 0},
        tokens={"acme": CANARY_TOKEN},
        **{"sync.deletes": {"min_age": "0s"}},
    )
    return syncd


async def live(mirror: Mirror) -> int:
    ((count,),) = await mirror.rows("SELECT count(*) FROM toggl.clients_current")
    return int(count)


async def test_held_back_deletions_wait_for_an_approval(at_once: Syncd, world: World, mirror: Mirror) -> None:
    """list shows them, approve lets them go at the next pull, and nothing else does."""
    await at_once("once")
    for number in range(CLIENTS):
        world.delete_client(500 + number)
    await at_once("once")
    outcome = await at_once("once")
    assert outcome.exit_code == 0
    assert outcome.event("syncd.delete.blocked")["syncd.count"] == CLIENTS
    (held,) = (await at_once("deletes", "list", "--json")).answer
    assert set(held) == {"hash", "token", "workspace_id", "resource", "ids", "live", "reason", "since"}
    assert (held["token"], held["workspace_id"], held["resource"]) == ("acme", 777, "client")
    assert (held["ids"], held["live"]) == ([500 + number for number in range(CLIENTS)], CLIENTS + 2)
    assert held["hash"] in (await at_once("deletes", "list")).stdout
    refused = await at_once("deletes", "approve", "0" * 12)
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    approved = await at_once("deletes", "approve", held["hash"])
    assert (approved.exit_code, held["hash"] in approved.stdout) == (0, True)
    assert await live(mirror) == CLIENTS + 2
    applied = await at_once("once")
    assert applied.event("syncd.delete.applied")["syncd.ids"] == held["ids"]
    assert await live(mirror) == 2
    assert (await at_once("deletes", "list")).stdout == "nothing is held back\n"


async def test_a_rejection_keeps_the_rows(at_once: Syncd, world: World, mirror: Mirror) -> None:
    """And the status is well again."""
    await at_once("once")
    for number in range(CLIENTS):
        world.delete_client(500 + number)
    await at_once("once")
    await at_once("once")
    assert (await at_once("status", "--json")).answer["tokens"][0]["status"] == "deletes_blocked"
    assert (await at_once("deletes", "reject", "--all")).exit_code == 0
    await at_once("once")
    assert (await at_once("status", "--json")).answer["tokens"][0]["status"] == "ok"
    assert await live(mirror) == CLIENTS + 2


@pytest.mark.parametrize("words", [("approve",), ("approve", "--all", "0" * 12), ("reject",)])
async def test_a_decision_needs_hashes_or_all(at_once: Syncd, words: tuple[str, ...]) -> None:
    """One line, exit 2."""
    outcome = await at_once("deletes", *words)
    assert (outcome.exit_code, len(outcome.stderr.splitlines())) == (2, 1)


async def test_a_malformed_record_can_be_looked_at_and_leaves_by_itself(configured: Syncd, toggl: Emulator) -> None:
    """`quarantine list` shows what came and why it could not be stored."""
    broken = b'[{"id": 5, "wid": 777, "name": "no time"}]'
    toggl.faults.add(mishaps.status(200, broken), path="/api/v9/workspaces/777/clients")
    outcome = await configured("once")
    assert (outcome.exit_code, outcome.pull()["syncd.client.quarantined"]) == (0, 1)
    (row,) = (await configured("quarantine", "list", "--json")).answer
    assert (row["token"], row["resource"], row["key"], row["reason"]) == ("acme", "client", "5", "malformed")
    assert "no time" in row["body"]
    assert "malformed" in (await configured("quarantine", "list")).stdout
    assert "acme" in (await configured("quarantine", "retry")).stdout
    await configured("once")
    assert (await configured("quarantine", "list")).stdout == "nothing is in quarantine\n"


async def test_verify_finds_what_was_changed_behind_our_back(configured: Syncd, mirror: Mirror) -> None:
    """It names price, rows and columns, and writes nothing; --repair mends what a pull can mend."""
    await configured("once")
    clean = await configured("verify")
    assert (clean.exit_code, clean.stdout.splitlines()[-1]) == (0, "4 rows compared, 0 differ")
    assert "3 requests" in clean.stdout
    await mirror.do("UPDATE toggl.clients SET name = 'tampered' WHERE id = 1239456")
    await mirror.do("DELETE FROM toggl.projects WHERE id = 909")
    marks = await mirror.marks()
    found = await configured("verify", "--json")
    assert found.exit_code == 1
    drift = {(d["kind"], d["resource"], d["id"]): d["columns"] for d in found.answer["drift"]}
    assert drift == {
        ("differs", "client", 1239456): {"name": ["tampered", "Small Startup"]},
        ("missing", "project", 909): {},
    }
    assert await mirror.marks() == marks
    assert "tampered" in (await configured("verify")).stdout
    repaired = await configured("verify", "--repair")
    assert (repaired.exit_code, repaired.stdout.splitlines()[-1]) == (0, "4 rows compared, 0 differ, 2 repaired")
    assert (await configured("verify")).exit_code == 0


async def test_verify_tells_a_row_that_nobody_sees(configured: Syncd, world: World) -> None:
    """Here a deletion that is not confirmed yet."""
    await configured("once")
    world.delete_project(909)
    found = await configured("verify", "--json")
    assert (found.exit_code, [(d["kind"], d["id"]) for d in found.answer["drift"]]) == (1, [("surplus", 909)])


async def test_verify_says_which_token_could_not_be_asked(configured: Syncd, toggl: Emulator) -> None:
    """Its rows were not compared, so all is not well."""
    await configured("once")
    toggl.faults.add(mishaps.status(403), times=None)
    outcome = await configured("verify")
    assert (outcome.exit_code, "acme: not compared" in outcome.stdout) == (1, True)


async def test_verify_asks_nothing_of_a_source_that_asked_to_wait(
    configured: Syncd, mirror: Mirror, toggl: Emulator
) -> None:
    """Whichever process it asked: the row of the token knows."""
    await configured("once")
    await mirror.do("UPDATE syncd.tokens SET not_before = now() + interval '1 hour'")
    before = toggl.requests.total()
    outcome = await configured("verify", "--repair")
    assert (outcome.exit_code, toggl.requests.total() - before) == (1, 0)
    assert "acme: not compared: Toggl asked to wait; next request in 3" in outcome.stdout


async def test_verify_leaves_word_of_a_wait_that_it_was_asked_for(configured: Syncd, toggl: Emulator) -> None:
    """The next process keeps to it."""
    await configured("once")
    toggl.faults.add(mishaps.status(429, headers={"Retry-After": "3600"}), times=None)
    assert "acme: not compared" in (await configured("verify")).stdout
    before = toggl.requests.total()
    assert ((await configured("once")).exit_code, toggl.requests.total() - before) == (1, 0)


async def test_resync_compares_everything(configured: Syncd) -> None:
    """The next pull, though the answers are the same."""
    await configured("once")
    assert not (await configured("once")).pull()["syncd.pull.full"]
    assert (await configured("resync", "--token", "acme")).exit_code == 0
    assert (await configured("once")).pull()["syncd.pull.full"]
    unknown = await configured("resync", "--token", "nobody")
    assert (unknown.exit_code, len(unknown.stderr.splitlines())) == (2, 1)
