"""What a plain aiohttp client sees of each mishap.

aiohttp repeats a GET once by itself when the connection ends before an answer: one disconnect it does not even show.
"""

import asyncio
import contextlib
import json
import zlib
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from syncd.emulator import mishaps
from syncd.emulator.faults import Exchange, Mishap
from syncd.emulator.model import World
from syncd.emulator.server import Emulator


@pytest.fixture
async def truth(call: Any) -> bytes:
    """The body of GET /clients when nothing is wrong."""
    body: bytes = (await call("GET", "/clients")).body
    return body


async def struck(call: Any, mishap: Mishap, times: int = 1, **options: Any) -> Any:
    """GET /clients under the mishap; the request after it is well again."""
    call.emulator.faults.add(mishap, times=times)
    try:
        return await call("GET", "/clients", **options)
    finally:
        assert call.emulator.faults.fired == {mishap.label: times}
        assert (await call("GET", "/clients")).status == 200


async def test_status_with_body_and_headers(call: Any) -> None:
    got = await struck(call, mishaps.status(429, b'"slow down"', {"Retry-After": "2"}))
    assert (got.status, got.headers["Retry-After"], got.json) == (429, "2", "slow down")
    assert call.emulator.log[0] == ("GET", "/api/v8/clients", "t0", 429)


