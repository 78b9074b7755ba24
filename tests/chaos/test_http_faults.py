"""Whatever the network or the source answer, no live row becomes a tombstone.

Every fault strikes at every position of a pull: the list of workspaces, that of clients, the first list of projects and
a later one, whether projects are listed by workspace or by client, and that of tags. Deletes are as eager as they can
be configured, each scope has a dozen live rows, and the fault lasts for more pulls than a delete needs confirmations.
Nothing is deleted at the source, so whatever is buried is a lie. Edits tell which parts are still applied.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import aiohttp
import pytest
import pytest_asyncio

from syncd.emulator import mishaps
from syncd.emulator.faults import Fault, Mishap
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.errors import ContractChanged, QuotaExhausted, RateLimited, SyncdError, TogglUnavailable, TokenRejected
from syncd.postgres.migrate import Connection
from syncd.records import Resource
from syncd.sync.pull import Puller, Subject
from syncd.toggl.session import open_session
from tests.chaos.kit import (
    EAGER,
    IS_DEEP,
    PROOFS_MOST,
    TOKEN,
    WORKSPACES,
    Calendar,
    Databases,
    Source,
    assert_mirrors,
    looking_at,
    of_each,
    pool_of,
    pull_afresh,
    register,
    rules,
    sourced,
    tombstones_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 12
T0 = Subject("t0", TOKEN)
FAULTY_PULLS = EAGER.confirmations + 1
HASTY = aiohttp.ClientTimeout(total=0.2, sock_connect=1, sock_read=0.1)
"""For servers that take their time."""

RESOURCES: tuple[Resource, ...] = ("client", "project", "tag")
Position = Literal["workspaces", "clients", "first projects", "later projects", "tags"]
Strategy = Literal["workspace", "client"]
PATHS: dict[tuple[Strategy, Position], str] = {
    ("workspace", "workspaces"): "/api/v8/workspaces",
    ("workspace", "clients"): "/api/v8/clients",
    ("workspace", "first projects"): "/api/v8/workspaces/1/projects",
    ("workspace", "later projects"): "/api/v8/workspaces/2/projects",
    ("workspace", "tags"): "/api/v8/workspaces/1/tags",
    ("client", "first projects"): "/api/v8/clients/1000/projects",
    ("client", "later projects"): "/api/v8/clients/2000/projects",
}


class Outcome(NamedTuple):
    """What a pull comes to: `error` ends it and nothing is written; without one it is fresh, and says `reason`.

    `loses`: edits in the list that was hit do not arrive, as long as the fault lasts.
    """

    error: type[SyncdError] | None = None
    reason: str = ""
    loses: bool = False


UNAVAILABLE, CONTRACT = Outcome(TogglUnavailable), Outcome(ContractChanged)
REJECTED, LIMITED, QUOTA = Outcome(TokenRejected), Outcome(RateLimited), Outcome(QuotaExhausted)
OTHERWISE = Outcome()
"""The server does not offer this list: what is needed is learnt from others."""

Outcomes = Outcome | dict[Position, Outcome]


class Case(NamedTuple):
    mishap: Mishap
    outcomes: Outcomes
    is_slow: bool = False

    def outcome(self, position: Position) -> Outcome:
        return self.outcomes[position] if isinstance(self.outcomes, dict) else self.outcomes


def per_list(workspaces: Outcome, clients: Outcome, others: Outcome) -> Outcomes:
    """Outcomes that depend on which list is hit."""
    return dict.fromkeys(get_args(Position), others) | {"workspaces": workspaces, "clients": clients}


def json(body: bytes, code: int = 200) -> Mishap:
    return mishaps.status(code, body)


def raw(*lines: str, body: bytes = b"[]") -> Mishap:
    """An answer byte by byte, then the end of the connection."""
    return mishaps.garbage("\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode() + body)


def limited(after: str | None) -> Mishap:
    return mishaps.status(429, headers=None if after is None else {"Retry-After": after})


JSON = "Content-Type: application/json"
EMPTY = per_list(
    workspaces=Outcome(),  # which workspaces there are, the clients tell
    clients=Outcome(loses=True),
    others=Outcome(loses=True),
)
"""An empty list that is well formed: the guard holds back what it would mean."""

WAITS = {"1 s": "1", "an hour": "3600", "ages": "1e9", "a date": "Wed, 01 Jan 2031 00:00:00 GMT", "negative": "-5",
         "garbage": "soon", "not a number": "nan", "no time": None}  # fmt: skip

CASES: dict[str, Case] = {
    # The transport ------------------------------------------------------------------------------------------
    "end before the status line": Case(mishaps.disconnect(), UNAVAILABLE),
    "reset": Case(mishaps.reset(), UNAVAILABLE),
    "no HTTP at all": Case(mishaps.garbage(), UNAVAILABLE),
    "silence": Case(mishaps.hang(), UNAVAILABLE, is_slow=True),
    "a body drop by drop": Case(mishaps.slow(pieces=20, pause_s=0.05), UNAVAILABLE, is_slow=True),
    "half of the length promised": Case(mishaps.truncate(), UNAVAILABLE),
    "nothing of the length promised": Case(mishaps.truncate(0.0), UNAVAILABLE),
    "all but the last bytes": Case(mishaps.truncate(0.99), UNAVAILABLE),
    "chunks without an end": Case(mishaps.cut_chunked(), UNAVAILABLE),
    "all chunks but the last": Case(mishaps.cut_chunked(1.0), UNAVAILABLE),
    "gzip cut within its length": Case(mishaps.gzip_truncated(), UNAVAILABLE),
    "gzip without its trailer": Case(mishaps.gzip_without_trailer(), UNAVAILABLE),
    "gzip in name only": Case(raw(JSON, "Content-Encoding: gzip", "Content-Length: 2"), UNAVAILABLE),
    "an encoding nobody offered": Case(raw(JSON, "Content-Encoding: br", "Content-Length: 2"), UNAVAILABLE),
    "two lengths": Case(raw(JSON, "Content-Length: 2", "Content-Length: 3"), UNAVAILABLE),
    "a length that is no number": Case(raw(JSON, "Content-Length: two"), UNAVAILABLE),
    "a header of 20 KB": Case(raw(JSON, "Content-Length: 2", "X-Long: " + "x" * 20_000), UNAVAILABLE),
    "too large": Case(mishaps.huge(4 << 20), UNAVAILABLE),
    "a gzip bomb": Case(mishaps.gzip_bomb(64 << 20), UNAVAILABLE),
    # Not marked where it ends: good for edits, no proof of absence
    "unframed": Case(mishaps.unframed(), per_list(OTHERWISE, Outcome(reason="unframed"), Outcome(reason="unframed"))),
    "unframed, half": Case(mishaps.unframed(0.5), CONTRACT),
    "unframed, empty": Case(
        raw(JSON),
        per_list(OTHERWISE, Outcome(reason="unframed", loses=True), Outcome(reason="unframed", loses=True)),
    ),
    # The status ---------------------------------------------------------------------------------------------
    **{f"status {code}": Case(mishaps.status(code), UNAVAILABLE) for code in (500, 502, 503, 504, 599)},
    "status 503 as a page": Case(mishaps.html(503), UNAVAILABLE),
    **{f"status {code}": Case(mishaps.status(code), CONTRACT) for code in (201, 204, 206, 400, 408, 410, 418)},
    **{
        f"redirect {code}": Case(mishaps.redirect("http://127.0.0.1:1/elsewhere", code), CONTRACT)
        for code in (301, 302, 303, 307, 308)
    },
    "redirect to itself": Case(mishaps.redirect("/api/v8/clients"), CONTRACT),
    "status 401": Case(mishaps.status(401), REJECTED),
    "status 403": Case(mishaps.status(403), per_list(REJECTED, REJECTED, OTHERWISE)),
    "status 404": Case(mishaps.status(404), OTHERWISE),
    "status 405": Case(mishaps.status(405), OTHERWISE),
    "quota used up": Case(mishaps.status(402, headers={"X-Toggl-Quota-Remaining": "0"}), QUOTA),
    "quota, in words": Case(mishaps.status(402, b"You have hit your hourly limit"), QUOTA),
    "a feature to be paid": Case(mishaps.status(402, b"Upgrade", {"X-Toggl-Quota-Remaining": "900"}), CONTRACT),
    **{f"too many requests, {name}": Case(limited(after), LIMITED) for name, after in WAITS.items()},
    # The body -----------------------------------------------------------------------------------------------
    "a page for people": Case(mishaps.html(), CONTRACT),
    "rows that call themselves a page": Case(mishaps.wrong_type(), CONTRACT),
    "a page that calls itself rows": Case(json(mishaps.HTML), CONTRACT),
    "nothing": Case(json(b""), CONTRACT),
    "cut JSON": Case(json(b'[{"id": 1, "na'), CONTRACT),
    "an object": Case(json(b"{}"), CONTRACT),
    "an envelope": Case(json(b'{"data": []}'), CONTRACT),
    "a text": Case(json(b'"[]"'), CONTRACT),
    "a number": Case(json(b"0"), CONTRACT),
    "two lists": Case(json(b"[][]"), CONTRACT),
    "a byte order mark": Case(json(b"\xef\xbb\xbf[]"), CONTRACT),
    "UTF-16": Case(json("[]".encode("utf-16")), CONTRACT),
    "too deep": Case(json(b'{"a":' * 100_000 + b"0" + b"}" * 100_000), CONTRACT),
    "an empty list": Case(json(b"[]"), EMPTY),
    "null": Case(json(b"null"), EMPTY),
}


@dataclass(slots=True)
class ExactFault(Fault):
    """Strikes at one path, not at those that begin with it."""

    def matches(self, method: str, path: str, token: str) -> bool:
        return path == self.path


@dataclass
class Stand:
    """A source and its mirror, equal at the beginning and at the end of every test."""

    world: World
    emulator: Emulator
    audit: Connection
    pullers: dict[tuple[Strategy, bool], Puller]
    strategy: Strategy = "workspace"
    edits: int = 0

    def edit(self) -> str:
        """The first client, project and tag of each workspace get a name; which."""
        self.edits += 1
        name = f"edit {self.edits}"
        for w in WORKSPACES:
            self.world.update_client(self.world.clients_of(w)[0].id, name=name)
            self.world.update_project(self.world.projects_of(w)[0].id, name=name)
            self.world.update_tag(self.world.tags_of(w)[0].id, name=name)
        return name

    def hit(
        self, mishap: Mishap, position: Position, *, strategy: Strategy = "workspace", times: int | None = None
    ) -> Fault:
        """Arm a fault."""
        fault = ExactFault(mishap, mishap.label, path=PATHS[strategy, position], times=times)
        self.emulator.faults.script.append(fault)
        return fault

    async def arrived(self, name: str) -> set[tuple[str, int]]:
        """(resource, workspace) of the rows that have that name in the mirror."""
        query = of_each("SELECT '{0}', workspace_id FROM toggl.{0}s WHERE name = $1")
        return {(resource, w) for resource, w in await self.audit.fetch(query, name)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(databases: Databases, migrated_template: str) -> AsyncIterator[Stand]:
    world = World(Calendar().now)
    world.add_user("t0", TOKEN)
    for w in WORKSPACES:
        world.create_workspace(f"Workspace {w}", workspace_id=w)
        world.share("t0", w, admin=True)
        for n in range(ROWS):
            client = world.create_client(w, f"Client {n}", client_id=1000 * w + n)
            world.create_project(w, f"Project {n}", client.id)
            world.create_tag(w, f"Tag {n}")
    async with (
        Emulator(world) as emulator,
        databases.copy(migrated_template) as url,
        sourced(emulator.url, rules(resources=RESOURCES)) as source,
        open_session(HASTY) as hasty,
        looking_at(url) as audit,
        pool_of(url) as database,
    ):
        await register(url, resources=RESOURCES)
        assert database is not None
        pullers: dict[tuple[Strategy, bool], Puller] = {}
        for strategy in get_args(Strategy):
            for is_hasty, opened in ((False, source.session), (True, hasty)):
                wanted = rules(projects="client" if strategy == "client" else "auto", resources=RESOURCES)
                by = Source(emulator.url, opened, wanted)
                pullers[strategy, is_hasty] = by.puller(database, body_limit_bytes=1 << 20)
        assert (await pullers["workspace", False].pull(T0)).result == "changed"
        yield Stand(world, emulator, audit, pullers)


@pytest.fixture(autouse=True)
def no_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict on the lists must do: a single object is not asked for before it is buried."""
    monkeypatch.setattr(PROOFS_MOST, 0)


