"""`syncd once` from end to end: the rows of the source arrive, and stay untouched until they change."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from syncd.emulator.model import World
from syncd.emulator.seed import DOCUMENTED_TOKEN
from tests.integration.cli.stage import BOTH, CANARY_TOKEN, Calendar, Mirror, pull_rows
from tests.processes import Syncd

CLIENTS = """SELECT id, workspace_id, name, notes, hourly_rate, currency, at, deleted_at
             FROM toggl.clients ORDER BY id"""
PROJECTS = """SELECT id, workspace_id, client_id, name, active, is_private, billable, rate, at, deleted_at
              FROM toggl.projects ORDER BY id"""
COMPANY, STARTUP, LUCRATIVE, FACTORY, RETIRED = 1239455, 1239456, 909, 32143, 910
COMPANY_ROW = (
    COMPANY, 777, "Very Big Company", "something about the client", None, None,
    datetime(2013, 2, 26, 8, 55, 28, tzinfo=UTC), None,
)  # fmt: skip
STARTUP_ROW = (
    STARTUP, 777, "Small Startup", "Really cool people", None, None,
    datetime(2013, 3, 26, 8, 55, 28, tzinfo=UTC), None,
)  # fmt: skip
LUCRATIVE_ROW = (
    LUCRATIVE, 777, COMPANY, "Very lucrative project", True, True, False, None,
    datetime(2013, 3, 6, 9, 15, 18, tzinfo=UTC), None,
)  # fmt: skip
FACTORY_ROW = (
    FACTORY, 777, COMPANY, "Factory server infrastructure", True, True, True, None,
    datetime(2013, 3, 6, 9, 16, 6, tzinfo=UTC), None,
)  # fmt: skip


@pytest.mark.parametrize("api", BOTH)
async def test_documented_rows_come_from_an_emulator_process(syncd: Syncd, mirror: Mirror, api: str) -> None:
    """Two processes and a database: what the API's documentation shows is what SQL shows, and nothing else."""
    async with syncd.running("emulate", "--documented", "--json") as emulate:
        url = (await emulate.line("{")).split('"')[3]
        syncd.configure(
            database={"url": mirror.url}, toggl={"base_url": url, "api": api}, tokens={"acme": DOCUMENTED_TOKEN}
        )  # paced, as by default
        outcome = await syncd("once")
    assert outcome.exit_code == 0
    assert await mirror.rows("SELECT id, name, deleted_at, _is_stub FROM toggl.workspaces") == [
        (777, "My Company Inc", None, False)
    ]
    assert await mirror.rows(CLIENTS) == [COMPANY_ROW, STARTUP_ROW]
    assert await mirror.rows("SELECT DISTINCT archived FROM toggl.clients") == [(None if api == "v8" else False,)]
    assert await mirror.rows(PROJECTS) == [LUCRATIVE_ROW, FACTORY_ROW]
    requests = "3" if api == "v8" else "4"  # v9 has quotas, and the first pull asks whose
    assert pull_rows(outcome.stdout) == [["acme", "changed", "4", "4", "0", "0", "0", requests]]


@pytest.mark.parametrize("api", BOTH)
async def test_archived_project_is_mirrored(
    configured: Syncd, world: World, calendar: Calendar, mirror: Mirror
) -> None:
    """It is as live as any other, only not active."""
    world.create_project(777, "Retired project", COMPANY, project_id=RETIRED, active=False, rate=12.5)
    assert (await configured("once")).exit_code == 0
    retired = (
        RETIRED, 777, COMPANY, "Retired project", False, True, False, Decimal("12.5000"), calendar.present, None,
    )  # fmt: skip
    assert await mirror.rows(PROJECTS) == [LUCRATIVE_ROW, retired, FACTORY_ROW]


async def test_json_has_the_facts_of_the_table(configured: Syncd) -> None:
    outcome = await configured("once", "--json")
    (report,) = outcome.answer
    assert report.pop("seconds") > 0
    assert report == {
        "token": "acme",
        "result": "changed",
        "reason": None,
        "error": None,
        "workspaces": 1,
        "rows": 4,
        "inserted": 4,
        "updated": 0,
        "deleted": 0,
        "quarantined": 0,
        "requests": 4,
    }


