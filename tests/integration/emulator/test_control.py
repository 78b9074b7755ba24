"""The control plane, as a program in any language meets it."""

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from syncd.emulator import seed
from syncd.emulator.control import Control, is_here
from syncd.emulator.control_faults import MISHAPS
from syncd.emulator.seed import DOCUMENTED_TOKEN
from syncd.emulator.server import Emulator
from syncd.emulator.stand import Stand, Wanted, standing

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
HEADERS = {"Authorization": aiohttp.encode_basic_auth(DOCUMENTED_TOKEN, "api_token")}
Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    """The documented world; it is noon, and stays so until moved."""
    async with standing(seed.documented, lambda: NOON, Wanted()) as stand:
        yield stand


@pytest.fixture
def control(session: aiohttp.ClientSession, stand: Stand) -> Ask:
    """`await control("POST", "/faults", {...})` -> status and answer."""

    async def ask(method: str, path: str, body: object = None, **options: Any) -> tuple[int, Any]:
        if body is not None:
            options["json"] = body
        async with session.request(method, f"{stand.emulator.url}/_emulator{path}", **options) as answer:
            assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
            return answer.status, await answer.json()

    return ask


@pytest.fixture
def v9(session: aiohttp.ClientSession, stand: Stand) -> Ask:
    """`await v9("/me")` -> status and answer of API v9."""

    async def ask(path: str) -> tuple[int, Any]:
        async with session.get(f"{stand.emulator.url}/api/v9{path}", headers=HEADERS) as answer:
            return answer.status, await answer.json() if answer.status == 200 else await answer.text()

    return ask


@pytest.fixture
def api(session: aiohttp.ClientSession, stand: Stand) -> Ask:
    """`await api("/clients")` -> status and answer of the API."""

    async def ask(path: str, method: str = "GET", **options: Any) -> tuple[int, Any]:
        async with session.request(
            method, f"{stand.emulator.url}/api/v8{path}", **{"headers": HEADERS, **options}
        ) as answer:
            return answer.status, await answer.json() if answer.status == 200 else await answer.text()

    return ask


async def test_it_describes_itself(control: Ask, stand: Stand) -> None:
    """All calls of the description exist, and all mishaps."""
    status, told = await control("GET", "/")
    assert (status, told) == await control("GET", "")
    assert (told["url"], told["tokens"][0]["token"]) == (stand.emulator.url, DOCUMENTED_TOKEN)
    assert told["mishaps"].keys() == MISHAPS.keys()
    for call in told["calls"]:
        path = call["path"].removeprefix("/_emulator").replace("{name}", "t0").replace("{id}", "777")
        assert (await control(call["method"], path, {}))[0] in {200, 400, 404}, call


async def test_it_is_not_counted_logged_or_spoilt(control: Ask, stand: Stand) -> None:
    await control("POST", "/faults", {"mishap": "hang", "times": None})
    for path in ("/", "/stats", "/nothing"):
        await control("GET", path)
    assert (dict(stand.emulator.requests), list(stand.emulator.log)) == ({}, [])
    assert [fault.seen for fault in stand.emulator.faults.added] == [0]


# Faults ------------------------------------------------------------------------------------------------------


async def test_fault_strikes_whom_it_is_meant_for(control: Ask, api: Ask) -> None:
    """From the second of the requests that match, twice; named by the token or by the user's name."""
    order = {
        "mishap": "status",
        "parameters": {"code": 503, "headers": {"Retry-After": "7"}, "body": ["busy"]},
        "name": "busy",
        "method": "get",
        "path": "/api/v8/clients",
        "token": DOCUMENTED_TOKEN,
        "first": 2,
        "times": 2,
    }
    status, armed = await control("POST", "/faults", order)
    assert (status, armed["method"], armed["token"], armed["armed"]) == (200, "GET", "t0", True)
    assert (await api("/workspaces"))[0] == 200
    assert [(await api("/clients"))[0] for _ in range(4)] == [200, 503, 503, 200]
    assert (await control("GET", "/faults"))[1] == [{**armed, "seen": 3, "fired": 2, "armed": False}]
    assert (await control("GET", "/stats"))[1] == {
        "total": 5,
        "requests": {"/api/v8/workspaces": 1, "/api/v8/clients": 4},
        "fired": {"busy": 2},
    }


