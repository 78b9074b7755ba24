"""API v9 over HTTP: headers, refusals and limits as a plain client meets them. What calls do is tested without it."""

from typing import Any

import aiohttp
import jsonschema
import pytest

from syncd.emulator.limits import Bucket, Limits, plan
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.emulator.switches import Switches
from tests.integration.emulator.conftest import Caller

AT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$"}
PROJECT = {
    "type": "object",
    "properties": {
        "at": AT,
        "created_at": AT,
        "color": {"pattern": "^#[0-9a-f]{6}$"},
        "server_deleted_at": {"const": None},
    },
    "required": ["id", "workspace_id", "client_id", "at", "server_deleted_at", "color", "rate", "status", "wid", "cid"],
}


class V9(Caller):
    """A caller of v9."""

    prefix = "/api/v9"


@pytest.fixture
def v9(session: aiohttp.ClientSession, emulator: Emulator) -> V9:
    return V9(session, emulator)


async def test_both_versions_serve_one_world(call: Any, v9: V9, emulator: Emulator) -> None:
    """A client is made by v9, read by v8, deleted by v8, and gone in v9; counts name the version."""
    made = await v9("POST", "/workspaces/777/clients", json={"name": "Neu"})
    assert (made.status, made.json["wid"], made.headers["Content-Type"]) == (
        200,
        777,
        "application/json; charset=utf-8",
    )
    assert made.json["id"] in [row["id"] for row in (await call("GET", "/clients")).json]
    assert (await call("DELETE", f"/clients/{made.json['id']}")).status == 200
    gone = await v9("GET", f"/workspaces/777/clients/{made.json['id']}")
    assert (gone.status, gone.json) == (404, f"No client with ID {made.json['id']} was found")
    assert emulator.requests["/api/v9/workspaces/{wid}/clients/{client_id}"] == 1
    assert emulator.requests["/api/v8/clients/{client_id}"] == 1


async def test_projects_of_the_documented_world(v9: V9) -> None:
    got = await v9("GET", "/workspaces/777/projects?active=both")
    jsonschema.validate(got.json, {"type": "array", "items": PROJECT, "minItems": 2, "maxItems": 2})
    assert "X-Toggl-Quota-Remaining" not in got.headers


async def test_who_sends_no_credentials_is_told_so(session: aiohttp.ClientSession, emulator: Emulator) -> None:
    async with session.get(f"{emulator.url}/api/v9/me") as answer:
        assert (answer.status, await answer.read()) == (401, b"")
        assert answer.headers["X-Authorization-Missing"] == "true"
    headers = {"Authorization": aiohttp.encode_basic_auth("nobody", "api_token")}
    async with session.get(f"{emulator.url}/api/v9/me", headers=headers) as answer:
        assert answer.status == 403


async def test_quota_and_rate_over_the_wire(session: aiohttp.ClientSession, world: World, clock: Any) -> None:
    """Headers on each answer, 402 and 429, and a ledger that tells which request was beyond what."""
    limits = plan("free", per_second=1.0, burst=30)
    async with Emulator(world, limits=limits, gzip=True) as emulator:
        call = V9(session, emulator)
        for left in range(29, -1, -1):
            got = await call("GET", "/workspaces/777/clients")
            assert (got.status, got.headers["X-Toggl-Quota-Remaining"]) == (200, str(left))
            assert len(got.json) == 2
        assert (await call("GET", "/workspaces/777/clients")).status == 429
        clock.forward(1)
        got = await call("GET", "/workspaces/777/clients")
        assert (got.status, got.headers["X-Toggl-Quota-Resets-In"]) == (402, "3599")
        assert got.json.endswith("The quota will reset in 3599 seconds.")
        assert emulator.meter is not None
        user, organization = world.user("t0").id, world.workspace(777).organization_id
        assert [(e.token, e.bucket, e.over) for e in emulator.meter.ledger][-2:] == [
            ("t0", Bucket(user, organization), "rate"),
            ("t0", Bucket(user, organization), "quota"),
        ]


async def test_clock_of_the_limits_may_be_another_than_the_worlds(
    session: aiohttp.ClientSession, world: World, clock: Any
) -> None:
    at = clock.at
    async with Emulator(world, limits=Limits(user_per_hour=1), now=lambda: at) as emulator:
        call = V9(session, emulator)
        assert (await call("GET", "/me")).status == 200
        clock.forward(4000)
        assert (await call("GET", "/me")).status == 402


async def test_one_version_alone(session: aiohttp.ClientSession, world: World) -> None:
    async with Emulator(world, api="v9", switches=Switches(null_lists=True)) as emulator:
        assert (await Caller(session, emulator)("GET", "/clients")).status == 410
        assert (await V9(session, emulator)("GET", "/workspaces/777/clients?name=zzz")).body == b"null"
