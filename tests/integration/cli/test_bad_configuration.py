"""What a user can get wrong before anything starts: one line that says what, where and what to do, and exit 2."""

import pytest

from syncd.config import SYSTEM_CONFIG
from tests.integration.cli.stage import CANARY_PASSWORD, CANARY_TOKEN
from tests.processes import Syncd

NOWHERE = {"SYNCD_DATABASE__URL": "postgresql://127.0.0.1:1/nowhere", "SYNCD_DATABASE__CONNECT_TIMEOUT": "100ms"}
"""Where a command goes that should not have got so far: not to this user's own mirror."""

ACME = '[[tokens]]\nname = "acme"\ntoken_env = "ACME"\n'


@pytest.mark.skipif(SYSTEM_CONFIG.exists(), reason="this machine has a configuration")
async def test_no_configuration_at_all(syncd: Syncd) -> None:
    outcome = await syncd("once")
    assert outcome.exit_code == 2
    places = "$SYNCD_CONFIG, ./config.toml, /etc/syncd/config.toml"
    advice = "give --config, or set TOGGL_API_TOKEN"
    assert outcome.messages == [f"syncd: no configuration: looked for {places}; {advice}"]
    assert outcome.stdout == ""


@pytest.mark.parametrize(
    ("config", "environ", "message"),
    [
        pytest.param(
            f"[sync]\nintervall = '5m'\n{ACME}",
            {},
            "config.toml: [sync] intervall: unknown key; did you mean interval?",
            id="unknown key",
        ),
        pytest.param(
            f"[sync]\nresources = ['tags']\n{ACME}",
            {},
            'config.toml: [sync] resources: must have "clients" and "projects" in it, each once; '
            'nothing else can be added but "tags"',
            id="nothing but tags",
        ),
        pytest.param(
            ACME,
            {"SYNCD_DATABSE__URL": f"postgresql://canary:{CANARY_PASSWORD}@db/bi"},
            "environment: SYNCD_DATABSE__URL: is not a setting; did you mean SYNCD_DATABASE__URL?",
            id="misspelt environment key",
        ),
        pytest.param(
            f"{ACME}token_file = 'acme.token'\n",
            {},
            "config.toml: [[tokens]] acme: needs exactly one of token_env, token_file, credential, "
            "but has token_env and token_file",
            id="two secret sources",
        ),
        pytest.param(
            f"[[tokens]]\nname = 'acme'\ntoken_env = '{CANARY_TOKEN}'\n",
            {},
            "config.toml: [[tokens]] acme: token_env must be the name of an environment variable, not the token itself",
            id="token instead of the name of its variable",
        ),
        pytest.param(
            f"[[tokens]]\nname = 'acme'\ntoken = '{CANARY_TOKEN}'\n",
            {},
            "config.toml: [[tokens]] acme: needs exactly one of token_env, token_file, credential, but has none",
            id="token in the file",
        ),
        pytest.param(
            ACME,
            {"SYNCD_DATABASE__URL": f"mysql://canary:{CANARY_PASSWORD}@db/bi"},
            "environment: SYNCD_DATABASE__URL: must not hold blanks or non-ASCII characters; percent-encode them",
            id="password that is not escaped",
        ),
        pytest.param(
            f"[database]\nurl = {CANARY_TOKEN}\n{ACME}",
            {},
            "config.toml: is not valid TOML at line 2, column 7: invalid value; text needs quotes",
            id="not TOML",
        ),
    ],
)
async def test_one_mistake_is_one_line(syncd: Syncd, config: str, environ: dict[str, str], message: str) -> None:
    (syncd.home / "config.toml").write_text(config)
    outcome = await syncd("once", environ={**NOWHERE, "ACME": CANARY_TOKEN, **environ})
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert f"syncd: {message}" in outcome.messages
    # A token in the file is wrong in two ways, and both are told.
    assert len(outcome.messages) == (2 if "token = " in config else 1)


async def test_world_readable_token_file(syncd: Syncd) -> None:
    """Its content must be unknown to others, and so it stays."""
    file = syncd.home / "acme.token"
    file.write_text(CANARY_TOKEN)
    file.chmod(0o644)
    syncd.configure(tokens=[{"name": "acme", "token_file": "acme.token"}])
    outcome = await syncd("once", environ=NOWHERE)
    assert outcome.exit_code == 2
    assert outcome.messages == [
        f"syncd: config.toml: [[tokens]] acme: token file {file} is open to group or others (mode 0644); chmod 600 it"
    ]


async def test_all_mistakes_come_at_once(syncd: Syncd) -> None:
    """One line each, so that nobody mends them one by one."""
    syncd.configure(
        sync={"interval": "soon", "max_concurrent_pulls": 0},
        log={"level": "loud"},
        tokens=[{"name": "acme", "token_env": "NOT_SET"}, {"name": "acme", "token_env": "ACME"}],
    )
    outcome = await syncd("check", environ={**NOWHERE, "ACME": CANARY_TOKEN})
    assert outcome.exit_code == 2
    places = [line.removeprefix("syncd: config.toml: ").partition(": ")[0] for line in outcome.messages]
    assert sorted(places) == [
        "[[tokens]] acme",
        "[[tokens]] acme",
        "[log] level",
        "[sync] interval",
        "[sync] max_concurrent_pulls",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nowhere.toml", "run"], "--config nowhere.toml: no such file; correct the path"),
        (["once", "--token", "globex"], "--token globex: no such token; configured are acme"),
        (["onec"], "No such command 'onec'; see `syncd --help`"),
        (["once", "--fulll"], "No such option '--fulll'. Did you mean '--full'?; see `syncd once --help`"),
        (["status", "acme"], "Got unexpected extra argument (acme); see `syncd status --help`"),
        (
            ["emulate", "--port", "65536"],
            "Invalid value for '--port': 65536 is not in the range 0<=x<=65535; see `syncd emulate --help`",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_wrong_arguments_are_one_line(syncd: Syncd, arguments: list[str], message: str) -> None:
    syncd.configure(tokens={"acme": CANARY_TOKEN})
    outcome = await syncd(*arguments, environ=NOWHERE)
    assert outcome.exit_code == 2
    assert outcome.messages == [f"syncd: {message}"]
    assert outcome.names == (["syncd.config.invalid"] if "run" in arguments else [])


async def test_daemon_says_so_in_its_log_too(syncd: Syncd) -> None:
    """Whoever watches the log of a service may see nothing else; all mistakes, and no value of a secret."""
    syncd.configure(sync={"intervall": "5m"}, tokens=[{"name": "acme", "token_env": CANARY_TOKEN}])
    outcome = await syncd("run", environ=NOWHERE)
    assert (outcome.exit_code, outcome.names) == (2, ["syncd.config.invalid"])
    (event,) = outcome.events
    assert event["log.level"] == "fatal"
    assert event["error.message"] == "; ".join(message.removeprefix("syncd: ") for message in outcome.messages)
