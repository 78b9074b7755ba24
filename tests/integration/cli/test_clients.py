"""The Clients API as commands: what arrives at Toggl, what the mirror shows at once, and what a person reads."""

import asyncio
import os
import sys
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from syncd.emulator import mishaps
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.records import Client
from tests.integration.cli.stage import CANARY_TOKEN, Calendar, Mirror, table_cells
from tests.processes import Outcome, Syncd, spellings
from tests.servers import unused_port

BIG, SMALL = 1239455, 1239456
WRITES = [
    ["create", "--name", "New"],
    ["update", str(BIG), "--name", "Renamed"],
    ["delete", str(BIG), "--yes"],
]
METHODS = {"create": "POST", "update": "PUT", "delete": "DELETE"}


BOTH = pytest.mark.parametrize("api", ["v8", "v9"])


@pytest.fixture
def api() -> str:
    """What no dialect makes a difference to is tried with the one of today."""
    return "v9"


@pytest.fixture
def speaking(configured: Syncd, api: str) -> Syncd:
    """Speaks `api`."""
    configured.configure(toggl={"api": api})
    return configured


@pytest.fixture
async def mirrored(speaking: Syncd, calendar: Calendar) -> Syncd:
    """Has pulled once; then a minute passes at the source."""
    assert (await speaking("once")).exit_code == 0
    calendar.pass_time()
    return speaking


async def names(mirror: Mirror) -> dict[int, str]:
    """Live clients as the mirror has them."""
    return dict(await mirror.rows("SELECT id, name FROM toggl.clients_current"))


def writes(toggl: Emulator) -> list[tuple[str, int]]:
    """Method and status of what was not only looked at."""
    return [(line.method, line.http_status) for line in toggl.log if line.method != "GET"]


def well(outcome: Outcome) -> Any:
    """The answer of a command that had nothing to complain of."""
    assert (outcome.exit_code, outcome.messages) == (0, [])
    return outcome.answer


def failed(outcome: Outcome, exit_code: int = 1) -> str:
    """The one line of a command that failed."""
    assert (outcome.exit_code, outcome.stdout) == (exit_code, "")
    (line,) = outcome.messages
    return line.removeprefix("syncd: ")


# reading -------------------------------------------------------------------------------------------------------------


@BOTH
async def test_reading_asks_toggl_itself(speaking: Syncd, world: World) -> None:
    """Clients, one client, and its projects: for scripts with the columns of the mirror, for people as a table."""
    world.update_client(SMALL, name="Small\x1b[2J\nStartup")
    world.update_project(32143, active=False)
    rows = well(await speaking("clients", "list", "--json"))
    assert [row["id"] for row in rows] == [BIG, SMALL]
    assert list(rows[0]) == [field.name for field in structs.fields(Client)]
    assert (rows[0]["workspace_id"], rows[0]["notes"]) == (777, "something about the client")
    assert rows[0]["at"].startswith("2013-02-26T08:")
    named = ["--token", "acme", "--workspace", "777"]
    table = await speaking("clients", "list", *named, "--name", "SMALL")
    assert (table.exit_code, table.messages) == (0, [])
    assert [row[:3] for row in table_cells(table.stdout)] == [[str(SMALL), "777", "Small [2J Startup"]]
    assert well(await speaking("clients", "get", str(BIG), *named, "--json")) == rows[0]
    ask = ["clients", "projects", str(BIG), "--json"]
    for more, expected in (([], [909]), (["--active", "both"], [909, 32143])):
        assert [(row["id"], row["client_id"]) for row in well(await speaking(*ask, *more))] == [
            (id_, BIG) for id_ in expected
        ]


# writing -------------------------------------------------------------------------------------------------------------


@BOTH
async def test_what_is_written_shows_at_once(mirrored: Syncd, world: World, mirror: Mirror, toggl: Emulator) -> None:
    """At Toggl, in the mirror and in its history; the next pull finds nothing to do."""
    new = well(await mirrored("clients", "create", "--name", "New", "--notes", "by hand", "--json"))
    there = world.client(new["id"])
    assert (there.name, there.notes, there.workspace_id) == ("New", "by hand", 777)
    assert (await names(mirror))[new["id"]] == "New"

    row = well(await mirrored("clients", "update", str(SMALL), "--name", "Smaller", "--json"))
    assert (row["name"], row["notes"], world.client(SMALL).notes) == ("Smaller", *["Really cool people"] * 2)
    assert (await names(mirror))[SMALL] == "Smaller"

    outcome = await mirrored("clients", "delete", str(BIG), "--yes")
    assert outcome.stdout == f"deleted client {BIG}, 'Very Big Company', of workspace 777\n"
    assert BIG not in world.clients
    assert await names(mirror) == {SMALL: "Smaller", new["id"]: "New"}
    assert await mirror.rows("SELECT DISTINCT client_id FROM toggl.projects_current") == [(None,)]

    query = "SELECT id, change_kind, end_kind FROM toggl.clients_history ORDER BY id, valid_from"
    assert await mirror.rows(query) == sorted(
        [(new["id"], "insert", None), (BIG, "insert", "delete"), (SMALL, "insert", "update"), (SMALL, "update", None)],
        key=lambda version: version[0],
    )
    query = "SELECT client_id, end_kind FROM toggl.projects_history WHERE id = 909 ORDER BY valid_from"
    assert await mirror.rows(query) == [(BIG, "update"), (None, None)]
    assert writes(toggl) == [("POST", 200), ("PUT", 200), ("DELETE", 200)]
    marks = await mirror.marks()
    assert (await mirrored("once")).exit_code == 0
    assert await mirror.marks() == marks


