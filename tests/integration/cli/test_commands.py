"""The commands that look, prepare and help: check, migrate, status, emulate, --version, --help."""

import json
import re
import signal
import ssl
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import aiohttp
import click
import pytest

from syncd.cli.main import COMMANDS, cli
from syncd.emulator.seed import DOCUMENTED_TOKEN
from syncd.emulator.server import Emulator
from syncd.postgres.sql import migrations
from tests.integration.cli.stage import CANARY_TOKEN, Mirror, table_cells
from tests.processes import Syncd, together
from tests.servers import unused_port

NAMES = [file.name for file in migrations()]
PLACE = re.compile(r"^127\.0\.0\.1:\d+/test_\d+: ")


# check ---------------------------------------------------------------------------------------------------------------


async def test_check_finds_nothing_wrong(configured: Syncd, toggl: Emulator, mirror: Mirror) -> None:
    """It looks at everything, tells the price of a pull, asks once per token, and changes nothing."""
    outcome = await configured("check")
    assert (outcome.exit_code, outcome.messages) == (0, [])
    configuration, database, token = outcome.stdout.splitlines()
    assert configuration == "✓ configuration: config.toml: 1 token(s)"
    assert database.endswith(f": {len(NAMES)} migration(s) to come, applied by `run` and `once`")
    assert token == "✓ token acme: 1 workspace(s); a pull needs at least 3 requests; not paced; no quota told"
    assert await mirror.rows("SELECT FROM pg_tables WHERE schemaname IN ('toggl', 'syncd')") == []
    assert sum(toggl.requests.values()) == 1


async def test_check_finds_a_rejected_token(configured: Syncd) -> None:
    """Exit 1, and the good token is found good."""
    configured.configure(tokens={"acme": CANARY_TOKEN, "globex": "canary-7f3b9-wrong"})
    await configured("migrate")
    outcome = await configured("check", "--json")
    assert outcome.exit_code == 1
    configuration, database, acme, globex = outcome.answer
    assert configuration == {"subject": "configuration", "text": "config.toml: 2 token(s)", "exit_code": 0}
    assert PLACE.sub("", database["text"]) == "the schema is up to date"
    assert (acme["subject"], acme["exit_code"]) == ("token acme", 0)
    assert globex == {
        "subject": "token globex",
        "text": "/api/v9/me/workspaces: HTTP 403; replace the token: the API refuses it",
        "exit_code": 1,
    }


async def test_check_finds_no_database(configured: Syncd) -> None:
    """Exit 3, whatever else is wrong; the tokens are looked at all the same."""
    port = unused_port()
    configured.configure(database={"url": f"postgresql://canary@127.0.0.1:{port}/bi", "connect_timeout": "100ms"})
    outcome = await configured("check")
    assert (outcome.exit_code, outcome.messages, outcome.events) == (3, [], [])
    _, database, token = outcome.stdout.splitlines()
    assert database.startswith(f"✗ database: PostgreSQL at 127.0.0.1:{port}/bi: Connection refused; ")
    assert token.startswith("✓ token acme: ")


async def test_offline_check_asks_nothing_of_the_source(configured: Syncd, toggl: Emulator) -> None:
    outcome = await configured("check", "--offline", "--json")
    assert outcome.exit_code == 0
    assert [finding["subject"] for finding in outcome.answer] == ["configuration", "database"]
    assert not toggl.requests


# migrate -------------------------------------------------------------------------------------------------------------


async def test_migrate_says_does_and_is_done(configured: Syncd, mirror: Mirror) -> None:
    """Without --dry-run once, with it nothing; needs no token."""
    configured.configure(tokens=[])
    announced = await configured("migrate", "--dry-run")
    assert announced.stdout.splitlines() == [f"would apply {name}" for name in NAMES]
    assert await mirror.rows("SELECT FROM pg_tables WHERE schemaname IN ('toggl', 'syncd')") == []

    done = await configured("migrate")
    assert done.stdout.splitlines() == [f"applied {name}" for name in NAMES]
    told = [(event["event.action"], event["syncd.migration.name"]) for event in done.events]
    assert told == [(f"syncd.migration.{step}", name) for name in NAMES for step in ("start", "applied")]
    assert await mirror.rows("SELECT name FROM syncd.migrations ORDER BY version") == [(name,) for name in NAMES]

    again = await configured("migrate")
    assert (again.stdout, again.stderr) == ("the schema is up to date\n", "")
    assert [announced.exit_code, done.exit_code, again.exit_code] == [0, 0, 0]