async def test_the_same_answers_again_write_nothing(configured: Syncd, mirror: Mirror) -> None:
    """Neither a row nor a version; not even where everything is compared."""
    await configured("once")
    before = await mirror.marks()
    assert len(before) == 5

    again = await configured("once")
    assert again.exit_code == 0
    assert await mirror.marks() == before
    assert again.pull()["syncd.pull.result"] == "unchanged"
    assert not again.pull()["syncd.pull.full"]
    assert pull_rows(again.stdout) == [["acme", "unchanged", "4", "0", "0", "0", "0", "3"]]

    full = await configured("once", "--full")
    assert full.exit_code == 0
    assert await mirror.marks() == before
    pull = full.pull()
    assert (pull["syncd.pull.result"], pull["syncd.pull.full"]) == ("unchanged", True)
    assert (pull["syncd.client.unchanged"], pull["syncd.project.unchanged"]) == (2, 2)

    assert await mirror.rows("SELECT id FROM syncd.client_versions") == []
    assert await mirror.rows("SELECT id FROM syncd.project_versions") == []
    assert await mirror.rows("SELECT count(*) FROM syncd.pulls") == [(1,)]


async def test_full_heals_an_edit_behind_its_back(configured: Syncd, mirror: Mirror) -> None:
    """The source did not change, so only a comparison of everything can notice."""
    for _ in range(2):
        await configured("once")
    await mirror.do("UPDATE toggl.clients SET name = 'tampered' WHERE id = 1239456")
    assert (await configured("once")).pull()["syncd.pull.result"] == "unchanged"
    assert (await configured("once", "--full")).pull()["syncd.client.updated"] == 1
    assert await mirror.rows(CLIENTS) == [COMPANY_ROW, STARTUP_ROW]


@pytest.mark.parametrize("api", BOTH)
async def test_edits_arrive_and_leave_versions(
    configured: Syncd, world: World, calendar: Calendar, mirror: Mirror, api: str
) -> None:
    """Rename, cleared notes, a rate (which v9 does not show), an archived project, new rows: each is one new version of
    one row."""
    await configured("once")
    calendar.pass_time()
    world.update_client(COMPANY, name="Very Big Company Ltd", hrate=12.5, cur="AUD")
    world.update_client(STARTUP, notes=None)
    world.update_project(LUCRATIVE, active=False)
    newcomer = world.create_client(777, "Newcomer", client_id=1239457)
    world.create_project(777, "First project", newcomer.id, project_id=40000)
    edited_at = calendar.present

    outcome = await configured("once")
    assert pull_rows(outcome.stdout) == [["acme", "changed", "6", "2", "3", "0", "0", "3"]]
    rate = (Decimal("12.5000"), "AUD") if api == "v8" else (None, None)
    company = (COMPANY, 777, "Very Big Company Ltd", "something about the client", *rate, edited_at, None)
    startup = (STARTUP, 777, "Small Startup", None, None, None, edited_at, None)
    new_client = (newcomer.id, 777, "Newcomer", None, None, None, edited_at, None)
    assert await mirror.rows(CLIENTS) == [company, startup, new_client]
    lucrative = (*LUCRATIVE_ROW[:4], False, True, False, None, edited_at, None)
    new_project = (40000, 777, newcomer.id, "First project", True, True, False, None, edited_at, None)
    assert await mirror.rows(PROJECTS) == [lucrative, FACTORY_ROW, new_project]

    assert await versions(mirror, "clients") == {
        COMPANY: [("Very Big Company", "insert", "update"), ("Very Big Company Ltd", "update", None)],
        STARTUP: [("Small Startup", "insert", "update"), ("Small Startup", "update", None)],
        newcomer.id: [("Newcomer", "insert", None)],
    }
    assert await versions(mirror, "projects") == {
        LUCRATIVE: [("Very lucrative project", "insert", "update"), ("Very lucrative project", "update", None)],
        FACTORY: [("Factory server infrastructure", "insert", None)],
        40000: [("First project", "insert", None)],
    }