@BOTH
async def test_rates_where_the_api_has_them(mirrored: Syncd, world: World, api: str, mirror: Mirror) -> None:
    """v8 on a paid plan; v9 has none, and a plan without is told before anything is sent."""
    rated = ["--hourly-rate", "12.5", "--currency", "AUD"]
    outcome = await mirrored("clients", "create", "--name", "Rated", *rated, "--json")
    if api == "v9":
        assert failed(outcome, 2) == "--hourly-rate and --currency: API v9 knows no rates of clients"
        return
    row = well(outcome)
    assert (row["hourly_rate"], row["currency"], world.client(row["id"]).hrate) == (12.5, "AUD", 12.5)
    found = await mirror.rows("SELECT hourly_rate FROM toggl.clients WHERE id = $1", row["id"])
    assert found == [(Decimal("12.5"),)]
    world.workspaces[777] = structs.replace(world.workspaces[777], premium=False)
    line = failed(await mirrored("clients", "update", str(BIG), *rated), 2)
    assert line.endswith("the plan of workspace 777 (My Company Inc) has no rates of clients")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["create", "--name", " "], "--name is required and must not be blank"),
        (["create", "--name", "New", "--workspace", "778"], "--workspace 778: token acme does not see it; it sees 777"),
        (["delete", str(BIG)], "there is no terminal to ask on; give --yes; see `syncd clients delete --help`"),
        (["create", "--hourly-rate", "much"], "Invalid value for '--hourly-rate': 'much' is not an amount"),
    ],
)
async def test_what_cannot_be_is_not_sent(
    speaking: Syncd, toggl: Emulator, arguments: list[str], complaint: str
) -> None:
    """Exit 2, one line, and nothing changes."""
    assert failed(await speaking("clients", *arguments), 2).startswith(complaint)
    assert writes(toggl) == []


@BOTH
async def test_the_workspace_of_a_client_is_where_it_is(
    speaking: Syncd, api: str, world: World, toggl: Emulator
) -> None:
    """Naming another one is no way to move it; with several workspaces one has to be named."""
    world.create_workspace("Other", workspace_id=778)
    world.share("t0", 778, admin=True)
    outcome = await speaking("clients", "update", str(BIG), "--name", "Moved", "--workspace", "778")
    said = {"v8": "is in workspace 777, not 778, and the workspace of a client cannot be changed", "v9": "HTTP 404: "}
    assert said[api] in failed(outcome, {"v8": 2, "v9": 1}[api])
    line = failed(await speaking("clients", "create", "--name", "New"), 2)
    assert line == "--workspace is missing: token acme sees 777 (My Company Inc), 778 (Other)"
    assert writes(toggl) == []


async def test_tokens_are_told_apart(mirrored: Syncd, world: World, mirror: Mirror) -> None:
    """With two of them one has to be named; what a better one sees, it shows."""
    world.add_user("t1", "canary-7f3b9-other")
    world.share("t1", 777, admin=True)
    mirrored.configure(tokens={"acme": CANARY_TOKEN, "globex": "canary-7f3b9-other"})
    assert failed(await mirrored("clients", "list"), 2) == "--token is missing: configured are acme, globex"
    await mirrored("once")
    outcome = await mirrored("clients", "update", str(BIG), "--name", "By another", "--token", "globex", "--json")
    assert (outcome.exit_code, (await names(mirror))[BIG]) == (0, "Very Big Company")
    assert outcome.messages == [
        "syncd: a better token sees the same row: the mirror shows it after the next pull of that one"
    ]
    row = well(await mirrored("clients", "create", "--name", "Of another", "--token", "globex", "--json"))
    assert (await names(mirror))[row["id"]] == "Of another"
    well(await mirrored("clients", "delete", str(BIG), "--yes", "--token", "globex", "--json"))
    assert BIG not in await names(mirror)
    assert (await mirrored("once")).exit_code == 0
    assert await names(mirror) == {SMALL: "Small Startup", row["id"]: "Of another"}


