"""A source that refuses, is away or talks nonsense: exit 1, a reason that a person can act on, the rest mirrored."""

import signal

import pytest

from syncd.emulator import mishaps
from syncd.emulator.faults import Mishap
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from tests.integration.cli.stage import BOTH, CANARY_TOKEN, FIRST, WORKSPACES, Mirror, table_cells, until_asked
from tests.processes import Outcome, Syncd
from tests.servers import unused_port

WRONG_TOKEN = "canary-7f3b9-wrong"
OTHER_TOKEN = "canary-7f3b9-other"
ROTATE = "replace the token: the API refuses it"
OTHER_API = "check [toggl] base_url and api: the answer is not what this API version gives"


def assert_failed(outcome: Outcome, result: str, reason: str) -> None:
    """Exit 1; the table has the result of acme, a line below it the reason; the log has it, too."""
    assert outcome.exit_code == 1
    assert outcome.messages == []
    assert [row[:2] for row in table_cells(outcome.stdout)] == [["acme", f"failed: {result}"]]
    assert f"acme: {reason}" in outcome.stdout.splitlines()
    assert outcome.pull()["syncd.pull.reason"] == result.replace(" ", "_")
    assert outcome.pull()["event.outcome"] == "failure"


@pytest.mark.parametrize("api", BOTH)
async def test_token_that_is_wrong(configured: Syncd, mirror: Mirror, api: str) -> None:
    """The emulator says 403, as Toggl does. The state can be asked for; nothing is tried again within the pull."""
    configured.secrets = (*configured.secrets, WRONG_TOKEN)
    configured.configure(tokens={"acme": WRONG_TOKEN})
    outcome = await configured("once")
    assert_failed(outcome, "token rejected", f"{FIRST[api]}: HTTP 403; {ROTATE}")
    assert outcome.event("syncd.token.rejected")["http.response.status_code"] == 403
    assert outcome.pull()["syncd.retries"] == 0
    assert await mirror.rows("SELECT token, status, action_required FROM toggl.sync_status") == [
        ("acme", "rejected", ROTATE)
    ]


@pytest.mark.parametrize(
    ("mishap", "result", "reason"),
    [
        pytest.param(mishaps.status(401), "token rejected", f"HTTP 401; {ROTATE}", id="401"),
        pytest.param(
            mishaps.html(),
            "contract changed",
            f"text/html instead of JSON; {OTHER_API}",
            id="HTML instead of JSON",
        ),
        pytest.param(
            mishaps.status(200, b'[{"id":777,"name":"My Com'),
            "contract changed",
            f"broken JSON, 25 bytes; {OTHER_API}",
            id="truncated JSON",
        ),
        pytest.param(
            mishaps.status(429, headers={"Retry-After": "120"}),
            "rate limited",
            "HTTP 429: too many requests; next request in 120 s",
            id="429",
        ),
    ],
)
@pytest.mark.parametrize("api", BOTH)
async def test_answer_that_cannot_be_used(
    configured: Syncd, toggl: Emulator, mirror: Mirror, api: str, mishap: Mishap, result: str, reason: str
) -> None:
    toggl.faults.add(mishap, path=WORKSPACES[api], times=None)
    assert_failed(await configured("once"), result, f"{WORKSPACES[api]}: {reason}")
    assert await mirror.rows("SELECT id FROM toggl.clients") == []


@pytest.mark.parametrize("is_away", [True, False], ids=["unreachable", "cut bodies"])
async def test_source_that_does_not_answer_in_full(configured: Syncd, toggl: Emulator, is_away: bool) -> None:
    """Tried again several times within the pull, then given up; the log tells of the last try only."""
    url = f"http://127.0.0.1:{unused_port()}" if is_away else toggl.url
    configured.configure(toggl={"base_url": url})
    toggl.faults.add(mishaps.truncate(), times=None)
    outcome = await configured("once")
    assert outcome.exit_code == 1
    fault = "ClientConnectorError: Connection refused" if is_away else "ClientPayloadError"
    (reason,) = [line for line in outcome.stdout.splitlines() if line.startswith("acme: ")]
    assert reason.startswith(f"acme: {url}/api/v9/")
    assert reason.endswith(f": no answer: {fault}; check [toggl] base_url, or try again later")
    retries = [event for event in outcome.events if event["event.action"] == "syncd.http.retry"]
    assert {event["syncd.attempt"] for event in retries} == {5}
    assert outcome.pull()["syncd.pull.reason"] == "unavailable"


async def test_ctrl_c_ends_the_wait_for_a_source(configured: Syncd, toggl: Emulator, mirror: Mirror) -> None:
    """Exit code 130 without a word; nothing is held against the token."""
    toggl.faults.add(mishaps.hang(), times=None)
    async with configured.running("once") as once:
        await until_asked(toggl)
        outcome = await once.stop(signal.SIGINT)
    assert (outcome.exit_code, outcome.stdout, outcome.messages) == (130, "", [])
    assert await mirror.rows("SELECT next_due_at <= now(), not_before FROM syncd.tokens") == [(True, None)]


async def test_the_other_tokens_are_mirrored(configured: Syncd, world: World, mirror: Mirror) -> None:
    """One bad token out of three; the failure stands first, and the sum is told."""
    configured.secrets = (*configured.secrets, WRONG_TOKEN, OTHER_TOKEN)
    world.add_user("t1", OTHER_TOKEN)
    world.create_workspace("Other workspace", workspace_id=778)
    world.share("t1", 778, admin=True)
    world.create_client(778, "Other client", client_id=5)
    configured.configure(tokens={"acme": CANARY_TOKEN, "globex": WRONG_TOKEN, "initech": OTHER_TOKEN})
    outcome = await configured("once")
    assert outcome.exit_code == 1
    assert [row[:2] for row in table_cells(outcome.stdout)] == [
        ["globex", "failed: token rejected"],
        ["acme", "changed"],
        ["initech", "changed"],
        ["3 tokens", ""],
    ]
    assert await mirror.rows("SELECT id FROM toggl.clients ORDER BY id") == [(5,), (1239455,), (1239456,)]


async def test_token_that_has_to_wait_is_not_pulled(configured: Syncd, toggl: Emulator) -> None:
    """A Retry-After outlives the process; not even --full breaks it."""
    toggl.faults.add(mishaps.status(429, headers={"Retry-After": "3000"}), times=2)
    await configured("once")
    toggl.requests.clear()
    outcome = await configured("once", "--full", "--json")
    assert outcome.exit_code == 1
    (report,) = outcome.answer
    assert (report["result"], report["reason"]) == ("failed", "parked")
    assert report["error"].startswith("Toggl asked to wait; next request in ")
    assert not toggl.requests
