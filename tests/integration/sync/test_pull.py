"""Whole pulls: a real server, a real database."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from syncd.emulator import mishaps
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.errors import ContractChanged, TogglUnavailable, TokenRejected, Unforeseen
from syncd.postgres.database import Database
from tests.integration.sync.conftest import Mirror, mirror_of
from tests.servers import serve_handler

VERSIONS = """
    SELECT name, change_kind, end_kind, is_current, valid_to IS NULL OR valid_to > valid_from
    FROM toggl.clients_history WHERE id = $1 ORDER BY valid_from"""


async def test_the_documented_account_arrives_whole(mirror: Mirror) -> None:
    """Exactly the rows of the API documentation."""
    report = await mirror.pull()
    assert (report.result, report.traffic.requests, report.row_count) == ("changed", 3, 4)
    assert await mirror.rows("SELECT id, workspace_id, name, notes FROM toggl.clients ORDER BY id") == [
        (1239455, 777, "Very Big Company", "something about the client"),
        (1239456, 777, "Small Startup", "Really cool people"),
    ]
    assert await mirror.rows("SELECT id, workspace_id, name, billable, is_private, active FROM toggl.projects "
                             "ORDER BY id") == [
        (909, 777, "Very lucrative project", False, True, True),
        (32143, 777, "Factory server infrastructure", True, True, True),
    ]  # fmt: skip


async def test_i02_the_same_answers_again_write_nothing(mirror: Mirror) -> None:
    """Neither when the digest tells, nor when everything is compared."""
    await mirror.pull()
    before = await mirror.stamps()
    again, compared = await mirror.pull(), await mirror.pull(full=True)
    assert (again.result, again.full, compared.result, compared.full) == ("unchanged", False, "unchanged", True)
    assert (compared.counts["client"].unchanged, compared.counts["project"].unchanged) == (2, 2)
    assert await mirror.stamps() == before
    assert await mirror.value("SELECT count(*) FROM syncd.client_versions") == 0
    assert await mirror.value("SELECT count(*) FROM syncd.pulls") == 1


async def test_an_unchanged_pull_proves_freshness(mirror: Mirror) -> None:
    """The token is as fresh as its last pull, whether or not it wrote."""
    await mirror.pull()
    report = await mirror.pull()
    assert await mirror.rows("SELECT status, last_success_at, rows, last_error FROM toggl.sync_status") == [
        ("ok", report.began_at, 4, None)
    ]


async def test_a_changed_row_gets_a_version(mirror: Mirror, world: World) -> None:
    """The row shows the new state, the history both, without a gap."""
    await mirror.pull()
    world.update_client(1239456, name="Big Startup")
    report = await mirror.pull()
    assert (report.result, report.counts["client"].updated, report.counts["client"].unchanged) == ("changed", 1, 1)
    assert await mirror.rows(VERSIONS, 1239456) == [
        ("Small Startup", "insert", "update", False, True),
        ("Big Startup", "update", None, True, True),
    ]
    assert (
        await mirror.value("""SELECT count(*) FROM toggl.clients_history a JOIN toggl.clients_history b
        ON a.id = b.id AND a.valid_to = b.valid_from WHERE a.id = 1239456""")
        == 1
    )


async def test_a_cleared_field_becomes_null(mirror: Mirror, world: World) -> None:
    """The record replaces the row whole: v8 leaves out what is not set."""
    await mirror.pull()
    world.update_client(1239456, notes="")
    await mirror.pull()
    assert await mirror.value("SELECT notes FROM toggl.clients WHERE id = 1239456") is None


async def test_an_archived_project_is_an_update(mirror: Mirror, world: World) -> None:
    """And no deletion: lists are asked for with `active=both`."""
    await mirror.pull()
    world.update_project(909, active=False)
    report = await mirror.pull()
    assert (report.counts["project"].updated, report.counts["project"].delete_candidates) == (1, 0)
    assert await mirror.value("SELECT active FROM toggl.projects_current WHERE id = 909") is False


async def test_what_is_absent_is_counted_and_kept(mirror: Mirror, world: World) -> None:
    """Absence is no proof."""
    await mirror.pull()
    world.delete_project(909)
    report, again = await mirror.pull(), await mirror.pull()
    assert (report.counts["project"].delete_candidates, again.counts["project"].delete_candidates) == (1, 1)
    assert (again.full, again.counts["project"].deleted) == (True, 0)
    assert await mirror.value("SELECT count(*) FROM toggl.projects_current") == 2


async def test_a_deleted_client_empties_its_projects_without_touching_their_at(mirror: Mirror, world: World) -> None:
    """Content is compared, not only `at`."""
    await mirror.pull()
    before = await mirror.value("SELECT at FROM toggl.projects WHERE id = 909")
    world.delete_client(1239455)
    await mirror.pull()
    assert await mirror.rows("SELECT client_id, at FROM toggl.projects WHERE id = 909") == [(None, before)]


async def test_rates_of_paid_workspaces(mirror: Mirror, world: World) -> None:
    """Exact amounts, and the rate that applies to a project."""
    world.update_workspace(777, premium=True)
    world.update_client(1239455, hrate=0.1, cur="EUR")
    await mirror.pull()
    assert await mirror.value("SELECT hourly_rate FROM toggl.clients WHERE id = 1239455") == Decimal("0.1")
    assert await mirror.rows("SELECT effective_rate, effective_currency FROM toggl.projects_enriched WHERE id = 909") \
        == [(Decimal("0.1"), "EUR")]  # fmt: skip


async def test_a_first_rejection_costs_a_minute_whatever_failed_before(mirror: Mirror, emulator: Emulator) -> None:
    """Hours of 5xx and then one 401 are no long rejection; one that lasts is asked about ever less often."""
    await mirror.pull()
    await mirror.rows("UPDATE syncd.tokens SET failures = 50, status = 'failed', status_since = now() - interval '5 h'")
    held = "SELECT round(extract(epoch FROM not_before - now()) / 60)::integer FROM syncd.tokens"
    emulator.faults.add(mishaps.status(401), path="/api/v8/workspaces", times=2)
    await mirror.pull()
    assert await mirror.value(held) == 1
    await mirror.rows("UPDATE syncd.tokens SET not_before = NULL, status_since = now() - interval '30 min'")
    await mirror.pull()
    assert await mirror.value(held) == 30


@pytest.mark.parametrize("mishap", [mishaps.status(403), mishaps.status(401)], ids=["403", "401"])
async def test_a_rejected_token_says_so_until_it_recovers(mirror: Mirror, emulator: Emulator, mishap: Any) -> None:
    """Its rows stay; a person is asked to act; a later success clears it all."""
    await mirror.pull()
    emulator.faults.add(mishap, path="/api/v8/workspaces")
    report = await mirror.pull()
    assert (report.result, report.reason, type(report.error)) == ("failed", "token_rejected", TokenRejected)
    ((status, action, error, due),) = await mirror.rows(
        "SELECT status, action_required, last_error, next_due_at > now() + interval '50 s' FROM toggl.sync_status"
    )
    assert (status, bool(action), "HTTP 40" in error, due) == ("rejected", True, True, True)
    assert await mirror.value("SELECT count(*) FROM toggl.clients_current") == 2
    await mirror.pull()
    assert await mirror.rows("SELECT status, action_required, last_error FROM toggl.sync_status") == [
        ("ok", None, None)
    ]


@pytest.mark.parametrize(
    "mishap", [mishaps.html(), mishaps.wrong_type(), mishaps.status(200, b'[{"id": 1, "na')], ids=lambda m: m.label
)
async def test_an_unreadable_answer_fails_the_pull_and_changes_nothing(
    mirror: Mirror, emulator: Emulator, mishap: Any
) -> None:
    """Wherever it comes."""
    await mirror.pull()
    before = await mirror.stamps()
    for path in ("/api/v8/workspaces", "/api/v8/clients", "/api/v8/workspaces/777/projects"):
        emulator.faults.add(mishap, path=path)
        report = await mirror.pull()
        assert (report.result, type(report.error)) == ("failed", ContractChanged)
    assert await mirror.stamps() == before


async def test_a_long_retry_after_parks_the_token(mirror: Mirror, emulator: Emulator) -> None:
    """In the database, so that a restart honours it."""
    emulator.faults.add(mishaps.status(429, headers={"Retry-After": "900"}))
    report = await mirror.pull()
    assert (report.result, report.reason) == ("failed", "rate_limited")
    held = await mirror.registry.held(["t0"])
    assert 800 < held["t0"] <= 900
    assert await mirror.registry.due([], 10, 10) == {}
    assert await mirror.value("SELECT status FROM toggl.sync_status") == "rate_limited"


async def test_a_pull_that_takes_too_long_ends(
    database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World
) -> None:
    """With a report like any other failure."""
    mirror = await mirror_of(
        database, session, emulator.url, dict(world.tokens), pull_timeout=timedelta(milliseconds=300)
    )
    emulator.faults.add(mishaps.hang())
    report = await mirror.pull()
    assert (report.result, type(report.error)) == ("failed", TogglUnavailable)
    assert "0:00:00.300000" in str(report.error)


async def test_an_interrupted_pull_is_due_again_at_once(mirror: Mirror, emulator: Emulator) -> None:
    """A shutdown holds nothing against the token."""
    fault = emulator.faults.add(mishaps.hang())
    pull = asyncio.create_task(mirror.pull())
    while not fault.fired:  # noqa: ASYNC110 - the emulator runs in this loop, and has no event to wait for
        await asyncio.sleep(0)
    pull.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pull
    assert await mirror.registry.due([], 10, 10) == {"t0": False}
    assert await mirror.value("SELECT status FROM toggl.sync_status") == "late"


async def test_a_mistake_of_ours_ends_one_pull(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported with its cause, and the token's next turn comes as usual."""

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("syncd.sync.apply.plan_workspace", broken)
    report = await mirror.pull()
    assert (report.result, type(report.error)) == ("failed", Unforeseen)
    assert isinstance(report.error.__cause__ if report.error else None, ZeroDivisionError)
    assert await mirror.value("SELECT status FROM toggl.sync_status") == "failed"
    assert await mirror.value("SELECT count(*) FROM toggl.clients") == 0


