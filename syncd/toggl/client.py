"""The thin client: sends requests, bounds time and size, retries, paces. It does not know what a project is."""

import asyncio
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import aiohttp
import tenacity

from syncd.clock import Clock, Jitter
from syncd.errors import FencedOut, OutcomeUnknown, QuotaExhausted, RateLimited, TogglError, TogglUnavailable
from syncd.toggl.answers import BodyReader, BodyTooLarge, date_of, error_of, quota_told
from syncd.toggl.breaker import Breaker, Change
from syncd.toggl.dialect import Answer, Inquiry, Request, basic_auth
from syncd.toggl.pacing import Pacer
from syncd.toggl.quota import Key, Quotas
from syncd.toggl.session import BEFORE_WRITING, tls
from syncd.toggl.traffic import Retry, Traffic

ATTEMPTS = 5
BACKOFF_FIRST_S = 0.5
BACKOFF_MOST_S = 20.0
PATIENCE_S = 60.0
"""A Retry-After up to this long is waited out inside the pull; a longer one ends it and parks the token.

A host that answers nobody is waited for as long, too.
"""

BODY_LIMIT_BYTES = 64 * 1024 * 1024
CONCURRENT_REQUESTS = 8
"""Requests of one pull that are in flight at once; pacing thins them further."""

SKEW_S = 60.0

T = TypeVar("T")

JSON = {"Content-Type": "application/json"}


@dataclass(slots=True)
class Toggl:
    """The API as one process sees it: the session, and what outlives a pull.

    That is a pacer per token, the quotas, whose they are, and whether the host answers. `on_breaker` is told when it no
    longer does, and when it does again; `on_skew`, with every answer whose Date is more than SKEW_S away from our
    clock, by how many seconds ours is ahead. `may_send`: whether a token, by name, is still this process's to ask with.
    """

    session: aiohttp.ClientSession
    base_url: str
    requests_per_second: float
    clock: Clock = field(default_factory=Clock)
    jitter: Jitter = field(default_factory=Jitter)
    sleep: Callable[[float], Any] = asyncio.sleep
    body_limit_bytes: int = BODY_LIMIT_BYTES
    on_breaker: Callable[[Change], None] = lambda _: None
    on_skew: Callable[[float], None] = lambda _: None
    may_send: Callable[[str], bool] = lambda _: True
    quotas: Quotas = field(default_factory=Quotas)
    breaker: Breaker = field(default_factory=Breaker)
    _pacers: dict[str, Pacer] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)

    def conversation(self, name: str, token: str, on_retry: Callable[[Retry], None]) -> "Conversation":
        """One pull's worth of requests with the token called `name`."""
        pacer = self._pacers.setdefault(name, Pacer(self.requests_per_second))
        return Conversation(self, name, pacer, basic_auth(token), on_retry)

    def rested(self, name: str, seconds: float) -> None:
        """The token called `name` has sent nothing for at least so long, whoever used it last."""
        pacer = self._pacers.setdefault(name, Pacer(self.requests_per_second))
        pacer.rested(self.clock.monotonic(), seconds)

    def adjusted(self, base_url: str, requests_per_second: float) -> "Toggl":
        """The same session and knowledge under another address, for new conversations, or at another pace, for all."""
        for pacer in self._pacers.values():
            pacer.configure(requests_per_second)
        return replace(self, base_url=base_url, requests_per_second=requests_per_second)

    def forget(self, names: Iterable[str]) -> None:
        """Other tokens are behind these names: their pace and their quotas are their own."""
        for name in names:
            self._pacers.pop(name, None)
            self._owners.pop(name, None)

    def owner(self, name: str) -> str:
        """Whose quotas the token called `name` draws on: see `quota.Key`."""
        return self._owners.get(name, name)

    def belongs(self, name: str, owner: str) -> None:
        """Note whose token it is. What was learnt under its own name goes to the quotas of that user."""
        before = self.owner(name)
        if before != owner:
            self._owners[name] = owner
            if before == name:
                self.quotas.rename(name, owner, self.clock.monotonic())

    def held_s(self, name: str) -> float:
        """For how many more seconds the source wants no request of the token called `name`; 0.0 if it does not care."""
        pacer = self._pacers.get(name)
        return 0.0 if pacer is None else pacer.held_s(self.clock.monotonic())