def struck_list(position: Position) -> set[tuple[str, int]]:
    """What stands in the list at a position, as (resource, workspace)."""
    if position == "clients":
        return {("client", w) for w in WORKSPACES}
    one = {"first projects": ("project", 1), "later projects": ("project", 2), "tags": ("tag", 1)}
    return {one[position]} if position in one else set()


def outcome_of(case: Case, strategy: Strategy, position: Position) -> Outcome | None:
    """None: no verdict can tell it from the truth. That one client has no projects is not for the guard either."""
    if strategy == "client" and case.outcomes is EMPTY:
        return None
    outcome = case.outcome(position)
    code = case.mishap.label.removeprefix("status ")
    is_only_source = strategy == "client" or position == "tags"
    return Outcome(reason=f"http_{code}", loses=True) if is_only_source and outcome is OTHERWISE else outcome


def strikes() -> Iterator[Any]:
    """Everything; or each fault at one position, and at every one where it matters which."""
    for number, (name, case) in enumerate(CASES.items()):
        for place, (strategy, position) in enumerate(PATHS):
            differs = isinstance(case.outcomes, dict) or case.outcomes is OTHERWISE
            is_due = IS_DEEP or differs or place == number % len(PATHS)
            if is_due and outcome_of(case, strategy, position):
                yield pytest.param(name, strategy, position, id=f"{name}, {position} by {strategy}")


