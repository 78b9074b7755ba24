"""The thin client against a real server that misbehaves on purpose. Waits are recorded, not waited."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from syncd.clock import Jitter
from syncd.emulator import mishaps, seed
from syncd.emulator.faults import Mishap
from syncd.emulator.server import Emulator
from syncd.errors import ContractChanged, FencedOut, QuotaExhausted, RateLimited, TogglError, TogglUnavailable
from syncd.toggl import v8
from syncd.toggl.breaker import FAILURES, Change
from syncd.toggl.client import ATTEMPTS, PATIENCE_S, Conversation, Toggl
from syncd.toggl.dialect import Answer, ListingPlan, Request, basic_auth
from syncd.toggl.session import open_session
from syncd.toggl.traffic import Retry
from tests.clocks import StillClock
from tests.servers import serve_handler, unused_port

SHORT = aiohttp.ClientTimeout(total=2, sock_connect=1, sock_read=0.3)


@dataclass(slots=True)
class Bench:
    """An emulator, a client on it, and what both noted."""

    emulator: Emulator
    clock: StillClock
    toggl: Toggl
    token: str
    retries: list[Retry] = field(default_factory=list)

    def conversation(self) -> Conversation:
        return self.toggl.conversation("t0", self.token, self.retries.append)

    async def fail(self) -> TogglError:
        """Ask for the clients; the error that ends it."""
        with pytest.raises(TogglError) as caught:
            await self.conversation().send(v8.CLIENTS)
        return caught.value


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    world = seed.documented()
    async with Emulator(world) as emulator, open_session(SHORT) as session:
        clock = StillClock()
        toggl = Toggl(session, emulator.url, 0, clock, Jitter(Random(1)), clock.sleep, body_limit_bytes=100_000)
        yield Bench(emulator, clock, toggl, world.tokens["t0"])


async def test_an_answer_comes_back_as_it_is(bench: Bench) -> None:
    """Status, body, type and framing; one request."""
    conversation = bench.conversation()
    answer = await conversation.send(v8.CLIENTS)
    assert (answer.http_status, answer.content_type, answer.framed) == (200, "application/json", True)
    assert b"Very Big Company" in answer.body
    assert (conversation.traffic.requests, conversation.traffic.retries) == (1, 0)
    assert conversation.traffic.received_bytes == len(answer.body)


@pytest.mark.parametrize("mishap", [mishaps.garbage(), mishaps.truncate(), mishaps.disconnect()], ids=lambda m: m.label)
async def test_no_error_shows_the_request(bench: Bench, mishap: Mishap) -> None:
    """Some errors of the library write its headers, and with them the token, when they are represented."""
    bench.emulator.faults.add(mishap, times=None)
    error = await bench.fail()
    shown = str(error) + repr(error) + repr(error.__cause__)
    header = basic_auth(bench.token).removeprefix("Basic ")
    assert header not in shown
    assert bench.token not in shown
    assert "Authorization" not in shown


async def test_a_4xx_is_an_answer_and_not_tried_again(bench: Bench) -> None:
    """The dialect knows what it asked."""
    answer = await bench.conversation().send(v8.client_projects(1))
    assert (answer.http_status, bench.emulator.requests.total()) == (404, 1)


@pytest.mark.parametrize(
    "mishap",
    [
        mishaps.status(500),
        mishaps.status(503, b"<html>", content_type="text/html"),
        mishaps.disconnect(),
        mishaps.reset(),
        mishaps.garbage(),
        mishaps.hang(),
        mishaps.truncate(),
        mishaps.cut_chunked(),
        mishaps.gzip_truncated(),
        mishaps.gzip_without_trailer(),
        mishaps.slow(pieces=4, pause_s=0.5),
    ],
    ids=lambda mishap: mishap.label,
)
async def test_what_may_pass_is_tried_again(bench: Bench, mishap: Mishap) -> None:
    """Once is no matter; for ever ends in TogglUnavailable after all attempts."""
    fault = bench.emulator.faults.add(mishap)
    answer = await bench.conversation().send(v8.CLIENTS)
    assert (answer.http_status, fault.fired) == (200, 1)
    lasting = bench.emulator.faults.add(mishap, times=None)
    error = await bench.fail()
    assert isinstance(error, TogglUnavailable)
    assert lasting.fired >= ATTEMPTS


async def test_backoff_doubles_with_full_jitter(bench: Bench) -> None:
    """Between nothing and the ceiling, which doubles; the last attempt is followed by no wait."""
    bench.emulator.faults.add(mishaps.status(500), times=None)
    await bench.fail()
    assert len(bench.clock.sleeps) == ATTEMPTS - 1
    assert all(0 <= slept <= 0.5 * 2**n for n, slept in enumerate(bench.clock.sleeps))
    assert [(r.attempt, r.wait_s is None) for r in bench.retries] == [
        (n, n == ATTEMPTS) for n in range(1, ATTEMPTS + 1)
    ]


async def test_a_bearable_retry_after_is_waited_out(bench: Bench) -> None:
    """By everybody who talks with this token, not only by who was told."""
    bench.emulator.faults.add(mishaps.status(429, headers={"Retry-After": "7"}), times=2)
    answer = await bench.conversation().send(v8.CLIENTS)
    assert (answer.http_status, bench.clock.sleeps) == (200, [7.0, 7.0])


async def test_a_long_retry_after_ends_the_pull(bench: Bench) -> None:
    """Whoever parks the token is told for how long; nothing is waited."""
    bench.emulator.faults.add(mishaps.status(429, headers={"Retry-After": str(PATIENCE_S + 1)}), times=None)
    error = await bench.fail()
    assert isinstance(error, RateLimited)
    assert (error.retry_after_s, bench.clock.sleeps) == (PATIENCE_S + 1, [])
    assert bench.emulator.requests.total() == 1


async def test_a_used_up_quota_is_not_tried_again(bench: Bench) -> None:
    """402 costs a request each time."""
    headers = {"X-Toggl-Quota-Remaining": "0", "X-Toggl-Quota-Resets-In": "3"}
    bench.emulator.faults.add(mishaps.status(402, headers=headers), times=None)
    error = await bench.fail()
    assert isinstance(error, QuotaExhausted)
    assert (error.retry_after_s, bench.emulator.requests.total()) == (3.0, 1)


async def test_a_redirect_is_refused_and_the_token_stays(bench: Bench) -> None:
    """Wherever it points."""
    seen: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", ""))
        return web.json_response([])

    async with serve_handler(elsewhere) as url:
        bench.emulator.faults.add(mishaps.redirect(f"{url}/api/v8/clients", 307), times=None)
        error = await bench.fail()
    assert isinstance(error, ContractChanged)
    assert seen == []


@pytest.mark.parametrize("mishap", [mishaps.gzip_bomb(8 << 20), mishaps.huge(8 << 20)], ids=lambda m: m.label)
async def test_a_body_beyond_the_cap_ends_the_pull(bench: Bench, mishap: Mishap) -> None:
    """At the cap, not at the end of the body, and without another try."""
    bench.emulator.faults.add(mishap, times=None)
    error = await bench.fail()
    assert isinstance(error, TogglUnavailable)
    assert (error.passing, bench.emulator.requests.total()) == (False, 1)
    assert "100,000 bytes" in str(error)


async def test_a_body_without_length_is_marked(bench: Bench) -> None:
    """Nobody can tell whether it is all there."""
    bench.emulator.faults.add(mishaps.unframed())
    answer = await bench.conversation().send(v8.CLIENTS)
    assert (answer.http_status, answer.framed) == (200, False)


async def test_requests_are_paced_per_token(bench: Bench) -> None:
    """Another pull of the same token continues the line, another token has its own."""
    bench.toggl.requests_per_second = 2.0
    for _ in range(3):
        await bench.conversation().send(v8.CLIENTS)
    assert bench.clock.sleeps == [0.5, 0.5]
    await bench.toggl.conversation("other", bench.token, bench.retries.append).send(v8.CLIENTS)
    assert len(bench.clock.sleeps) == 2


async def test_a_request_held_up_before_the_wire_keeps_the_next_one_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine sleeps between a turn and the wire: what has its turn upon waking is written an interval later."""
    clock, both_turns, first_arrived = bench.clock, asyncio.Barrier(2), asyncio.Event()
    connector, arrived = bench.toggl.session.connector, list[float]()
    assert connector is not None
    connect = connector.connect

    async def fall_asleep(*args: Any, **more: Any) -> Any:
        clock.at = 30.0
        await both_turns.wait()
        return await connect(*args, **more)

    async def note(_request: web.BaseRequest) -> web.StreamResponse:
        arrived.append(clock.at)
        first_arrived.set()
        return web.json_response([])

    async def sleep(seconds: float) -> None:
        await first_arrived.wait()
        await clock.sleep(seconds)

    monkeypatch.setattr(connector, "connect", fall_asleep)
    async with serve_handler(note) as url:
        toggl = Toggl(bench.toggl.session, url, 1.0, clock, sleep=sleep)
        conversation = toggl.conversation("t", "x", lambda _: None)
        await asyncio.gather(conversation.send(v8.CLIENTS), conversation.send(v8.CLIENTS))
    assert arrived == [30.0, 31.0]


