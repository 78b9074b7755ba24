"""How writes are sent: once, unless it is certain that the first one was not carried out."""

from collections.abc import AsyncIterator
from random import Random

import aiohttp
import pytest

from syncd.clock import Jitter
from syncd.emulator import mishaps, seed
from syncd.emulator.faults import Mishap
from syncd.emulator.server import Emulator
from syncd.errors import ContractChanged, OutcomeUnknown, RateLimited, TogglUnavailable
from syncd.toggl.client import ATTEMPTS, PATIENCE_S, Conversation, Toggl
from syncd.toggl.dialect import Request
from syncd.toggl.session import open_session
from tests.clocks import StillClock
from tests.servers import unused_port

SHORT = aiohttp.ClientTimeout(total=2, sock_connect=1, sock_read=0.3)
RENAMED = b'{"client":{"name":"Renamed"}}'
CREATE = Request("/api/v8/clients", method="POST", body=b'{"client":{"name":"New","wid":777}}')
UPDATE = Request("/api/v8/clients/1239455", method="PUT", body=RENAMED)
DELETE = Request("/api/v8/clients/1239455", method="DELETE")
WRITES = pytest.mark.parametrize("write", [CREATE, UPDATE, DELETE], ids=lambda request: request.method)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(seed.documented()) as emulator:
        yield emulator


@pytest.fixture
async def conversation(emulator: Emulator) -> AsyncIterator[Conversation]:
    async with open_session(SHORT, force_close=True) as session:
        yield talk(session, emulator.url)


def talk(session: aiohttp.ClientSession, base_url: str) -> Conversation:
    clock = StillClock()
    toggl = Toggl(session, base_url, 0, clock, Jitter(Random(1)), clock.sleep)
    return toggl.conversation("t0", seed.DOCUMENTED_TOKEN, lambda _: None)


def sent(emulator: Emulator, write: Request) -> int:
    return sum(line.method == write.method for line in emulator.log)


@WRITES
async def test_a_write_arrives(conversation: Conversation, emulator: Emulator, write: Request) -> None:
    """Method, body and content type: the emulator takes no other."""
    assert (await conversation.send(write)).http_status == 200
    assert sent(emulator, write) == 1


LOST = [
    mishaps.disconnect(carry_out=True),
    mishaps.reset(carry_out=True),
    mishaps.disconnect(),
    mishaps.hang(),
    mishaps.garbage(),
    mishaps.status(500),
    mishaps.status(502, b"<html>"),
]


@WRITES
@pytest.mark.parametrize("mishap", LOST, ids=lambda mishap: mishap.label)
async def test_a_write_without_an_answer_is_not_repeated(
    conversation: Conversation, emulator: Emulator, write: Request, mishap: Mishap
) -> None:
    """aiohttp by itself would send PUT and DELETE a second time, and a retry all of them."""
    emulator.faults.add(mishap)
    with pytest.raises(OutcomeUnknown):
        await conversation.send(write)
    assert emulator.requests.total() == 1


async def test_half_an_answer_is_none(conversation: Conversation, emulator: Emulator) -> None:
    """The status came, the row did not."""
    emulator.faults.add(mishaps.truncate())
    with pytest.raises(OutcomeUnknown):
        await conversation.send(CREATE)
    assert emulator.requests.total() == 1


@WRITES
async def test_a_write_that_was_told_to_wait_is_sent_again(
    conversation: Conversation, emulator: Emulator, write: Request
) -> None:
    """429: it was certainly not carried out. Where the wait is too long it is not sent again at all."""
    emulator.faults.add(mishaps.status(429, headers={"Retry-After": "2"}))
    assert (await conversation.send(write)).http_status == 200
    assert sent(emulator, write) == 2
    emulator.faults.add(mishaps.status(429, headers={"Retry-After": str(PATIENCE_S + 1)}))
    with pytest.raises(RateLimited):
        await conversation.send(write)
    assert sent(emulator, write) == 3


@WRITES
async def test_a_write_that_never_left_is_tried_again(write: Request) -> None:
    """Nobody listens: nothing was sent, and nothing is unknown."""
    async with open_session(SHORT, force_close=True) as session:
        conversation = talk(session, f"http://127.0.0.1:{unused_port()}")
        with pytest.raises(TogglUnavailable) as caught:
            await conversation.send(write)
    assert not caught.value.is_sent
    assert conversation.traffic.requests == ATTEMPTS


@WRITES
async def test_a_write_is_not_carried_elsewhere(conversation: Conversation, emulator: Emulator, write: Request) -> None:
    """A redirect is refused, and the other place hears nothing."""
    async with Emulator(seed.documented()) as other:
        emulator.faults.add(mishaps.redirect(other.url + write.path, 307))
        with pytest.raises(ContractChanged):
            await conversation.send(write)
    assert not other.log
    assert sent(emulator, write) == 1