async def test_body_of_a_fault_is_text_or_any_json(control: Ask, api: Ask) -> None:
    for body, sent in (("plain", "plain"), ({"error": None}, '{"error":null}')):
        await control("POST", "/faults", {"mishap": "status", "parameters": {"code": 400, "body": body}})
        assert await api("/clients") == (400, sent)


async def test_fault_is_disarmed_alone_or_with_all(control: Ask, api: Ask) -> None:
    for number in (1, 2):
        status, fault = await control("POST", "/faults", {"mishap": "html", "parameters": {"code": 500 + number}})
        assert (status, fault["id"]) == (200, number)
    assert (await control("DELETE", "/faults/1"))[1]["armed"] is False
    assert (await api("/clients"))[0] == 502
    assert await control("DELETE", "/faults") == (200, [])
    assert (await control("GET", "/faults"))[1] == []
    assert (await control("DELETE", "/faults/1"))[0] == 404


@pytest.mark.parametrize("name", MISHAPS)
async def test_each_mishap_can_be_armed(control: Ask, name: str) -> None:
    needed = {"status": {"code": 500}, "redirect": {"location": "/x"}, "huge": {"size_bytes": 2}}
    assert (await control("POST", "/faults", {"mishap": name, "parameters": needed.get(name, {})}))[0] == 200


# Clock -------------------------------------------------------------------------------------------------------


async def test_clock_moves_the_time_of_writes(control: Ask, api: Ask) -> None:
    """Set, put forward, stopped, started, and true again."""
    assert await control("GET", "/clock") == (200, {"now": "2030-01-01T12:00:00Z", "ahead_s": 0.0, "running": True})
    moved = {"now": "2031-01-01T00:01:30Z", "ahead_s": 31_492_890.0, "running": False}
    order = {"set": "2031-01-01T01:00:00+01:00", "advance_s": 90, "running": False}
    assert await control("POST", "/clock", order) == (200, moved)
    written = await api("/clients/1239456", "PUT", json={"client": {"notes": "x"}})
    assert written[1]["data"]["at"] == "2031-01-01T00:01:30+00:00"
    assert (await control("POST", "/clock", {"running": True}))[1] == {**moved, "running": True}
    assert (await control("DELETE", "/clock"))[1]["ahead_s"] == 0.0


# Limits and switches -----------------------------------------------------------------------------------------


async def test_quota_is_used_up_told_and_comes_back_with_the_clock(control: Ask, v9: Ask) -> None:
    """By plan, or by number; 402 for calls without organization while those of another bucket go on."""
    told = (await control("PUT", "/limits", {"plan": "free", "user_per_hour": 2}))[1]
    assert [(row["user"], row["total"]) for row in told["quota"]] == [("t0", 30), ("t0", 2)]
    assert [(await v9("/me/clients"))[0] for _ in range(3)] == [200, 200, 402]
    assert (await v9("/workspaces/777/clients"))[0] == 200
    assert [row["remaining"] for row in (await control("GET", "/limits"))[1]["quota"]] == [29, -1]
    await control("POST", "/clock", {"advance_s": 3600})
    assert (await v9("/me/clients"))[0] == 200
    organization_id = (await control("GET", "/workspaces/777"))[1]["organization_id"]
    await control("PUT", "/limits", {"by_organization": {str(organization_id): 0}, "per_second": 1, "burst": 2})
    assert [(await v9(path))[0] for path in ("/me", "/workspaces/777/clients", "/me")] == [200, 402, 429]
    assert await control("DELETE", "/limits") == (200, {"limits": None, "quota": []})
    assert (await v9("/workspaces/777/clients"))[0] == 200


async def test_switches_change_one_by_one(control: Ask, v9: Ask) -> None:
    before = (await control("GET", "/switches"))[1]
    assert (await control("PUT", "/switches", {"foreign_status": 404}))[1] == {**before, "foreign_status": 404}
    assert (await control("PUT", "/switches", {"null_lists": True}))[1]["foreign_status"] == 404
    assert (await v9("/workspaces/777/clients?status=archived"))[1] is None
    await control("POST", "/reset")
    assert (await v9("/workspaces/777/clients?status=archived"))[1] == []


# Data --------------------------------------------------------------------------------------------------------