async def test_who_lost_the_token_while_connecting_writes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine sleeps between a turn and the wire, and wakes when another one may have taken over."""
    clock, toggl, connector = bench.clock, bench.toggl, bench.toggl.session.connector
    assert connector is not None
    connect = connector.connect

    async def fall_asleep(*args: Any, **more: Any) -> Any:
        clock.at = 30.0
        return await connect(*args, **more)

    monkeypatch.setattr(connector, "connect", fall_asleep)
    monkeypatch.setattr(toggl, "may_send", lambda _: clock.at < 8.0)
    with pytest.raises(FencedOut):
        await bench.conversation().send(v8.CLIENTS)
    assert bench.emulator.requests.total() == 0


async def test_a_failed_request_cancels_the_rest_of_its_batch(bench: Bench) -> None:
    """A pull that cannot succeed stops asking."""
    bench.emulator.faults.add(mishaps.status(429, headers={"Retry-After": "600"}), path="/api/v8/clients/", times=None)
    with pytest.raises(RateLimited):
        await bench.conversation().converse(v8.listing(ListingPlan("client")))
    assert bench.emulator.requests.total() <= 2 + 2


async def test_nobody_answers() -> None:
    """A refused connection names the place and the reason, and shows no header."""
    async with open_session(SHORT) as session:
        clock = StillClock()
        url = f"http://127.0.0.1:{unused_port()}"
        toggl = Toggl(session, url, 0, clock, Jitter(Random(1)), clock.sleep)
        with pytest.raises(TogglUnavailable, match=f"{url}/api/v8/clients: no answer: .*refused"):
            await toggl.conversation("t", "secret-token", lambda _: None).send(v8.CLIENTS)


async def test_connections_are_reused(bench: Bench) -> None:
    """A pull of many clients does not open a connection each."""
    seen: set[object] = set()

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        seen.add(request.transport)
        return web.json_response([])

    async with serve_handler(note) as url:
        toggl = Toggl(bench.toggl.session, url, 0, bench.clock)
        conversation = toggl.conversation("t", "x", lambda _: None)
        answers: list[Answer] = [await conversation.send(v8.client_projects(n)) for n in range(1, 21)]
    assert (len(answers), len(seen)) == (20, 1)


@pytest.mark.parametrize("remaining", [0, 3])
async def test_no_request_leaves_beyond_the_quota(bench: Bench, remaining: int) -> None:
    """What an answer says is heeded by the next request, of another pull too; changes may use what pulls leave."""
    headers = {"X-Toggl-Quota-Remaining": str(remaining), "X-Toggl-Quota-Resets-In": "100"}
    bench.emulator.faults.add(mishaps.status(200, b"[]", headers=headers), times=None)
    conversation = bench.conversation()
    await conversation.send(v8.CLIENTS)
    error = await bench.fail()
    assert isinstance(error, QuotaExhausted)
    assert (bench.emulator.requests.total(), conversation.traffic.quota_remaining) == (1, remaining)
    assert 100.0 <= error.retry_after_s <= 102.0
    await conversation.send(Request(v8.CLIENTS.path, organization=7))
    if remaining:
        await conversation.send(Request(v8.CLIENTS.path, method="POST", body=b"{}"))
    assert conversation.traffic.spent == {None: 2, 7: 1} if remaining else {None: 1, 7: 1}


async def test_tokens_of_one_user_share_their_quota(bench: Bench) -> None:
    """What one was told keeps the other from asking."""
    headers = {"X-Toggl-Quota-Remaining": "1", "X-Toggl-Quota-Resets-In": "100"}
    bench.emulator.faults.add(mishaps.status(200, b"[]", headers=headers), times=None)
    bench.toggl.belongs("other", "#1")
    await bench.toggl.conversation("other", bench.token, bench.retries.append).send(v8.CLIENTS)
    bench.toggl.belongs("t0", "#1")
    assert isinstance(await bench.fail(), QuotaExhausted)


async def test_a_429_slows_the_token_down(bench: Bench) -> None:
    """Requests leave further apart than configured, for a while."""
    bench.toggl.requests_per_second = 1.0
    bench.emulator.faults.add(mishaps.status(429, headers={"Retry-After": "7"}), times=1)
    for _ in range(3):
        await bench.conversation().send(v8.CLIENTS)
    assert bench.clock.sleeps == [pytest.approx(s) for s in (7.0, 1.5, 1.5 * 0.95)]


async def test_a_host_that_answers_nobody_is_left_alone() -> None:
    """Failures of two tokens open the breaker: from then on one request at a time, and every wait is bounded."""
    asked, changes, is_down = list[str](), list[Change](), [True]

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.headers["Authorization"])
        return web.Response(status=503) if is_down[0] else web.json_response([])

    async with serve_handler(serve) as url, open_session(SHORT) as session:
        clock = StillClock()
        toggl = Toggl(session, url, 0, clock, Jitter(Random(1)), clock.sleep, on_breaker=changes.append)
        talks = [toggl.conversation(name, name, lambda _: None) for name in ("a", "b", "c")]
        for talk in talks[:2]:
            with pytest.raises(TogglUnavailable):
                await talk.send(v8.CLIENTS)
        assert len(asked) == 2 * ATTEMPTS
        assert max(clock.sleeps) > 20
        assert [change.is_open for change in changes] == [True]
        is_down[0] = False
        assert (await talks[2].send(v8.CLIENTS)).http_status == 200
        assert [change.is_open for change in changes] == [True, False]
        assert (await talks[0].send(v8.CLIENTS)).http_status == 200


@pytest.mark.parametrize("http_status", [402, 403, 404, 429])
async def test_a_refusal_shows_that_the_host_works(bench: Bench, http_status: int) -> None:
    """However many tokens it refuses."""
    bench.emulator.faults.add(mishaps.status(http_status, headers={"Retry-After": "100"}), times=None)
    for name in "abcdefgh":
        with contextlib.suppress(TogglError):
            await bench.toggl.conversation(name, bench.token, bench.retries.append).send(v8.CLIENTS)
    assert bench.toggl.breaker.wait_s("i", bench.clock.monotonic()) == 0.0


async def test_a_cancelled_request_is_no_probe(bench: Bench) -> None:
    """Somebody else finds out whether the host is back."""
    asked = asyncio.Event()

    async def hang(_: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with serve_handler(hang) as url:
        toggl = Toggl(bench.toggl.session, url, 0, bench.clock)
        for n in range(FAILURES):
            toggl.breaker.failed("ab"[n % 2], 0.0)
        bench.clock.at = 100.0
        probe = asyncio.create_task(toggl.conversation("a", "x", bench.retries.append).send(v8.CLIENTS))
        await asked.wait()
        assert toggl.breaker.wait_s("b", 100.0) > 0
        probe.cancel()
        await asyncio.wait([probe])
    assert toggl.breaker.wait_s("b", 100.0) == 0.0


@pytest.mark.parametrize("offset_s", [-61, -60, 0, 60, 61])
async def test_clocks_that_differ_by_more_than_a_minute_are_told_of(offset_s: int) -> None:
    """By the Date of an answer."""
    told: list[float] = []
    clock = StillClock()
    world = seed.documented(lambda: clock.now() - timedelta(seconds=offset_s))
    async with Emulator(world) as emulator, open_session(SHORT) as session:
        toggl = Toggl(session, emulator.url, 0, clock, sleep=clock.sleep, on_skew=told.append)
        await toggl.conversation("t0", world.tokens["t0"], lambda _: None).send(v8.CLIENTS)
    assert told == ([offset_s] if abs(offset_s) > 60 else [])