@pytest.mark.parametrize(("name", "strategy", "position"), [*strikes()])
async def test_i06_no_fault_makes_a_tombstone(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, name: str, strategy: Strategy, position: Position
) -> None:
    """Not in more pulls than confirm a delete. What is healthy arrives, where anything does; then all is well again."""
    case = CASES[name]
    outcome = outcome_of(case, strategy, position)
    assert outcome is not None
    if case.is_slow:
        monkeypatch.setattr("syncd.toggl.client.ATTEMPTS", 2)
    usual = stand.pullers[strategy, False]
    puller = stand.pullers[strategy, case.is_slow]
    if strategy != stand.strategy:  # a change is a fresh start, so let it be over
        stand.strategy = strategy
        await pull_afresh(usual, full=True)
    fault = stand.hit(case.mishap, position, strategy=strategy)
    everywhere = {(resource, w) for resource in RESOURCES for w in WORKSPACES}
    for nth in range(FAULTY_PULLS):
        edit = stand.edit()
        report = await pull_afresh(puller, full=True)
        assert fault.fired > nth, "it never struck"
        assert type(report.error) is (outcome.error or type(None)), repr(report.error)
        assert report.is_fresh == (outcome.error is None)
        assert outcome.reason in report.reason
        assert await tombstones_of(stand.audit) == []
        lost = struck_list(position) if outcome.loses else set()
        assert await stand.arrived(edit) == (set() if outcome.error else everywhere - lost)
    stand.emulator.faults.clear()
    report = await pull_afresh(usual, full=True)
    assert report.is_fresh, report.error
    await assert_mirrors(stand.audit, stand.world)
    assert await tombstones_of(stand.audit) == []
    assert await stand.audit.fetchval("SELECT status FROM toggl.sync_status") == "ok"
    assert await stand.audit.fetchval("SELECT count(*) FROM syncd.quarantine") == 0


PASSING = [
    name
    for name, case in CASES.items()
    if case.outcomes is UNAVAILABLE and not case.is_slow and name not in ("too large", "a gzip bomb")
]


@pytest.mark.parametrize("name", PASSING)
async def test_what_may_pass_is_tried_again_within_the_pull(stand: Stand, name: str) -> None:
    """Struck once, the pull is as good as any."""
    positions = get_args(Position)
    position = positions[PASSING.index(name) % len(positions)]
    fault = stand.hit(CASES[name].mishap, position, times=1)
    edit = stand.edit()
    report = await pull_afresh(stand.pullers["workspace", False])
    assert (report.result, fault.fired) == ("changed", 1), report.error
    assert report.traffic.retries <= 1  # 0: aiohttp itself asks again where a connection that was kept alive has ended
    assert len(await stand.arrived(edit)) == len(RESOURCES) * len(WORKSPACES)
    await assert_mirrors(stand.audit, stand.world)