async def test_rows_are_made_changed_and_deleted(control: Ask, api: Ask) -> None:
    """Of each kind; the API shows it at once."""
    status, workspace = await control("POST", "/workspaces", {"name": "New", "premium": True})
    assert (status, workspace["premium"]) == (200, True)
    assert (await control("PUT", f"/users/t0/workspaces/{workspace['id']}", {"admin": True}))[0] == 200
    client = (await control("POST", "/clients", {"workspace_id": workspace["id"], "name": "C", "id": 5}))[1]
    project = (await control("POST", "/projects", {"workspace_id": workspace["id"], "client_id": 5, "name": "P"}))[1]
    assert client["id"] == 5
    assert (await control("PUT", "/clients/5", {"name": "D", "hrate": 2.5}))[1]["hrate"] == 2.5
    assert (await control("PUT", f"/projects/{project['id']}", {"active": False}))[1]["active"] is False
    assert (await control("PUT", f"/workspaces/{workspace['id']}", {"name": "Newer"}))[1]["name"] == "Newer"
    assert [row["name"] for row in (await api("/clients"))[1]] == ["Very Big Company", "Small Startup", "D"]
    assert (await api("/clients/5/projects?active=false"))[1][0]["id"] == project["id"]
    assert (await control("GET", "/clients/5"))[1]["name"] == "D"
    assert (await control("DELETE", f"/projects/{project['id']}"))[1]["name"] == "P"
    assert (await control("DELETE", "/clients/5"))[1]["name"] == "D"
    assert (await control("DELETE", f"/workspaces/{workspace['id']}"))[0] == 200
    assert [row["id"] for row in (await api("/workspaces"))[1]] == [777]


async def test_clients_are_archived_and_restored_and_time_is_tracked(control: Ask) -> None:
    """Tracked time does not move `at`."""
    before = (await control("GET", "/projects/909"))[1]
    assert (await control("POST", "/projects/909/track", {"seconds": 60}))[1] == {**before, "actual_seconds": 60}
    assert await control("POST", "/clients/1239455/archive") == (200, [909, 32143])
    restored = await control("POST", "/clients/1239455/restore", {"projects": [909]})
    assert (restored[0], restored[1]["archived"]) == (200, False)
    assert [row["active"] for row in (await control("GET", "/projects"))[1]] == [True, False]
    assert (await control("POST", "/clients/1239455/restore", {"projects": [4]}))[0] == 400


async def test_many_rows_in_one_call(control: Ask) -> None:
    """Of a list with a bad row, those before it stay, and the sentence names it."""
    status, rows = await control("POST", "/clients", [{"workspace_id": 777, "name": f"N{n}"} for n in range(50)])
    assert (status, len(rows)) == (200, 50)
    bad = [{"workspace_id": 777, "name": "X"}, {"workspace_id": 777, "name": "N7"}]
    assert await control("POST", "/clients", bad) == (400, "row 1: Name has already been taken")
    assert len((await control("GET", "/clients?workspace_id=777"))[1]) == 53
    assert (await control("GET", "/projects?workspace_id=1"))[1] == []


async def test_users_are_made_shared_with_and_revoked(control: Ask, api: Ask) -> None:
    status, ann = await control("POST", "/users", {"name": "ann", "token": "a" * 32})
    assert (status, ann["workspaces"]) == (200, [])
    assert (await control("POST", "/users", {"name": "bob"}))[1]["token"]
    as_ann = {"headers": {"Authorization": aiohttp.encode_basic_auth("a" * 32, "api_token")}}
    assert (await control("PUT", "/users/ann/workspaces/777"))[1]["workspaces"] == [{"id": 777, "admin": False}]
    assert len((await api("/clients", **as_ann))[1]) == 2
    assert (await control("DELETE", "/users/ann/workspaces/777"))[1]["workspaces"] == []
    assert (await api("/clients", **as_ann))[1] == []
    assert (await control("DELETE", "/users/ann"))[1]["revoked"] is True
    assert (await api("/clients", **as_ann))[0] == 403
    assert [user["name"] for user in (await control("GET", "/users"))[1]] == ["t0", "ann", "bob"]


