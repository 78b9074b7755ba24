"""Tags by the commands: asked for by one line of the configuration."""

from datetime import timedelta

import pytest

from syncd.emulator import mishaps
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from tests.integration.cli.stage import BOTH, CANARY_TOKEN, Calendar, Mirror, pull_rows
from tests.processes import Syncd

EVERYTHING = {"interval": "1s", "resources": ["clients", "projects", "tags"]}


@pytest.fixture
def tagged(syncd: Syncd, toggl: Emulator, world: World, mirror: Mirror, api: str) -> Syncd:
    """Mirrors tags, of which there are two."""
    world.create_tag(777, "billed", tag_id=151285)
    world.create_tag(777, "urgent", tag_id=151286, creator_id=9)
    syncd.configure(
        database={"url": mirror.url},
        toggl={"base_url": toggl.url, "requests_per_second": 0, "api": api},
        sync=EVERYTHING,
        tokens={"acme": CANARY_TOKEN},
    )
    return syncd


@pytest.mark.parametrize("api", BOTH)
async def test_tags_come_with_the_rest(tagged: Syncd, mirror: Mirror, api: str) -> None:
    """Rows, the table of the command, its price, and the line of the pull."""
    checked = await tagged("check")
    assert "a pull needs at least 4 requests" in checked.stdout
    outcome = await tagged("once")
    assert (outcome.exit_code, pull_rows(outcome.stdout)[0][2:4]) == (0, ["6", "6"])
    creator = None if api == "v8" else 9
    assert await mirror.rows("SELECT id, name, creator_id FROM toggl.tags_current ORDER BY id") == [
        (151285, "billed", None), (151286, "urgent", creator)]  # fmt: skip
    line = outcome.event("syncd.pull.finish")
    assert (line["syncd.tag.inserted"], line["syncd.tag.complete"], line["syncd.written"]) == (2, True, 6)


async def test_verify_and_quarantine_know_tags(
    tagged: Syncd, mirror: Mirror, toggl: Emulator, world: World, calendar: Calendar
) -> None:
    """A tag that was changed behind our back is found and mended; one that cannot be read is put aside."""
    assert (await tagged("once")).exit_code == 0
    await mirror.do("UPDATE toggl.tags SET name = 'tampered' WHERE id = 151285")
    found = await tagged("verify")
    assert (found.exit_code, "tampered" in found.stdout) == (1, True)
    assert (await tagged("verify", "--repair")).exit_code == 0
    calendar.present += timedelta(minutes=1)
    world.update_tag(151286, name="later")
    body = b'[{"id": 151285, "workspace_id": 777, "name": 7, "at": "2024-05-01T10:00:00Z"}]'
    toggl.faults.add(mishaps.status(200, body), path="/api/v9/workspaces/777/tags", times=None)
    outcome = await tagged("once")
    assert outcome.event("syncd.pull.finish")["syncd.pull.result"] == "partial"
    listed = await tagged("quarantine", "list", "--json")
    assert ('"resource": "tag"' in listed.stdout, '"key": "151285"' in listed.stdout) == (True, True)


async def test_a_pull_without_tags_has_no_such_fields(configured: Syncd, world: World, toggl: Emulator) -> None:
    """What is not mirrored is not told of, nor asked for."""
    world.create_tag(777, "billed")
    line = (await configured("once")).event("syncd.pull.finish")
    assert [name for name in line if name.startswith("syncd.tag.")] == []
    assert [request.path_qs for request in toggl.log if "tags" in request.path_qs] == []
