"""A source, a mirror and a puller between them, on one event loop that synchronous rules can step.

Every pull is watched: its answers are kept as they came, and it can be held back at a place of its conversation and
be let go in a later rule. While no rule runs, the loop stands still.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, TypeVar

import aiohttp
from pydantic import SecretStr

from syncd.clock import Clock, Jitter
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.postgres.pool import open_pool
from syncd.postgres.registry import Entry, Registry
from syncd.postgres.store import Store
from syncd.records import RESOURCES, Resource
from syncd.service.clients import Clients
from syncd.sync.deletes import DeleteRules
from syncd.sync.pull import Puller, Rules, Subject
from syncd.sync.report import PullReport
from syncd.toggl import v8
from syncd.toggl.client import Conversation, Toggl
from syncd.toggl.dialect import Answer, Dialect, Inquiry, Request, basic_auth
from syncd.toggl.session import open_session
from syncd.toggl.traffic import Retry
from syncd.toggl.v8_writes import V8Clients
from syncd.tokens import Token

T = TypeVar("T")

EVERYTHING = tuple(RESOURCES)
PATIENT = aiohttp.ClientTimeout(total=30)
IMPATIENT = aiohttp.ClientTimeout(total=0.1)
BODY_LIMIT_BYTES = 100_000
PLACES = ("workspaces", "clients", "first projects", "tags", "all answers")
"""Where a pull can be held: an answer has come, and what follows has not been asked."""


async def no_sleep(_seconds: float) -> None:
    """Backoff and pacing take no time here."""


@dataclass(eq=False)
class Turn:
    """One pull, from its start to its report.

    `began`: the model's step. `hold`: the place where it is held. `asking`: requests without an answer yet;
    `answered`: there is none.
    """

    token: str
    began: int
    hold: str | None = None
    answers: list[tuple[str, int, bytes]] = field(default_factory=list)
    asking: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[PullReport] | None = None

    @property
    def report(self) -> PullReport:
        assert self.task is not None
        return self.task.result()

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.done()

    async def wait_at(self, place: str) -> None:
        if place == self.hold:
            self.reached.set()
            await self.gate.wait()


class WatchedConversation(Conversation):
    """Keeps the answers, and stops where its turn is to be held."""

    turn: Turn

    async def send(self, request: Request) -> Answer:
        self.turn.asking += 1
        self.turn.answered.clear()
        try:
            answer = await super().send(request)
        finally:
            self.turn.asking -= 1
            if not self.turn.asking:
                self.turn.answered.set()
        is_first = not any(path.endswith("/projects") for path, _, _ in self.turn.answers)
        self.turn.answers.append((request.path, answer.http_status, answer.body))
        place = request.path.rsplit("/", 1)[-1]
        if place != "projects":
            await self.turn.wait_at(place)
        elif is_first:
            await self.turn.wait_at("first projects")
        return answer

    async def converse(self, inquiry: Inquiry[T]) -> T:
        found = await super().converse(inquiry)
        await self.turn.wait_at("all answers")
        return found


@dataclass(slots=True)
class WatchedToggl(Toggl):
    """Hands each conversation the turn it belongs to, in the order in which the turns of a token began."""

    turns: dict[str, list[Turn]] = field(default_factory=dict)

    def conversation(self, name: str, token: str, on_retry: Callable[[Retry], None]) -> Conversation:
        pacer = Toggl.conversation(self, name, token, on_retry)._pacer
        watched = WatchedConversation(self, name, pacer, basic_auth(token), on_retry)
        watched.turn = self.turns[name].pop(0)
        return watched


class Stage:
    """Opened at once; `close` it. Its methods run the loop until they are done."""

    def __init__(
        self,
        url: str,
        world: World,
        *,
        projects: str,
        deletes: DeleteRules,
        resources: Sequence[Resource] = EVERYTHING,
        dialect: Dialect = v8.DIALECT,
    ) -> None:
        self.world = world
        self._dialect = dialect
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._turns: dict[str, list[Turn]] = {}
        rules = Rules(projects, timedelta(minutes=5), timedelta(days=1), deletes, tuple(resources))
        self.run(self._open(url, rules))

    async def _open(self, url: str, rules: Rules) -> None:
        self.emulator = Emulator(self.world)
        await self.emulator.start()
        self.database = Database(await open_pool(url, size=6, connect_timeout_s=20), "the test's database")
        self.registry = Registry(self.database)
        self._sessions = [open_session(PATIENT), open_session(IMPATIENT)]
        self._rules = rules
        self.restart()

    def restart(self) -> None:
        """A new process knows nothing of quotas and holds but what the database tells."""
        self._pullers = [self._puller(session, self._rules) for session in self._sessions]

    def _puller(self, session: aiohttp.ClientSession, rules: Rules) -> Puller:
        toggl = WatchedToggl(
            session, self.emulator.url, 0, Clock(), Jitter(Random(1)), no_sleep, BODY_LIMIT_BYTES, turns=self._turns
        )
        return Puller(toggl, self._dialect, Store(self.database), rules, Clock(), lambda _name, _retry: None)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def close(self) -> None:
        """Whatever still runs is cancelled."""
        try:
            self.run(self._close())
        finally:
            self._runner.close()

    async def _close(self) -> None:
        for session in self._sessions:
            await session.close()
        await self.emulator.stop()
        await self.database.pool.close()

    # Pulls ------------------------------------------------------------------------------------------------------

    async def begin(self, turn: Turn, *, full: bool = False, impatient: bool = False) -> None:
        """Start a pull, and come back when it is held or over."""
        subject = Subject(turn.token, self.world.users[turn.token].token)
        self._turns.setdefault(turn.token, []).append(turn)
        turn.task = asyncio.create_task(self._pullers[impatient].pull(subject, full=full))
        reached = asyncio.create_task(turn.reached.wait())
        await asyncio.wait({turn.task, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        if turn.reached.is_set():  # what was asked at the same time is answered at the same time
            await turn.answered.wait()

    async def release(self, turn: Turn) -> None:
        """Let a held pull go on, to its end."""
        turn.gate.set()
        assert turn.task is not None
        await turn.task

    async def write(self, token: str, errand: Callable[[Clients], Coroutine[Any, Any, Any]]) -> tuple[bool, list[str]]:
        """Write as a token, as the commands do: whether it was fenced, and what the person was told of the mirror.

        Raises:
            TogglError: the source refused.
        """
        secret = self.world.users[token].token
        toggl = Toggl(self._sessions[0], self.emulator.url, 0, Clock(), Jitter(Random(1)), no_sleep)
        as_whom = Token(token, SecretStr(secret), (), timedelta(minutes=5), 0)
        clients = Clients(V8Clients(), as_whom, toggl.conversation(token, secret, lambda _: None), self.database, "")
        query = "SELECT pull_id FROM syncd.tokens WHERE name = $1"
        before = await self.rows(query, token)
        await errand(clients)
        return await self.rows(query, token) != before, clients.notes

    # The database -------------------------------------------------------------------------------------------------

    async def register(self, names: Sequence[str]) -> None:
        """These tokens and no others, in this order of rank."""
        minutes = timedelta(minutes=5)
        entries = [Entry(name, rank, minutes, f"fp {name}") for rank, name in enumerate(names)]
        await self.registry.register(entries, self._rules.resources)

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        async with self.database.connection() as connection:
            return await connection.fetch(query, *arguments)

    def age_absences(self, hours: int = 1) -> None:
        """What is missing went missing so much earlier: time passes for the deletes that wait."""
        query = """
            UPDATE syncd.scopes SET absent = (
                SELECT coalesce(jsonb_agg(jsonb_set(c, '{since}', to_jsonb(to_char(
                    (c ->> 'since')::timestamptz - make_interval(hours => $1), 'YYYY-MM-DD"T"HH24:MI:SS.USOF:00'))
                    ) ORDER BY n), '[]')
                FROM jsonb_array_elements(absent) WITH ORDINALITY AS a (c, n))
            WHERE absent <> '[]'"""
        self.run(self.rows(query, hours))

    def age_comparisons(self) -> None:
        """The last full comparisons were days ago."""
        self.run(self.rows("UPDATE syncd.tokens SET last_full_at = last_full_at - interval '2 days'"))

    def forget_rejections(self) -> None:
        """What a person decided not to delete is open again."""
        query = """UPDATE syncd.decisions SET expires_at = now() - interval '1 second'
                   WHERE decision = 'reject' AND expires_at > now() RETURNING token"""
        tokens = {row["token"] for row in self.run(self.rows(query))}
        if tokens:
            self.run(self.registry.pull_soon(sorted(tokens)))