async def test_a_server_that_serves_the_documentation_to_the_letter(
    database: Database, session: aiohttp.ClientSession
) -> None:
    """No list of workspaces, none of their projects, and projects that name a client nobody lists (987)."""
    clients = [
        {"id": 1239455, "wid": 777, "name": "Very Big Company", "at": "2013-02-26T08:55:28+00:00"},
        {"id": 1239456, "wid": 777, "name": "Small Startup", "at": "2013-03-26T08:55:28+00:00"},
    ]
    projects = [{"id": 909, "wid": 777, "cid": 987, "name": "Very lucrative project", "billable": False,
                 "is_private": True, "active": True, "at": "2013-03-06T09:15:18+00:00"}]  # fmt: skip

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/api/v8/clients":
            return web.json_response(clients)
        if request.path == "/api/v8/clients/1239455/projects":
            return web.json_response(projects)
        if request.path == "/api/v8/clients/1239456/projects":
            return web.json_response(None)
        return web.Response(status=404)

    async with serve_handler(handler) as url:
        mirror = await mirror_of(database, session, url, {"t0": "x"})
        report = await mirror.pull()
    assert (report.result, report.counts["client"].stubs, report.counts["project"].inserted) == ("changed", 1, 1)
    assert await mirror.rows("SELECT id, name, _is_stub FROM toggl.workspaces") == [(777, None, True)]
    assert await mirror.rows("SELECT id, _is_stub FROM toggl.clients ORDER BY id") == [
        (987, True), (1239455, False), (1239456, False),
    ]  # fmt: skip
    assert await mirror.value("SELECT count(*) FROM toggl.clients_current") == 2
    assert await mirror.rows("SELECT id, client_id, client_name FROM toggl.projects_enriched") == [(909, 987, None)]
