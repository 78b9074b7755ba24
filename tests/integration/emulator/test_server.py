"""The v8 API over HTTP, as a plain client meets it."""

import asyncio
import base64
import gzip
import io
from typing import Any

import aiohttp
import jsonschema
import pytest

from syncd.emulator.model import World
from syncd.emulator.server import Emulator, announcement
from syncd.emulator.switches import Switches

JSON_TYPE = "application/json; charset=utf-8"
ID = {"type": "integer", "minimum": 1}
TEXT = {"type": "string", "minLength": 1}
FLAG = {"type": "boolean"}
AT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$"}


def of(required: dict[str, object], optional: dict[str, object] | None = None) -> dict[str, object]:
    """A schema of an object with these fields and no others."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


CLIENT = of({"id": ID, "wid": ID, "name": TEXT, "at": AT}, {"notes": TEXT, "hrate": {"type": "number"}, "cur": TEXT})
PROJECT = of(
    {"id": ID, "wid": ID, "name": TEXT, "billable": FLAG, "is_private": FLAG, "active": FLAG, "at": AT},
    {"cid": ID, "color": TEXT, "template": FLAG, "auto_estimates": FLAG, "rate": {"type": "number"}, "created_at": AT},
)
WORKSPACE = of(
    {
        "id": ID,
        "name": TEXT,
        "premium": FLAG,
        "admin": FLAG,
        "default_currency": TEXT,
        "only_admins_may_create_projects": FLAG,
        "only_admins_see_billable_rates": FLAG,
        "rounding": {"enum": [-1, 0, 1]},
        "rounding_minutes": {"type": "integer"},
        "at": AT,
    },
    {"default_hourly_rate": {"type": "number"}},
)
MESSAGES = {"type": "array", "items": TEXT, "minItems": 1}


def listing(item: dict[str, object]) -> dict[str, object]:
    return {"type": "array", "items": item}


def envelope(item: dict[str, object]) -> dict[str, object]:
    return of({"data": item})


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/clients", listing(CLIENT)),
        ("/clients/1239455", envelope(CLIENT)),
        ("/clients/1239455/projects", listing(PROJECT)),
        ("/workspaces", listing(WORKSPACE)),
        ("/workspaces/777", envelope(WORKSPACE)),
        ("/workspaces/777/clients", listing(CLIENT)),
        ("/workspaces/777/projects?active=both", listing(PROJECT)),
    ],
)
async def test_every_reading_call_answers_in_its_shape(call: Any, path: str, schema: dict[str, object]) -> None:
    """Bare arrays for lists, an envelope for one; the headers of the source."""
    got = await call("GET", path)
    assert (got.status, got.headers["Content-Type"]) == (200, JSON_TYPE)
    assert got.headers["Cache-Control"].startswith("no-cache, private, no-store")
    assert len(got.headers["X-Request-Id"]) == 32
    jsonschema.validate(got.json, schema)
    assert got.json


async def test_client_is_created_read_updated_and_deleted(call: Any, clock: Any) -> None:
    """A client's whole life; `at` moves with each write and only then."""
    made = await call("POST", "/clients", json={"client": {"name": "Neu", "wid": 777, "hrate": 12, "cur": "AUD"}})
    jsonschema.validate(made.json, envelope(CLIENT))
    client = made.json["data"]
    assert (made.status, client["at"], client["hrate"]) == (200, "2013-03-27T09:00:00+00:00", 12)
    path = f"/clients/{client['id']}"
    clock.forward(60)
    assert (await call("GET", path)).json == made.json
    changed = await call("PUT", path, json={"client": {"name": "Neuer", "notes": "n"}})
    assert changed.json == {"data": {**client, "name": "Neuer", "notes": "n", "at": "2013-03-27T09:01:00+00:00"}}
    assert changed.json["data"] in (await call("GET", "/clients")).json
    gone = await call("DELETE", path)
    assert (gone.status, gone.body) == (200, b"")
    assert (await call("GET", path)).status == 404
    assert client["id"] not in [row["id"] for row in (await call("GET", "/clients")).json]


