"""Programs with the vendor's URL built in, led here by their environment alone, and the proxy's manners on the wire."""

import asyncio
import json
import os
import shutil
import ssl
import stat
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from syncd.emulator import mishaps
from syncd.emulator.authority import Authority, ca_file
from syncd.emulator.model import World
from syncd.emulator.proxy import HOSTS, Proxy, environment
from syncd.emulator.seed import DOCUMENTED_TOKEN
from syncd.emulator.server import Emulator

URL = "https://api.track.toggl.com/api/v8/clients"
V9_URL = "https://api.track.toggl.com/api/v9/workspaces/777/clients"
AUTH = f"{DOCUMENTED_TOKEN}:api_token"
NAMES = ["Very Big Company", "Small Startup"]


class Stand(NamedTuple):
    emulator: Emulator
    authority: Authority
    env: dict[str, str]

    @property
    def port(self) -> int:
        return int(self.emulator.url.rsplit(":", 1)[1])

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority.pem.decode())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(HOSTS)


@pytest.fixture
async def stand(world: World, authority: Authority) -> AsyncIterator[Stand]:
    listener = partial(Proxy, authority=authority)
    with ca_file(authority.pem, None) as path:
        async with Emulator(world, listener=listener) as emulator:
            yield Stand(emulator, authority, environment(emulator.url, str(path)))


async def output(command: Sequence[str], env: dict[str, str], *, given: str = "") -> str:
    """What a program prints, under these variables and no other proxy settings."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env={**kept, **env}, stdin=pipe, stdout=pipe, stderr=pipe)
    out, err = await process.communicate(given.encode())
    assert process.returncode == 0, err.decode()
    return out.decode()


URLLIB = f"""
import base64, sys, urllib.request
request = urllib.request.Request({URL!r})
request.add_header("Authorization", "Basic " + base64.b64encode({AUTH!r}.encode()).decode())
sys.stdout.write(urllib.request.urlopen(request).read().decode())
"""
REQUESTS = f"""
import requests, sys
with requests.Session() as session:
    session.auth = tuple({AUTH!r}.split(":"))
    for _ in range(3):
        answer = session.get({URL!r})
    sys.stdout.write(answer.text)
"""
AIOHTTP = f"""
import aiohttp, asyncio, sys
async def main():
    auth = aiohttp.BasicAuth(*{AUTH!r}.split(":"))
    async with aiohttp.ClientSession(trust_env=True, auth=auth) as session:
        texts = await asyncio.gather(*(text(session) for _ in range(8)))
    assert len(set(texts)) == 1
    sys.stdout.write(texts[0])
async def text(session):
    async with session.get({URL!r}) as answer:
        return await answer.text()