# what goes wrong -----------------------------------------------------------------------------------------------------


REFUSALS = [
    (mishaps.status(400, b'"Name is \\u001b[31m too\\nlong"'), "HTTP 400: Name is [31m too long"),
    (mishaps.html(403), "HTTP 403: the token may not do this, or is wrong"),
    (mishaps.status(409, CANARY_TOKEN.encode(), content_type="text/plain"), "HTTP 409: ***"),
]


@BOTH
async def test_a_refusal_is_one_clear_line(speaking: Syncd, toggl: Emulator) -> None:
    """The server's own words, cleaned of what a terminal obeys, of HTML and of secrets; exit 1."""
    for write, (mishap, said) in zip(WRITES, REFUSALS, strict=True):
        method = METHODS[write[0]]
        toggl.faults.add(mishap, method=method)
        assert said in failed(await speaking("clients", *write))
        assert [sent for sent, _ in writes(toggl)].count(method) == 1


@BOTH
async def test_toggl_refuses_by_itself(speaking: Syncd, world: World) -> None:
    """What only the server can know."""
    line = failed(await speaking("clients", "create", "--name", "Small Startup"))
    assert "Name has already been taken" in line
    assert "HTTP 404" in failed(await speaking("clients", "get", "12"))
    world.user("t0").access[777] = False
    assert "HTTP 403" in failed(await speaking("clients", "delete", str(BIG), "--yes"))


UNKNOWN = [
    ("created", "list --workspace 777 --name New"),
    ("changed", f"get {BIG} --workspace 777"),
    ("deleted", f"get {BIG} --workspace 777"),
]


@BOTH
async def test_a_lost_answer_leaves_it_unknown(speaking: Syncd, toggl: Emulator, world: World) -> None:
    """It says so, and how to find out, and does not try again."""
    for write, (done, look) in zip(WRITES, UNKNOWN, strict=True):
        toggl.faults.add(mishaps.disconnect(carry_out=True), method=METHODS[write[0]], times=None)
        line = failed(await speaking("clients", *write))
        way = f"syncd clients {look} --token acme"
        assert line.endswith(f"; unknown whether the client was {done}: see `{way}` before you try again")
        if done == "created":
            assert "New" in (await speaking(*way.split()[1:])).stdout
    assert [sent for sent, _ in writes(toggl)] == ["POST", "PUT", "DELETE"]
    assert sorted(client.name for client in world.clients.values()) == ["New", "Small Startup"]


async def test_a_rejected_token_is_said_to_be_rejected(speaking: Syncd, world: World) -> None:
    """Its pulls wait for hours before they try again; whoever asks here is not told that Toggl asked for that."""
    world.revoke("t0")
    assert (await speaking("once")).exit_code == 1
    assert "HTTP 403" in failed(await speaking("clients", "list"))


async def test_a_data_directory_that_cannot_be_looked_at_holds_up_no_write(syncd: Syncd, toggl: Emulator) -> None:
    """As one that is closed to this user; here its name is too long."""
    syncd.configure(
        database={"data_dir": "x" * 300},
        toggl={"base_url": toggl.url, "requests_per_second": 0},
        tokens={"acme": CANARY_TOKEN},
    )
    outcome = await syncd("clients", "create", "--name", "New")
    assert (outcome.exit_code, outcome.stdout.startswith("created")) == (0, True)
    (message,) = outcome.messages
    assert message.startswith("syncd: data directory ")


async def test_a_hold_is_honoured_and_remembered(mirrored: Syncd, toggl: Emulator, mirror: Mirror) -> None:
    """What Toggl asked a write to do holds for pulls and for the next command, which asks nothing."""
    toggl.faults.add(mishaps.status(429, headers={"Retry-After": "1800"}), method="POST")
    line = failed(await mirrored("clients", "create", "--name", "New"))
    assert "HTTP 429: too many requests; next request in 1800 s" in line
    before = toggl.requests.total()
    assert failed(await mirrored("clients", "list")).startswith("token acme: Toggl asked to wait; next request in 1")
    assert (await mirrored("once")).exit_code == 1
    assert toggl.requests.total() == before
    assert await names(mirror) == {BIG: "Very Big Company", SMALL: "Small Startup"}


async def test_a_quota_is_no_plan(speaking: Syncd, toggl: Emulator) -> None:
    """402 has two meanings."""
    quota = {"X-Toggl-Quota-Remaining": "0", "X-Toggl-Quota-Resets-In": "133"}
    toggl.faults.add(mishaps.status(402, b'"You have hit your hourly limit"', headers=quota), method="POST")
    assert "the hourly quota is used up; next request in 133 s" in failed(
        await speaking("clients", "create", "--name", "New")
    )