async def test_reset_goes_back_to_the_beginning(control: Ask, api: Ask, stand: Stand) -> None:
    """Whatever was done; also lists that had been asked for before and after are as they were."""
    paths = ("/clients", "/workspaces", "/clients/1239455/projects?active=both")
    before = [await api(path) for path in paths]
    await control("POST", "/clock", {"advance_s": 1e6, "running": False})
    await control("POST", "/faults", {"mishap": "hang", "path": "/none"})
    await control("DELETE", "/clients/1239456")
    await control("PUT", "/projects/909", {"name": "Other"})
    await control("PUT", "/limits", {"plan": "free"})
    await control("PUT", "/switches", {"null_lists": True})
    await control("DELETE", "/users/t0")
    status, told = await control("POST", "/reset")
    assert (status, told["tokens"]) == (200, [{"name": "t0", "token": DOCUMENTED_TOKEN, "workspaces": [777]}])
    assert (stand.timepiece.now(), dict(stand.emulator.requests)) == (NOON, {})
    assert [await api(path) for path in paths] == before
    assert (await control("GET", "/faults"))[1] == []
    assert (await control("GET", "/limits"))[1]["limits"] is None


async def test_seed_puts_a_made_up_world_in_place(control: Ask, api: Ask) -> None:
    """Until the next reset."""
    status, told = await control("POST", "/seed", {"tokens": 2, "clients": 3, "projects": 1, "seed": 7})
    assert (status, [token["token"] for token in told["tokens"]]) == (200, [seed.token(7, 0), seed.token(7, 1)])
    assert (await api("/clients"))[0] == 403
    assert len((await control("GET", "/clients"))[1]) == 6
    await control("POST", "/reset")
    assert (await api("/clients"))[0] == 200


async def test_log_has_the_latest_requests(control: Ask, api: Ask) -> None:
    await api("/clients")
    await api("/nothing")
    line = {"method": "GET", "path_qs": "/api/v8/nothing", "token": "t0", "http_status": 404}
    assert await control("GET", "/log?last=1") == (200, [line])
    assert len((await control("GET", "/log"))[1]) == 2
    assert (await control("DELETE", "/stats"))[1]["total"] == 0
    assert (await control("GET", "/log"))[1] == []