asyncio.run(main())
"""
NODE = f"""
const http = require("http"), https = require("https");
const {{hostname, port}} = new URL(process.env.HTTPS_PROXY);
http.request({{hostname, port, method: "CONNECT", path: "api.track.toggl.com:443"}}).on("connect", (_, socket) => {{
  https.get({URL!r}, {{auth: {AUTH!r}, socket, agent: false}}, answer => answer.pipe(process.stdout));
}}).end();
"""


@pytest.mark.parametrize(("script", "requests"), [(URLLIB, 1), (REQUESTS, 3), (AIOHTTP, 8)])
async def test_python_programs_find_it_by_their_environment(stand: Stand, script: str, requests: int) -> None:
    """urllib; requests, three times over one connection; aiohttp, eight tunnels at once."""
    printed = await output([sys.executable, "-c", script], stand.env)
    assert [row["name"] for row in json.loads(printed)] == NAMES
    assert stand.emulator.requests == {"/api/v8/clients": requests}


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
async def test_curl_finds_it_by_its_environment(stand: Stand) -> None:
    """Also a write, two URLs over one tunnel, and plain http, which is no tunnel but the absolute form."""
    curl = ["curl", "-sS", "--fail", "--max-time", "20", "--user", AUTH]
    assert [row["name"] for row in json.loads(await output([*curl, URL], stand.env))] == NAMES
    told = ["-o", "/dev/null", "-w", "%{http_code} %{http_version} %{num_connects}\n"]
    assert await output([*curl, *told, URL, *told, URL], stand.env) == "200 1.1 1\n200 1.1 0\n"
    assert [row["name"] for row in json.loads(await output([*curl, V9_URL], stand.env))] == NAMES
    plain = await output([*curl, "http://www.toggl.com/api/v8/clients"], stand.env)
    assert [row["name"] for row in json.loads(plain)] == NAMES
    sent = ["-H", "Content-Type: application/json", "-d", '{"client":{"name":"New","wid":777}}']
    assert json.loads(await output([*curl, *sent, URL], stand.env))["data"]["name"] == "New"


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node here")
async def test_node_trusts_the_file_of_the_ca(stand: Stand) -> None:
    printed = await output(["node", "-"], stand.env, given=NODE)
    assert [row["name"] for row in json.loads(printed)] == NAMES


# On the wire -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "status"),
    [("example.com:443", 403), ("api.track.toggl.com:80", 403), ("api.track.toggl.com", 403), ("x", 403)],
)
async def test_others_are_refused_with_a_sentence(stand: Stand, target: str, status: int) -> None:
    answer = await raw(stand, f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} Forbidden\r\n".encode())
    assert answer.endswith(f"it connects to nobody, nor to {target}.\n".encode())


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"CONNECT api.track.toggl.com:443 HTTP/1.1\r\n\r\n\x16\x03\x01", b"400"),
        (b"CONNECT " + b"x" * 20_000, b"431"),
        (b"CONNECT \r\n\r\n", b"403"),
        (b"GET http://example.com/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"403"),
        (b"GET http://api.track.toggl.com/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
        (b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
    ],
)
async def test_first_bytes_decide_whole_or_one_by_one(stand: Stand, head: bytes, status: bytes) -> None:
    """The answer does not depend on how the head comes in pieces."""
    assert (await raw(stand, head))[:13] == b"HTTP/1.1 " + status + b" "
    if status in {b"403", b"404"}:
        assert (await raw(stand, *(head[i : i + 1] for i in range(len(head)))))[:12] == b"HTTP/1.1 " + status


async def test_its_own_address_is_served_through_itself(stand: Stand) -> None:
    """Clients that know no NO_PROXY send even this to the proxy."""
    get = f"GET {stand.emulator.url}/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert (await raw(stand, get.encode())).startswith(b"HTTP/1.1 404 ")
    other = get.replace(str(stand.port), str(stand.port - 1))
    assert (await raw(stand, other.encode())).startswith(b"HTTP/1.1 403 ")


async def test_tunnel_speaks_http_1_1_and_keeps_alive(stand: Stand) -> None:
    """By ALPN; several requests in one tunnel while another one stands open."""
    async with tunnel(stand, ["h2", "http/1.1"]) as (reader, writer), tunnel(stand) as (idle_reader, idle_writer):
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        for where in ((reader, writer), (reader, writer), (idle_reader, idle_writer)):
            where[1].write(b"GET /x HTTP/1.1\r\nHost: api.track.toggl.com\r\n\r\n")
            assert (await where[0].readuntil(b'["Not found"]')).startswith(b"HTTP/1.1 404 ")


async def test_client_that_does_not_trust_the_ca_harms_nobody(stand: Stand) -> None:
    """Nor does one that leaves in the middle of the handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
    writer.write(b"CONNECT api.track.toggl.com:443 HTTP/1.1\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.close()
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        async with aiohttp.ClientSession() as session:
            await session.get(URL, proxy=stand.emulator.url)
    async with asked(stand, {}) as answer:
        assert answer.status == 403


async def test_faults_strike_inside_a_tunnel(stand: Stand) -> None:
    """A body cut short, and resets, of which aiohttp hides the first."""
    headers = {"Authorization": aiohttp.encode_basic_auth(*AUTH.split(":"))}
    stand.emulator.faults.add(mishaps.truncate())
    stand.emulator.faults.add(mishaps.reset(), first=2, times=2)
    with pytest.raises(aiohttp.ClientPayloadError):
        async with asked(stand, headers) as answer:
            await answer.read()
    with pytest.raises(aiohttp.ClientOSError):
        async with asked(stand, headers):
            pass
    async with asked(stand, headers) as answer:
        assert answer.status == 200


async def test_stop_ends_open_tunnels_and_handshakes(world: World, authority: Authority) -> None:
    """At once, whatever their clients do."""
    emulator = Emulator(world, listener=partial(Proxy, authority=authority))
    await emulator.start()
    stand = Stand(emulator, authority, {})
    waiting = await asyncio.open_connection("127.0.0.1", stand.port)
    halfway = await asyncio.open_connection("127.0.0.1", stand.port)
    halfway[1].write(b"CONNECT www.toggl.com:443 HTTP/1.1\r\n\r\n")
    await halfway[0].readuntil(b"\r\n\r\n")
    async with tunnel(stand) as (reader, _):
        async with asyncio.timeout(1):
            await emulator.stop()
        assert await ending(reader) == b""
    for reader, writer in (waiting, halfway):
        assert await ending(reader) == b""
        writer.close()


@asynccontextmanager
async def asked(stand: Stand, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to GET URL through a tunnel of its own."""
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(URL, proxy=stand.emulator.url, ssl=stand.trusting()) as answer,
    ):
        yield answer


async def ending(reader: asyncio.StreamReader) -> bytes:
    """What comes until the end, be it a reset."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def raw(stand: Stand, *pieces: bytes) -> bytes:
    """The answer to these bytes, each written by itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    answer = await reader.read()
    writer.close()
    return answer


class tunnel:  # noqa: N801 (reads as what it opens)
    """A TLS connection through the proxy, made by hand: `async with tunnel(stand) as (reader, writer)`."""

    def __init__(self, stand: Stand, protocols: Sequence[str] = ("http/1.1",)) -> None:
        self._stand = stand
        self._context = stand.trusting()
        self._context.set_alpn_protocols(list(protocols))

    async def __aenter__(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._stand.port)
        self._writer.write(b"CONNECT api.track.toggl.com:443 HTTP/1.1\r\nHost: api.track.toggl.com:443\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        await self._writer.start_tls(self._context, server_hostname="api.track.toggl.com")
        return reader, self._writer

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()


# The file ----------------------------------------------------------------------------------------------------


def test_ca_file_is_for_all_to_read_and_holds_no_key(tmp_path: Path, authority: Authority) -> None:
    """A given one stays and may be written again; a temporary one goes."""
    named = tmp_path / "ca.pem"
    for _ in range(2):
        with ca_file(authority.pem, named) as path:
            assert (path, path.read_bytes()) == (named, authority.pem)
    assert stat.S_IMODE(named.stat().st_mode) == 0o644
    assert b"PRIVATE" not in named.read_bytes()
    with ca_file(authority.pem, None) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not path.exists()


@pytest.mark.parametrize("content", [b"hello", None])
def test_ca_file_spares_what_others_wrote(tmp_path: Path, authority: Authority, content: bytes | None) -> None:
    """Above all a bundle of certificates, such as this one of two."""
    named = tmp_path / "ca.pem"
    before = content or authority.pem * 2
    named.write_bytes(before)
    with pytest.raises(FileExistsError), ca_file(Authority(HOSTS).pem, named):
        pass
    assert named.read_bytes() == before