async def test_html_is_200_and_no_json(call: Any) -> None:
    got = await struck(call, mishaps.html())
    assert (got.status, got.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert got.body.startswith(b"<html>")


async def test_redirect_points_elsewhere(call: Any) -> None:
    got = await struck(call, mishaps.redirect("http://elsewhere.invalid/", 301))
    assert (got.status, got.headers["Location"]) == (301, "http://elsewhere.invalid/")


async def test_disconnect_ends_before_the_status_line(call: Any) -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await struck(call, mishaps.disconnect(), times=2)
    assert [line.http_status for line in call.emulator.log] == [0, 0, 200]


async def test_single_disconnect_is_hidden_by_the_client(call: Any, truth: bytes) -> None:
    """aiohttp asked twice: the emulator's log tells, the answer does not."""
    assert (await struck(call, mishaps.disconnect())).body == truth
    assert [line.http_status for line in call.emulator.log] == [200, 0, 200, 200]


async def test_reset_is_a_reset(call: Any) -> None:
    with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
        await struck(call, mishaps.reset(), times=2)


async def test_garbage_is_no_http(call: Any) -> None:
    with pytest.raises(aiohttp.ClientResponseError):
        await struck(call, mishaps.garbage())


async def test_hang_sends_nothing(call: Any) -> None:
    with pytest.raises(TimeoutError):
        await struck(call, mishaps.hang(), timeout=aiohttp.ClientTimeout(total=0.1))


async def test_huge_is_a_list_of_the_size_asked(call: Any) -> None:
    got = await struck(call, mishaps.huge(3_000_000))
    assert (len(got.body), got.json) == (3_000_000, [])


async def test_huge_survives_a_client_that_leaves(call: Any, emulator: Emulator) -> None:
    """A client with a cap reads a little and goes; the server minds nothing."""
    emulator.faults.add(mishaps.huge(100_000_000))
    async with call.session.get(f"{emulator.url}/api/v8/clients") as answer:
        assert await answer.content.readexactly(10) == b"[         "
    assert (await call("GET", "/clients")).status == 200


async def test_gzip_bomb_unpacks_to_a_thousand_times_its_size(call: Any) -> None:
    got = await struck(call, mishaps.gzip_bomb(5_000_000))
    assert (len(got.body), got.json, got.headers["Content-Encoding"]) == (5_000_000, [], "gzip")
    assert int(got.headers["Content-Length"]) < 10_000


async def test_wrong_type_is_the_true_body(call: Any, truth: bytes) -> None:
    got = await struck(call, mishaps.wrong_type())
    assert (got.headers["Content-Type"], got.body) == ("text/html; charset=utf-8", truth)


async def test_truncated_body_is_shorter_than_its_length(call: Any) -> None:
    with pytest.raises(aiohttp.ClientPayloadError, match="content length"):
        await struck(call, mishaps.truncate())


async def test_cut_chunked_body_lacks_its_end(call: Any) -> None:
    with pytest.raises(aiohttp.ClientPayloadError, match="transfer length"):
        await struck(call, mishaps.cut_chunked())


async def test_unframed_body_is_whole_or_cut_without_a_sign(call: Any, truth: bytes) -> None:
    """No length, no chunks: a cut one cannot be told from a whole one by HTTP."""
    whole = await struck(call, mishaps.unframed())
    assert (whole.status, whole.body) == (200, truth)
    assert not {"Content-Length", "Transfer-Encoding"} & whole.headers.keys()
    call.emulator.faults.add(mishaps.unframed(0.5), name="cut")
    cut = await call("GET", "/clients")
    assert (cut.status, cut.body) == (200, truth[: len(truth) // 2])


async def test_slow_body_comes_whole_in_pieces(call: Any, truth: bytes, emulator: Emulator) -> None:
    """Read piece by piece, no read returns all of it."""
    emulator.faults.add(mishaps.slow(pieces=4, pause_s=0.02))
    async with call.session.get(f"{emulator.url}/api/v8/clients", headers=call.headers("t0")) as answer:
        pieces = [piece async for piece in answer.content.iter_any()]
    assert (b"".join(pieces), len(pieces) > 1) == (truth, True)


async def test_slow_body_outlasts_a_reader_that_will_not_wait(call: Any) -> None:
    with pytest.raises(TimeoutError):
        await struck(call, mishaps.slow(pieces=2, pause_s=5.0), timeout=aiohttp.ClientTimeout(total=0.2))


async def test_truncated_gzip_passes_for_a_shorter_body(call: Any, truth: bytes) -> None:
    """aiohttp gives what it could unpack and says nothing: the reason why a client must look at the stream's end."""
    got = await struck(call, mishaps.gzip_truncated())
    assert truth.startswith(got.body)
    assert len(got.body) < len(truth)


async def test_gzip_without_trailer_has_all_data_and_no_proof(call: Any, truth: bytes) -> None:
    """aiohttp takes it for whole; the raw bytes show that the stream did not end."""
    got = await struck(call, mishaps.gzip_without_trailer())
    assert (got.body, got.headers["Content-Encoding"]) == (truth, "gzip")
    call.emulator.faults.add(mishaps.gzip_without_trailer(), name="raw")
    url = f"{call.emulator.url}/api/v8/clients"
    async with aiohttp.ClientSession(auto_decompress=False) as raw, raw.get(url, headers=call.headers("t0")) as answer:
        packed = await answer.read()
    stream = zlib.decompressobj(wbits=31)
    assert (stream.decompress(packed), stream.eof) == (truth, False)


@pytest.mark.parametrize(
    ("mishap", "is_done"),
    [
        (mishaps.disconnect(), False),
        (mishaps.disconnect(carry_out=True), True),
        (mishaps.reset(), False),
        (mishaps.reset(carry_out=True), True),
        (mishaps.status(500), False),
        (mishaps.truncate(), True),
        (mishaps.wrong_type(), True),
    ],
)
async def test_write_is_done_or_not_as_the_mishap_says(call: Any, world: World, mishap: Mishap, is_done: bool) -> None:
    """Whoever lost the answer to a POST cannot know: both cases can be played."""
    call.emulator.faults.add(mishap, method="POST")
    with contextlib.suppress(aiohttp.ClientError):
        await call("POST", "/clients", json={"client": {"name": "New", "wid": 777}})
    assert call.emulator.faults.fired == {mishap.label: 1}
    assert [row.name for row in world.clients_of(777)][2:] == (["New"] if is_done else [])


@pytest.mark.parametrize("mishap", [mishaps.hang(), mishaps.slow(pieces=2, pause_s=60.0)])
async def test_stop_ends_what_still_waits(session: aiohttp.ClientSession, world: World, mishap: Mishap) -> None:
    """The emulator stops well before the wait is over, and the client sees the end of its connection."""
    emulator = Emulator(world)
    await emulator.start()
    struck = asyncio.Event()

    async def send(exchange: Exchange) -> web.StreamResponse:
        struck.set()
        return await mishap.send(exchange)

    emulator.faults.add(Mishap("noted", send))
    request = asyncio.create_task(_read(session, f"{emulator.url}/api/v8/clients"))
    async with asyncio.timeout(10):
        await struck.wait()
        async with asyncio.timeout(1):
            await emulator.stop()
        with pytest.raises((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)):
            await request


async def _read(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url) as answer:
        return await answer.read()


async def test_fault_for_one_token_spares_the_other(call: Any) -> None:
    call.emulator.faults.add(mishaps.status(500), token="bob", path="/api/v8/clients", times=None)
    assert (await call("GET", "/clients")).status == 200
    assert (await call("GET", "/clients", who="bob")).status == 500
    assert (await call("GET", "/workspaces", who="bob")).status == 200
    assert json.loads((await call("GET", "/clients")).body)