# What is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/nothing", None, 404, "There is no /_emulator/nothing; GET /_emulator/ tells what there is"),
        ("PATCH", "/clock", None, 405, "/_emulator/clock takes GET, POST, DELETE, not PATCH"),
        ("GET", "/log?lest=1", None, 400, "There is no parameter 'lest' of GET /_emulator/log"),
        ("GET", "/log?last=x", None, 400, "'x' is no number"),
        ("POST", "/faults", [], 400, "Expected `object`, got `array`"),
        ("POST", "/faults", {"mishap": "fire"}, 400, "There is no mishap 'fire': take one of status, html,"),
        ("POST", "/faults", {"mishap": "hang", "times": 0}, 400, "Expected `int` >= 1 - at `$.times`"),
        ("POST", "/faults", {"mishap": "hang", "token": "t9"}, 400, "There is no user and no token 't9'"),
        ("POST", "/faults", {"mishap": "hang", "nth": 1}, 400, "Object contains unknown field `nth`"),
        ("POST", "/faults", {"mishap": "status"}, 400, "Object missing required field `code`"),
        ("POST", "/faults", {"mishap": "status", "parameters": {"code": 99}}, 400, "Expected `int` >= 200"),
        ("POST", "/faults", {"mishap": "redirect", "parameters": {"location": "/\r\nX: y"}}, 400, "Expected `str`"),
        (
            "POST",
            "/faults",
            {"mishap": "status", "parameters": {"code": 500, "headers": {"Content-length": "1"}}},
            400,
            "Expected `str` matching",
        ),
        ("POST", "/clock", {"set": "yesterday"}, 400, "Invalid RFC3339 encoded datetime"),
        ("POST", "/clock", {"set": "2030-01-01T00:00:00"}, 400, "Expected `datetime` with a timezone component"),
        ("POST", "/clock", {"set": "9999-12-31T00:00:00Z", "advance_s": 1e9}, 400, "date value out of range"),
        ("PUT", "/limits", {"plan": "gold"}, 400, "There is no plan 'gold': take one of free, starter, premium"),
        ("PUT", "/limits", {"user_per_hour": -1}, 400, "Expected `int` >= 0 - at `$.user_per_hour`"),
        ("PUT", "/limits", {"by_organization": {"x": 1}}, 400, "Expected `int`, got `str`"),
        ("PUT", "/switches", {"nul_lists": True}, 400, "There is no switch 'nul_lists': take one of null_lists, "),
        ("PUT", "/switches", {"foreign_status": 500}, 400, "Invalid enum value 500 - at `$.foreign_status`"),
        ("POST", "/seed", {"tokens": 0}, 400, "Expected `int` >= 1"),
        ("POST", "/users", {"name": "t0"}, 400, "User t0 or its token has already been taken"),
        ("POST", "/users", {"name": "x", "token": "a:b"}, 400, "Expected `str` matching"),
        ("DELETE", "/users/nobody", None, 404, "No user with ID nobody was found"),
        ("PUT", "/users/t0/workspaces/1", None, 404, "No workspace with ID 1 was found"),
        ("POST", "/clients", {"name": "x"}, 400, "Object missing required field `workspace_id`"),
        ("POST", "/clients", {"name": "", "workspace_id": 777}, 400, "Name can't be blank"),
        ("POST", "/clients", {"name": "x", "workspace_id": 1}, 400, "No workspace with ID 1 was found"),
        ("POST", "/clients", {"name": "x", "workspace_id": 777, "hrate": "1"}, 400, "Expected `float | null`"),
        ("PUT", "/clients/1239456", {"workspace_id": 1}, 400, "Object contains unknown field `workspace_id`"),
        ("PUT", "/projects/909", {"client_id": 4}, 400, "Client with the ID 4 isn't present in workspace 777"),
        ("DELETE", "/projects/1", None, 404, "No project with ID 1 was found"),
        ("GET", "/clients/-1", None, 400, "'-1' is no number"),
    ],
)
async def test_bad_input_is_one_sentence(
    control: Ask, stand: Stand, method: str, path: str, body: object, status: int, says: str
) -> None:
    """… as a JSON string, and nothing has changed."""
    rows = dict(stand.emulator.world.clients)
    got, sentence = await control(method, path, body)
    assert (got, sentence[: len(says)]) == (status, says)
    assert stand.emulator.world.clients == rows
    assert not stand.emulator.faults.added


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"\xff", 400), (b'"' + b"x" * (2 << 20) + b'"', 413)], ids=["{", "ff", "2 MiB"]
)
async def test_body_that_is_no_json(control: Ask, body: bytes, status: int) -> None:
    got, sentence = await control("POST", "/clock", data=io.BytesIO(body))
    assert (got, isinstance(sentence, str)) == (status, True)


@pytest.mark.parametrize(
    ("peer", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("", False),
        (None, False),
        ("unix", False),
    ],
)
def test_who_comes_from_this_machine(peer: str | None, here: bool) -> None:
    assert is_here(peer) == here


async def test_others_are_refused(control: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp.web.BaseRequest.remote", "192.0.2.1")
    status, sentence = await control("GET", "/clients")
    assert (status, sentence[:45]) == (403, "The control plane answers this machine only, ")


async def test_with_a_token_it_asks_everybody_for_it(control: Ask, stand: Stand) -> None:
    """Those from this machine, too."""
    stand.emulator.control = Control(stand.emulator, stand.timepiece, stand.begin, token="s3cret")
    for sent, status in (("Bearer s3cret", 200), ("bearer s3cret", 200), ("Bearer s3cre", 401), ("s3cret", 401)):
        assert (await control("GET", "/clock", headers={"Authorization": sent}))[0] == status
    assert (await control("GET", "/clock"))[0] == 401


async def test_without_a_control_plane_it_is_a_path_like_any_other(session: aiohttp.ClientSession) -> None:
    async with standing(seed.documented, lambda: NOON, Wanted(control=False)) as stand:
        assert await status_of(session, stand.emulator, "/_emulator/") == 404
        assert stand.emulator.requests == {"*": 1}


async def test_only_the_whole_word_is_its_path(session: aiohttp.ClientSession, stand: Stand) -> None:
    assert await status_of(session, stand.emulator, "/_emulator") == 200
    assert await status_of(session, stand.emulator, "/_emulators") == 404
    assert stand.emulator.requests == {"*": 1}


async def status_of(session: aiohttp.ClientSession, emulator: Emulator, path: str) -> int:
    async with session.get(emulator.url + path) as answer:
        return answer.status