# the mirror ----------------------------------------------------------------------------------------------------------


async def test_without_a_database_it_is_written_all_the_same(speaking: Syncd, world: World) -> None:
    """One line says that the mirror comes later; reading needs no line."""
    port = unused_port()
    speaking.configure(database={"url": f"postgresql://canary@127.0.0.1:{port}/bi", "connect_timeout": "100ms"})
    outcome = await speaking("clients", "create", "--name", "New", "--json")
    assert (outcome.exit_code, world.client(outcome.answer["id"]).name) == (0, "New")
    (line,) = outcome.messages
    assert line.startswith(f"syncd: PostgreSQL at 127.0.0.1:{port}/bi: Connection refused; ")
    assert line.endswith("; the mirror shows it after the next pull")
    assert len(well(await speaking("clients", "list", "--json"))) == 3


async def test_before_the_first_pull_the_mirror_waits(speaking: Syncd, mirror: Mirror) -> None:
    """There is nothing yet that a row could be added to."""
    first = await speaking("clients", "create", "--name", "First", "--json")
    assert (first.exit_code, len(first.messages)) == (0, 1)
    assert first.messages[0].endswith(": the schema is behind; the mirror shows it after the next pull")
    await speaking("migrate")
    outcome = await speaking("clients", "create", "--name", "New", "--json")
    assert (outcome.exit_code, outcome.messages) == (0, ["syncd: the mirror shows it after the next pull"])
    assert (await speaking("once")).exit_code == 0
    assert {first.answer["id"], outcome.answer["id"]} < (await names(mirror)).keys()


@BOTH
async def test_archiving_takes_the_projects_along(
    mirrored: Syncd, api: str, world: World, mirror: Mirror, toggl: Emulator
) -> None:
    """v9: at Toggl and in the mirror; restoring brings back those that are named. v8 knows no such thing."""
    if api == "v8":
        for verb in ("archive", "restore"):
            line = failed(await mirrored("clients", verb, str(BIG)), 2)
            assert line == 'v8 knows no archived clients; they need [toggl] api = "v9"'
        assert writes(toggl) == []
        return
    row = well(await mirrored("clients", "archive", str(BIG), "--json"))
    assert (row["archived"], row["archived_projects"]) == (True, [909, 32143])
    assert await states(mirror) == {BIG: True, SMALL: False, 909: False, 32143: False}
    row = well(await mirrored("clients", "restore", str(BIG), "--project", "909", "--json"))
    assert row["archived"] is False
    assert world.projects[909].active
    assert await states(mirror) == {BIG: False, SMALL: False, 909: True, 32143: False}
    well(await mirrored("clients", "restore", str(BIG), "--all-projects", "--json"))
    assert await states(mirror) == {BIG: False, SMALL: False, 909: True, 32143: True}
    marks = await mirror.marks()
    assert (await mirrored("once")).exit_code == 0
    assert await mirror.marks() == marks


async def states(mirror: Mirror) -> dict[int, bool]:
    """Whether a client is archived; whether a project is active."""
    return dict(
        await mirror.rows("SELECT id, archived FROM toggl.clients UNION ALL SELECT id, active FROM toggl.projects")
    )


# on a terminal -------------------------------------------------------------------------------------------------------


async def on_terminal(syncd: Syncd, answer: bytes, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal and type `answer` when it has asked: its exit code, and what was seen."""
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *syncd.program, *arguments, cwd=syncd.home, env=syncd.environment({"TERM": "dumb"}),
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    text = ""
    try:
        while piece := await asyncio.to_thread(os.read, ours, 65536):
            text += piece.decode()
            if text.endswith("]: "):
                os.write(ours, answer)
                answer = b""
    except OSError:  # its last writer has gone
        pass
    finally:
        os.close(ours)
    for secret in syncd.secrets:
        assert not [spelling for spelling in spellings(secret) if spelling in text]
    return await process.wait(), text


async def test_delete_asks_on_a_terminal(speaking: Syncd, toggl: Emulator, world: World) -> None:
    """Only yes is yes."""
    exit_code, text = await on_terminal(speaking, b"n\n", "clients", "delete", str(BIG))
    assert f"Delete client {BIG}, 'Very Big Company', of workspace 777? [y/N]: " in text
    assert (exit_code, "nothing was deleted" in text, writes(toggl)) == (1, True, [])
    exit_code, text = await on_terminal(speaking, b"y\n", "clients", "delete", str(BIG))
    assert (exit_code, f"deleted client {BIG}, 'Very Big Company', of workspace 777" in text) == (0, True)
    assert BIG not in world.clients