class Conversation:
    """Requests of one token during one pull. The token lives in the header only."""

    def __init__(
        self, toggl: Toggl, name: str, pacer: Pacer, authorization: str, on_retry: Callable[[Retry], None]
    ) -> None:
        self.traffic = Traffic()
        self._toggl = toggl
        self._name = name
        self._pacer = pacer
        self._headers = {"Authorization": authorization}
        self._on_retry = on_retry
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)

    async def converse(self, inquiry: Inquiry[T]) -> T:
        """Drive an inquiry of a dialect to its end.

        Raises:
            TogglError: what no retry could mend; the other requests of its batch are cancelled.
        """
        batch = next(inquiry)
        while True:
            answers = await self._send_all(batch)
            try:
                batch = inquiry.send(answers)
            except StopIteration as done:
                found: T = done.value
                return found

    async def _send_all(self, batch: Sequence[Request]) -> list[Answer]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.send(request)) for request in batch]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def send(self, request: Request) -> Answer:
        """Ask once, and again where that may help: transport errors, 5xx, 429 with a bearable Retry-After.

        A write is sent again only where it was certainly not carried out: no connection was made, or 429.

        Raises:
            OutcomeUnknown: a write that may have been carried out, or not.
            TogglError: what no retry could mend.
        """
        async with self._slots:
            try:
                return await self._attempt(request)
            except TogglError as error:
                failure = error
            return await self._again(request, failure)

    async def _again(self, request: Request, failure: TogglError) -> Answer:
        """Go on after a first attempt that failed: most do not, and keeping count of attempts takes its time, too."""
        failures = [failure]

        async def attempt() -> Answer:
            if failures:
                raise failures.pop()
            return await self._attempt(request)

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=self._backoff_s,
            retry=tenacity.retry_if_exception(partial(_may_pass, is_write=request.is_write)),
            sleep=self._pause,
            before_sleep=lambda state: self._report(request, state),
            reraise=True,
        )
        try:
            return await retrying(attempt)
        except TogglError as error:
            attempts = retrying.statistics.get("attempt_number", 1)
            self._on_retry(Retry(request.path, attempts, None, error))
            if request.is_write and isinstance(error, TogglUnavailable) and error.is_sent:
                raise OutcomeUnknown(str(error), http_status=error.http_status) from None
            raise

    async def _attempt(self, request: Request) -> Answer:
        await self._wait_until_welcome()
        toggl = self._toggl
        try:
            answer = await self._spend(request)
        except TogglError as error:
            is_down = isinstance(error, TogglUnavailable) and (error.http_status or 500) >= 500
            if is_down:
                self._note(toggl.breaker.failed(self._name, toggl.clock.monotonic()))
            elif error.http_status is not None:
                self._note(toggl.breaker.answered(self._name, toggl.clock.monotonic()))
            raise
        finally:
            toggl.breaker.forget(self._name)
        self._note(toggl.breaker.answered(self._name, toggl.clock.monotonic()))
        return answer

    async def _spend(self, request: Request) -> Answer:
        """Send within the quota; raises what the status of the answer stands for."""
        toggl, key, told = self._toggl, Key(self._toggl.owner(self._name), request.organization), None
        ticket = toggl.quotas.reserve(key, toggl.clock.monotonic(), is_write=request.is_write)
        self.traffic.requests += 1
        self.traffic.spent[request.organization] += 1
        try:
            headers, answer = await self._exchange(request)
            told = quota_told(answer.http_status, headers)
        finally:
            toggl.quotas.settle(ticket, key, toggl.clock.monotonic(), told)
        if told is not None:
            self.traffic.remaining[request.organization] = told.remaining
        self._judge(key, headers, answer)
        return answer

    def _note(self, change: Change | None) -> None:
        if change is not None:
            self._toggl.on_breaker(change)

    def _judge(self, key: Key, headers: Mapping[str, str], answer: Answer) -> None:
        """Learn from an answer how to go on. Raises the error that its status stands for, if it does."""
        now = self._toggl.clock.monotonic()
        failure = error_of(answer.request.path, answer.http_status, headers, answer.body, self._toggl.clock.now())
        if failure is None:
            self._pacer.welcomed()
            return
        if isinstance(failure, QuotaExhausted):
            self._toggl.quotas.close(key, now, failure.retry_after_s)
            self._pacer.hold_until(now + failure.retry_after_s)
        elif isinstance(failure, RateLimited):
            self._pacer.refused(now, failure.retry_after_s)
        raise failure

    async def _exchange(self, request: Request) -> tuple[Mapping[str, str], Answer]:
        """Send, and read to the end: the headers, and what the dialect may see."""
        toggl, where = self._toggl, self._toggl.base_url + request.path
        http_status: int | None = None
        BEFORE_WRITING.set(self._before_writing)
        try:
            async with toggl.session.request(
                request.method,
                where,
                params=request.query,
                data=request.body,
                headers=self._headers if request.body is None else {**self._headers, **JSON},
                allow_redirects=False,
                middlewares=(_only_once,) if request.is_write else (),
                ssl=tls() if where.startswith("https:") else True,
            ) as response:
                http_status = response.status
                date = date_of(response.headers)
                self._compare_clocks(date)
                body = await self._body(response)
        except aiohttp.ClientSSLError as error:  # a person must mend certificates: trying again at once is noise
            raise TogglUnavailable(f"{where}: TLS failed: {_reason(error)}", passing=False, is_sent=False) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            is_sent = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
            raise TogglUnavailable(f"{where}: no answer: {_reason(error)}", is_sent=is_sent) from None
        finally:
            self.traffic.answers[http_status] += 1
        is_framed = _is_framed(response.headers)
        return response.headers, Answer(request, response.status, body, response.content_type, is_framed, date)

    def _compare_clocks(self, date: datetime | None) -> None:
        offset_s = 0.0 if date is None else (self._toggl.clock.now() - date).total_seconds()
        if abs(offset_s) > SKEW_S:
            self._toggl.on_skew(offset_s)

    async def _wait_until_welcome(self) -> None:
        """Wait for a slot of our own pace, and until the host is known to answer.

        Raises:
            TogglUnavailable: it has answered nobody for longer than we are patient.
        """
        toggl, waited_s = self._toggl, 0.0
        await self._take_turn()
        while wait_s := toggl.breaker.wait_s(self._name, toggl.clock.monotonic()):
            if waited_s + wait_s > PATIENCE_S:
                problem = f"{toggl.base_url}: answers nobody; next request in {wait_s:.0f} s"
                raise TogglUnavailable(problem, passing=False, is_sent=False)
            waited_s += wait_s
            await self._pause(wait_s)
            await self._take_turn()

    async def _take_turn(self) -> None:
        """Wait for a slot, and for another one if the source asked for silence while we waited."""
        clock, pacer = self._toggl.clock, self._pacer
        slot = await self._wait_for_slot()
        while True:
            if pacer.is_held(slot):
                slot = await self._wait_for_slot()
            elif missing_s := pacer.leave(clock.monotonic()):
                await self._pause(missing_s)
            else:
                return

    async def _before_writing(self) -> None:
        """With a connection at hand: wait until the last request that was written is an interval ago.

        Raises:
            FencedOut: the token may be another's. Asked no earlier, for a machine may sleep while it connects.
        """
        while missing_s := self._pacer.write(self._toggl.clock.monotonic()):
            await self._pause(missing_s)
        if not self._toggl.may_send(self._name):
            raise FencedOut("this process was silent for too long; another one may have the token")

    async def _wait_for_slot(self) -> float:
        now = self._toggl.clock.monotonic()
        wait_s = self._pacer.reserve(now)
        await self._pause(wait_s)
        return now + wait_s

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        try:
            reader = BodyReader(response.headers.get("Content-Encoding", ""), self._toggl.body_limit_bytes)
            async for chunk in response.content.iter_any():
                self.traffic.received_bytes += len(chunk)
                reader.feed(chunk)
            return reader.body()
        except BodyTooLarge:
            problem, passing = f"the body passes {self._toggl.body_limit_bytes:,} bytes", False
        except (ValueError, EOFError, zlib.error) as error:
            problem, passing = f"the body is damaged: {error}", True
        response.close()  # whatever follows on this connection belongs to nobody
        where = response.url.path
        raise TogglUnavailable(f"{where}: {problem}", http_status=response.status, passing=passing)

    def _backoff_s(self, state: tenacity.RetryCallState) -> float:
        """Full jitter under a doubling ceiling; after 429 the pacer already holds, so no second wait is added."""
        error = state.outcome and state.outcome.exception()
        if isinstance(error, RateLimited):
            return 0.0
        ceiling_s = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0 ** (state.attempt_number - 1))
        return self._toggl.jitter.full(ceiling_s)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self.traffic.waited_s += seconds
            await self._toggl.sleep(seconds)

    def _report(self, request: Request, state: tenacity.RetryCallState) -> None:
        self.traffic.retries += 1
        error = state.outcome and state.outcome.exception()
        if isinstance(error, TogglError):
            wait_s = error.retry_after_s if isinstance(error, RateLimited) else state.upcoming_sleep
            self._on_retry(Retry(request.path, state.attempt_number, wait_s, error))


class _BrokenOff(aiohttp.ClientConnectionError):
    """The connection broke after a write began to be sent; its cause tells how."""


async def _only_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a write.

    By itself it sends PUT and DELETE a second time when the connection breaks (RFC 9112, section 9.3.1 allows that for
    idempotent methods); it does so for two kinds of error only (aiohttp 3.14, `ClientSession._request`), so they become
    a third one.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenOff from error


def _may_pass(error: BaseException, *, is_write: bool) -> bool:
    if isinstance(error, RateLimited):
        return error.http_status == 429 and error.retry_after_s <= PATIENCE_S
    return isinstance(error, TogglUnavailable) and error.passing and not (is_write and error.is_sent)


def _is_framed(headers: Mapping[str, str]) -> bool:
    return "Content-Length" in headers or headers.get("Transfer-Encoding", "").lower().endswith("chunked")


def _reason(error: BaseException) -> str:
    """What went wrong below HTTP, without `repr`, which for some aiohttp errors prints the request's headers."""
    if isinstance(error, _BrokenOff) and error.__cause__ is not None:
        error = error.__cause__
    number = getattr(error, "errno", None)
    return f"{type(error).__name__}: {os.strerror(number)}" if number and number > 0 else type(error).__name__