# status --------------------------------------------------------------------------------------------------------------


async def test_status_is_the_view_of_the_database(configured: Syncd, mirror: Mirror) -> None:
    """As JSON with every column of it; as a table with what to do, whole even where the terminal is narrow."""
    configured.configure(sync={"interval": "5m"})  # or it is late as soon as the machine is
    configured.configure(tokens={"acme": CANARY_TOKEN, "globex": "canary-7f3b9-wrong"})
    await configured("once")
    columns = await mirror.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'sync_status' ORDER BY ordinal_position"
    )
    as_json, as_table = await together(configured("status", "--json"), configured("status"))
    acme, globex = as_json.answer["tokens"]
    assert [(name,) for name in acme] == columns
    assert (acme["token"], acme["status"], acme["rows"], acme["last_error"]) == ("acme", "ok", 4, None)
    assert (globex["token"], globex["status"], globex["rows"]) == ("globex", "rejected", 0)
    assert globex["last_error"] == "/api/v9/me: HTTP 403"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", acme["last_success_at"])

    cells = table_cells(as_table.stdout)
    assert [[row[0], row[1], *row[4:]] for row in cells] == [
        ["acme", "ok", "", "4", "0", "0"],
        ["globex", "rejected", "replace the token: the API refuses it", "0", "0", "0"],
    ]
    assert cells[1][2] == "never"
    assert (as_json.exit_code, as_table.exit_code, as_table.stderr) == (0, 0, "")


# emulate -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_emulate_announces_itself_and_leaves_on_a_signal(syncd: Syncd, number: signal.Signals) -> None:
    """One line for people: where it listens, and whose tokens it takes."""
    arguments = ("--tokens", "2", "--clients", "3", "--projects", "1", "--live", "60")
    async with syncd.running("emulate", *arguments) as emulate:
        line = await emulate.line()
        said = re.fullmatch(
            r"Toggl emulator \(v8, v9\) at (http://127\.0\.0\.1:\d+)  tokens: t0=(\w{32}) t1=(\w{32})\n", line
        )
        assert said is not None
        url, first, second = said.groups()
        async with aiohttp.ClientSession(url) as http:
            for token in (first, second):
                headers = {"Authorization": aiohttp.encode_basic_auth(token, "api_token")}
                async with http.get("/api/v8/clients", headers=headers) as answer:
                    assert len(await answer.json()) == 3
        outcome = await emulate.stop(number)
    assert outcome == type(outcome)(0, line, "")


async def test_emulate_announces_itself_to_scripts(syncd: Syncd) -> None:
    async with syncd.running("emulate", "--documented", "--json", tells_secrets=True) as emulate:
        line = await emulate.line()
        outcome = await emulate.stop(signal.SIGTERM)
    assert outcome.exit_code == 0
    announced = outcome.answer
    assert line.startswith('{"url": "' + announced.pop("url"))
    tokens = [{"name": "t0", "token": DOCUMENTED_TOKEN, "workspaces": [777]}]
    assert announced == {"api": ["v8", "v9"], "tokens": tokens}


async def test_emulate_as_a_proxy_names_the_certificate_to_trust(syncd: Syncd) -> None:
    """Which is gone when the emulator is."""
    async with syncd.running("emulate", "--documented", "--proxy", "--json", tells_secrets=True) as emulate:
        announced = json.loads(await emulate.line())
        trusting = ssl.create_default_context(cafile=announced["ca_file"])
        headers = {"Authorization": aiohttp.encode_basic_auth(DOCUMENTED_TOKEN, "api_token")}
        async with (
            aiohttp.ClientSession("https://api.track.toggl.com", headers=headers) as http,
            http.get("/api/v8/clients", proxy=announced["proxy"], ssl=trusting) as answer,
        ):
            assert len(await answer.json()) == 2
        outcome = await emulate.stop(signal.SIGTERM)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    with pytest.raises(FileNotFoundError):
        ssl.create_default_context(cafile=announced["ca_file"])