async def test_deleted_client_leaves_its_projects_in_the_workspace_list(call: Any) -> None:
    """Without `cid`, and with the `at` they had."""
    before = (await call("GET", "/workspaces/777/projects?active=both")).json
    await call("DELETE", "/clients/1239455")
    after = (await call("GET", "/workspaces/777/projects?active=both")).json
    assert after == [{key: value for key, value in row.items() if key != "cid"} for row in before]
    assert (await call("GET", "/clients/1239455/projects")).status == 404


@pytest.mark.parametrize("path", ["/", "/api", "/api/v8", "/api/v80/clients", "/api/v10/clients", "/x/v8/clients"])
async def test_path_of_no_dialect_is_404(call: Any, emulator: Emulator, path: str) -> None:
    """The prefix is compared as a whole, and the answer is an array all the same."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(emulator.url.rsplit(":", 1)[1]))
    headers = f"Host: x\r\nAuthorization: {call.headers('t0')['Authorization']}\r\nConnection: close\r\n\r\n"
    writer.write(f"GET {path} HTTP/1.1\r\n{headers}".encode())
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert answer.endswith(b'["Not found"]')
    writer.close()
    await writer.wait_closed()


async def test_write_shows_in_every_list_at_once(call: Any, world: World) -> None:
    """Lists are kept rendered; none of them may serve the past."""
    for path in ("/clients", "/workspaces/777/clients"):
        await call("GET", path)
    world.update_client(1239456, name="Renamed by hand")
    for path in ("/clients", "/workspaces/777/clients"):
        assert (await call("GET", path)).json[1]["name"] == "Renamed by hand"


@pytest.mark.parametrize(
    ("query", "ids"),
    [("", [909, 32143]), ("?active=true", [909, 32143]), ("?active=false", [5]), ("?active=both", [5, 909, 32143])],
)
@pytest.mark.parametrize("path", ["/clients/1239455/projects", "/workspaces/777/projects"])
async def test_each_value_of_active(call: Any, world: World, path: str, query: str, ids: list[int]) -> None:
    world.create_project(777, "old", 1239455, project_id=5, active=False)
    assert [row["id"] for row in (await call("GET", path + query)).json] == ids


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/clients/0", {}, 400),
        ("GET", "/clients/x", {}, 400),
        ("GET", "/clients/9223372036854775808", {}, 400),
        ("GET", "/clients/1239455/projects?active=yes", {}, 400),
        ("POST", "/clients", {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/clients", {"json": {"name": "x", "wid": 777}}, 400),
        ("POST", "/clients", {"json": {"client": {"name": 5, "wid": 777}}}, 400),
        ("PUT", "/clients/1239455", {"json": []}, 400),
        ("GET", "/workspaces/777/clients", {"who": "bob"}, 403),
        ("GET", "/workspaces/777/projects", {"who": "bob"}, 403),
        ("DELETE", "/clients/1239455", {"who": "bob"}, 403),
        ("POST", "/clients", {"json": {"client": {"name": "x", "wid": 778}}}, 403),
        ("GET", "/nothing", {}, 404),
        ("GET", "/clients/", {}, 404),
        ("GET", "/clients/7", {}, 404),
        ("PUT", "/clients/7", {"json": {"client": {}}}, 404),
        ("DELETE", "/clients/7", {}, 404),
        ("GET", "/workspaces/7", {}, 404),
        ("POST", "/clients", {"json": {"client": {"name": "Small Startup", "wid": 777}}}, 404),
        ("POST", "/clients", {"json": {"client": {"name": " ", "wid": 777}}}, 404),
        ("PUT", "/clients/1239455", {"json": {"client": {"wid": 778}}}, 404),
        ("PUT", "/clients/1239455", {"json": {"client": {"name": "Small Startup"}}}, 404),
        ("POST", "/clients", {"data": b'{"client":{"name":"x","wid":777}}'}, 415),
        ("PUT", "/clients/1239455", {"data": {"name": "x"}}, 415),
        ("POST", "/clients", {"data": io.BytesIO(b" " * (2 << 20)), "headers": {"Content-Type": JSON_TYPE}}, 413),
    ],
)  # fmt: skip
async def test_each_error_is_an_array_of_sentences(
    call: Any, world: World, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    """… and leaves the world alone."""
    before = dict(world.clients)
    got = await call(method, path, **options)
    assert (got.status, got.headers["Content-Type"]) == (status, JSON_TYPE)
    jsonschema.validate(got.json, MESSAGES)
    assert world.clients == before


async def test_body_that_names_no_type_counts_as_json(call: Any) -> None:
    """Published libraries for v8 send theirs so."""
    body = b'{"client":{"name":"x","wid":777}}'
    got = await call("POST", "/clients", data=body, skip_auto_headers=["Content-Type"])
    assert (got.status, got.json["data"]["name"]) == (200, "x")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/clients", "GET, POST"),
        ("POST", "/clients/1239455", "GET, PUT, DELETE"),
        ("DELETE", "/clients/1239455/projects", "GET"),
        ("PATCH", "/workspaces", "GET"),
        ("POST", "/workspaces/777/clients", "GET"),
        ("OPTIONS", "/workspaces/777/projects", "GET"),
    ],
)
async def test_other_methods_on_known_paths_are_405_with_allow(call: Any, method: str, path: str, allow: str) -> None:
    got = await call(method, path)
    assert (got.status, got.headers["Allow"]) == (405, allow)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


TOKEN = "1971800d4d82861d8f2c1651fea4d212"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (basic(f"{TOKEN}:api_token"), 200),
        (basic(f"{TOKEN}:api_token").replace("Basic", "basic"), 200),
        (basic(f"{TOKEN}:wrong"), 403),
        (basic(f"{TOKEN.upper()}:api_token"), 403),
        (basic(TOKEN), 403),
        (basic("0" * 32 + ":api_token"), 403),
        (f"Bearer {TOKEN}", 403),
        ("Basic ***", 403),
        ("Basic //79", 403),
        ("", 403),
        (None, 403),
    ],
)
async def test_token_is_the_user_and_api_token_the_password(
    session: aiohttp.ClientSession, emulator: Emulator, authorization: str | None, status: int
) -> None:
    """All else is 403, as v8 answers; asked twice, since good headers are remembered."""
    headers = {} if authorization is None else {"Authorization": authorization}
    for _ in range(2):
        async with session.get(f"{emulator.url}/api/v8/workspaces", headers=headers) as answer:
            assert answer.status == status
    assert {line.token for line in emulator.log} == {"t0" if status == 200 else ""}


async def test_revoked_token_is_refused_from_then_on(call: Any, world: World) -> None:
    """Although its header had been good."""
    assert (await call("GET", "/workspaces")).status == 200
    world.revoke("t0")
    assert (await call("GET", "/workspaces")).status == 403


async def test_requests_are_counted_by_template_and_logged_by_name(call: Any, emulator: Emulator) -> None:
    """The log names the user, never the token."""
    await call("GET", "/clients/1239455")
    await call("GET", "/clients/7", who="bob")
    await call("GET", "/workspaces/777/projects?active=both")
    await call("GET", "/nothing")
    assert emulator.requests == {
        "/api/v8/clients/{client_id}": 2,
        "/api/v8/workspaces/{wid}/projects": 1,
        "*": 1,
    }
    assert list(emulator.log) == [
        ("GET", "/api/v8/clients/1239455", "t0", 200),
        ("GET", "/api/v8/clients/7", "bob", 404),
        ("GET", "/api/v8/workspaces/777/projects?active=both", "t0", 200),
        ("GET", "/api/v8/nothing", "t0", 404),
    ]


async def test_log_keeps_only_the_latest(session: aiohttp.ClientSession, world: World) -> None:
    async with Emulator(world, log_size=2) as emulator:
        for number in range(3):
            async with session.get(f"{emulator.url}/{number}") as answer:
                assert answer.status == 404
        assert [line.path_qs for line in emulator.log] == ["/1", "/2"]


@pytest.mark.parametrize(
    ("accept", "packed"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("br", False),
        ("identity", False),
    ],
)
async def test_gzip_is_served_to_those_who_accept_it(world: World, accept: str, packed: bool) -> None:
    """Only with the switch on; the bytes unpack to the plain body."""
    async with Emulator(world, gzip=True) as emulator, aiohttp.ClientSession(auto_decompress=False) as session:
        headers = {"Authorization": basic(f"{TOKEN}:api_token"), "Accept-Encoding": accept}
        async with session.get(f"{emulator.url}/api/v8/clients", headers=headers) as answer:
            body = await answer.read()
    assert (answer.headers.get("Content-Encoding"), answer.headers["Vary"]) == (
        "gzip" if packed else None,
        "Accept-Encoding",
    )
    assert (gzip.decompress(body) if packed else body).startswith(b'[{"id":1239455,')


async def test_gzip_is_off_by_default(call: Any) -> None:
    got = await call("GET", "/clients", headers={"Accept-Encoding": "gzip"})
    assert not {"Content-Encoding", "Vary"} & got.headers.keys()


async def test_empty_list_can_be_null(session: aiohttp.ClientSession, world: World) -> None:
    async with Emulator(world, switches=Switches(null_lists=True)) as emulator:
        headers = {"Authorization": basic(f"{TOKEN}:api_token")}
        async with session.get(f"{emulator.url}/api/v8/clients/1239456/projects", headers=headers) as answer:
            assert await answer.read() == b"null"


async def test_keep_alive_serves_many_requests_on_one_connection(emulator: Emulator) -> None:
    """Raw bytes, three requests in one go: three answers in order, the last one with a body sent after 100."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(emulator.url.rsplit(":", 1)[1]))
    body = b'{"client":{"name":"x","wid":777}}'
    common = f"Host: x\r\nAuthorization: {basic(f'{TOKEN}:api_token')}\r\n".encode()
    writer.write(b"GET /api/v8/clients/1239455 HTTP/1.1\r\n" + common + b"\r\n")
    writer.write(b"GET http://x/api/v8/client%73/1239456 HTTP/1.1\r\n" + common + b"\r\n")
    head = b"Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    writer.write(b"POST /api/v8/clients HTTP/1.1\r\n" + common + head)
    heads = [await reader.readuntil(b"\r\n\r\n")]
    assert heads[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"id":1239455' in await reader.readuntil(b"}}")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"id":1239456' in await reader.readuntil(b"}}")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"name":"x"' in await reader.readuntil(b"}}")
    writer.close()
    await writer.wait_closed()


async def test_emulator_can_be_stopped_and_started_again(world: World) -> None:
    """Stopped, its port is free and `url` is refused; a port in use is an OSError."""
    emulator = Emulator(world)
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.url
    async with emulator:
        port = int(emulator.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="address already in use"):
            await Emulator(world, port=port).start()
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.url
    await emulator.stop()
    async with Emulator(world, port=port) as again:
        assert again.url == f"http://127.0.0.1:{port}"


async def test_announcement_names_all_that_a_script_needs(world: World, emulator: Emulator) -> None:
    world.revoke("bob")
    assert announcement(emulator) == {
        "url": emulator.url,
        "api": ["v8", "v9"],
        "tokens": [{"name": "t0", "token": TOKEN, "workspaces": [777]}],
    }