async def test_two_edits_within_one_second_both_arrive(
    configured: Syncd, world: World, calendar: Calendar, mirror: Mirror
) -> None:
    """The source's times have whole seconds: an equal `at` does not mean equal content."""
    await configured("once")
    calendar.pass_time()
    for name in ("First name", "Second name"):
        world.update_client(STARTUP, name=name)
        pull = (await configured("once")).pull()
        assert (pull["syncd.client.updated"], pull["syncd.client.unchanged"], pull["syncd.client.stale"]) == (1, 1, 0)
    assert (await mirror.rows(CLIENTS))[1] == (
        STARTUP, 777, "Second name", "Really cool people", None, None, calendar.present, None,
    )  # fmt: skip
    assert (await versions(mirror, "clients"))[STARTUP] == [
        ("Small Startup", "insert", "update"),
        ("First name", "update", "update"),
        ("Second name", "update", None),
    ]


@pytest.mark.parametrize("api", BOTH)
async def test_deleted_client_is_only_counted(configured: Syncd, world: World, mirror: Mirror) -> None:
    """Absence alone proves nothing: the row stays live. Its projects say themselves that they lost their client."""
    await configured("once")
    world.delete_client(COMPANY)
    pull = (await configured("once")).pull()
    assert (pull["syncd.client.delete_candidates"], pull["syncd.client.fetched"]) == (1, 1)
    assert (pull["syncd.project.delete_candidates"], pull["syncd.project.updated"]) == (0, 2)
    assert await mirror.rows(CLIENTS) == [COMPANY_ROW, STARTUP_ROW]
    assert [row[2] for row in await mirror.rows(PROJECTS)] == [None, None]
    assert (await versions(mirror, "clients"))[COMPANY] == [("Very Big Company", "insert", None)]


async def test_malformed_record_does_not_stop_its_neighbours(configured: Syncd, world: World, mirror: Mirror) -> None:
    """It is put aside and told of; mended at the source, it is released."""
    world.update_project(FACTORY, rate=-5.0)
    outcome = await configured("once")
    assert outcome.exit_code == 0
    assert outcome.event("syncd.record.quarantined")["syncd.record.id"] == FACTORY
    assert [row[0] for row in await mirror.rows(PROJECTS)] == [LUCRATIVE]
    assert pull_rows(outcome.stdout)[0][:7] == ["acme", "partial: rejects", "3", "3", "0", "0", "1"]

    world.update_project(FACTORY, rate=5.0)
    assert (await configured("once")).event("syncd.record.released")["syncd.record.id"] == FACTORY
    assert [row[0] for row in await mirror.rows(PROJECTS)] == [LUCRATIVE, FACTORY]


async def test_only_the_named_token_is_pulled(configured: Syncd, world: World, mirror: Mirror) -> None:
    """The others stay as they were, and a name that is not configured is a mistake."""
    world.add_user("t1", "canary-7f3b9-second")
    configured.configure(tokens={"acme": CANARY_TOKEN, "globex": "canary-7f3b9-second", "umbrella": "x" * 9})
    outcome = await configured("once", "--json", "--token", "globex", "--token", "acme")
    assert outcome.exit_code == 0
    assert [report["token"] for report in outcome.answer] == ["globex", "acme"]
    assert await mirror.rows("SELECT name FROM syncd.tokens WHERE last_attempt_at IS NULL") == [("umbrella",)]


async def versions(mirror: Mirror, relation: str) -> dict[int, list[tuple[Any, ...]]]:
    """id -> (name, change_kind, end_kind) of its versions, once it is sure that they follow one another."""
    query = f"""SELECT id, name, change_kind, end_kind, valid_from, valid_to, is_current
                FROM toggl.{relation}_history ORDER BY id, valid_from"""
    found: dict[int, list[tuple[Any, ...]]] = {}
    ends: dict[int, object] = {}
    for id_, name, change_kind, end_kind, valid_from, valid_to, is_current in await mirror.rows(query):
        assert ends.get(id_, valid_from) == valid_from, "a gap, or versions that overlap"
        assert is_current == (valid_to is None) == (end_kind is None)
        ends[id_] = valid_to
        found.setdefault(id_, []).append((name, change_kind, end_kind))
    live = await mirror.rows(f"SELECT id FROM toggl.{relation} WHERE deleted_at IS NULL")
    assert {id_ for id_, end in ends.items() if end is None} == {id_ for (id_,) in live}
    return found