@pytest.mark.parametrize("there", ["a bundle of certificates", None])
async def test_emulate_writes_its_certificate_over_nothing(syncd: Syncd, tmp_path: Path, there: str | None) -> None:
    """Neither over a file of others, nor into a directory that is not there."""
    path = tmp_path / "ca.pem" if there else tmp_path / "nowhere" / "ca.pem"
    if there:
        path.write_text(there)
    outcome = await syncd("emulate", "--proxy", "--ca-file", str(path))
    reason = "is there already and was not written by an emulator" if there else "no such file or directory"
    assert outcome.messages == [f"syncd: --ca-file {path}: {reason}; choose another one"]
    assert outcome.exit_code == 2


async def test_emulate_one_version_within_limits(syncd: Syncd) -> None:
    """v9 alone, on the free plan and with a rate limit: what it says in its headers."""
    arguments = ("--api", "v9", "--plan", "free", "--rate", "0.001", "--json")
    async with syncd.running("emulate", *arguments, tells_secrets=True) as emulate:
        facts = json.loads(await emulate.line())
        assert facts["api"] == ["v9"]
        headers = {"Authorization": aiohttp.encode_basic_auth(facts["tokens"][0]["token"], "api_token")}
        statuses = []
        async with aiohttp.ClientSession(facts["url"], headers=headers) as http:
            for path in ("/api/v9/me/clients",) * 6:
                async with http.get(path) as answer:
                    statuses.append((answer.status, answer.headers.get("X-Toggl-Quota-Remaining")))
            async with http.get("/api/v8/clients") as answer:
                assert answer.status == 410
        assert statuses == [(200, str(29 - n)) for n in range(5)] + [(429, None)]
        await emulate.stop(signal.SIGTERM)


async def test_port_that_is_taken(syncd: Syncd, toggl: Emulator) -> None:
    port = toggl.url.rpartition(":")[2]
    outcome = await syncd("emulate", "--port", port)
    assert outcome.exit_code == 2
    assert outcome.messages == [f"syncd: --host 127.0.0.1 --port {port}: address already in use; choose another one"]
    assert outcome.stdout == ""


# help ----------------------------------------------------------------------------------------------------------------


async def test_version(syncd: Syncd) -> None:
    outcome = await syncd("--version")
    assert (outcome.exit_code, outcome.stdout) == (0, f"syncd, version {version('syncd')}\n")


async def test_every_command_and_option_has_help(syncd: Syncd) -> None:
    """The group lists what there is; each command says what it does, and of each option what it is for."""
    group, *commands = await together(syncd("--help"), *(syncd(name, "--help") for name in COMMANDS))
    for name, outcome in zip(COMMANDS, commands, strict=True):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        assert outcome.stdout.startswith(f"Usage: syncd {name} ")
        assert words(command.help or "?") in words(outcome.stdout)
        assert f"{name} {words(COMMANDS[name])}" in words(group.stdout)
        assert list(without_help(command)) == []


def without_help(command: click.Command) -> Iterator[tuple[str | None, str | None]]:
    """(command, option or None for itself) of what says nothing about itself, subcommands included."""
    if not command.help:
        yield command.name, None
    yield from ((command.name, p.name) for p in command.params if isinstance(p, click.Option) and not p.help)
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from without_help(each)


def words(text: str) -> str:
    """A text without its line breaks and indents."""
    return " ".join(text.split())


async def test_status_is_watched_until_ctrl_c(configured: Syncd) -> None:
    """Without a terminal: a line of JSON each time; the end of it is no failure."""
    await configured("once")
    async with configured.running("status", "--watch", "--json") as watch:
        await watch.line('{"tokens"')
        outcome = await watch.stop(signal.SIGINT)
    assert (outcome.exit_code, outcome.messages) == (0, [])
    for line in outcome.stdout.splitlines():
        assert json.loads(line)["tokens"][0]["token"] == "acme"
