"""Where settings come from, which wins, and what they look like in the end."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from syncd import config
from syncd.config import ENVIRONMENT, TABLES, Settings, load_settings
from syncd.errors import ConfigError

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
TOKEN = '[[tokens]]\nname = "acme"\ntoken_env = "T"\n'
ENVIRON = {"T": "abc"}


def test_the_example_is_valid_and_holds_the_defaults() -> None:
    """What a newcomer copies works, and says what would be so without it."""
    example = load_settings(EXAMPLE, {"TOGGL_ACME": "abc"})
    bare = load_settings(None, {"TOGGL_API_TOKEN": "abc"})
    assert [("acme", timedelta(minutes=15))] == [(token.name, token.interval) for token in example.tokens]
    for part in ("database", "toggl", "sync", "service", "log"):
        assert getattr(bare, part) == getattr(example, part), part


def test_the_example_names_every_key_and_no_other() -> None:
    """Commented-out keys count: they are there to be found."""
    written: set[tuple[str, ...]] = set()
    table: tuple[str, ...] = ()
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"(?:# )?\[\[?([a-z_.]+)\]\]?$", line):
            table = tuple(heading[1].split("."))
        elif key := re.match(r"(?:# )?([a-z_]+) = ", line):
            written.add((*table, key[1]))
    known = {(*path, key) for path, keys in TABLES.items() for key in keys if (*path, key) not in TABLES}
    assert known == written


def test_every_example_of_a_key_has_a_comment() -> None:
    """In front of every key, some line says what it is for."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if re.match(r"[a-z_]+ = ", line):
            assert before.startswith("# "), line


def test_the_environment_wins_over_the_file(load: Callable[..., Settings]) -> None:
    """Key by key: the file's other keys stay."""
    text = TOKEN + '[sync]\ninterval = "1m"\npull_timeout = "2m"\n[sync.deletes]\nconfirmations = 5\nmin_age = "1h"'
    settings = load(text, ENVIRON | {"SYNCD_SYNC__INTERVAL": "3m", "SYNCD_SYNC__DELETES__CONFIRMATIONS": "7"})
    assert timedelta(minutes=3) == settings.sync.interval
    assert timedelta(minutes=2) == settings.sync.pull_timeout
    assert settings.sync.deletes.confirmations == 7
    assert timedelta(hours=1) == settings.sync.deletes.min_age


def test_every_key_can_come_from_the_environment(load: Callable[..., Settings], tmp_path: Path) -> None:
    """One sample for each variable; a key without a sample fails here."""
    values = {
        "SYNCD_DATABASE__URL": "postgres://u@h/db",
        "SYNCD_DATABASE__PASSWORD_FILE": str(tmp_path / "password"),
        "SYNCD_DATABASE__CREDENTIAL": "",
        "SYNCD_DATABASE__DATA_DIR": "/var/lib/x",
        "SYNCD_DATABASE__MIGRATE": "false",
        "SYNCD_DATABASE__POOL_SIZE": "3",
        "SYNCD_DATABASE__CONNECT_TIMEOUT": "1s",
        "SYNCD_TOGGL__API": "v8",
        "SYNCD_TOGGL__BASE_URL": "http://toggl.example/",
        "SYNCD_TOGGL__REQUESTS_PER_SECOND": "0.5",
        "SYNCD_TOGGL__TOKEN_DIR": str(tmp_path / "tokens"),
        "SYNCD_TOGGL__PROJECTS": "client",
        "SYNCD_TOGGL__ALLOW_INSECURE_HTTP": "true",
        "SYNCD_SYNC__INTERVAL": "1s",
        "SYNCD_SYNC__MAX_CONCURRENT_PULLS": "1",
        "SYNCD_SYNC__PULL_TIMEOUT": "1s",
        "SYNCD_SYNC__FULL_EVERY": "1s",
        "SYNCD_SYNC__RESOURCES": "tags, projects, clients",
        "SYNCD_SYNC__DELETES__ENABLED": "false",
        "SYNCD_SYNC__DELETES__CONFIRMATIONS": "1",
        "SYNCD_SYNC__DELETES__MIN_AGE": "0s",
        "SYNCD_SYNC__DELETES__MAX_SHARE": "1",
        "SYNCD_SYNC__HISTORY__RETENTION": "30d",
        "SYNCD_SERVICE__LISTEN": "[::1]:9108",
        "SYNCD_SERVICE__DISPATCHER": "local",
        "SYNCD_LOG__FORMAT": "json",
        "SYNCD_LOG__LEVEL": "error",
        "SYNCD_TOKENS": '[{"name": "env", "token_env": "T", "workspaces": [7]}]',
    }
    (tmp_path / "tokens").mkdir()
    (tmp_path / "password").write_text("pw")
    (tmp_path / "password").chmod(0o600)
    assert set(ENVIRONMENT) == set(values)
    settings = load(TOKEN, ENVIRON | values)
    assert [(token.name, token.workspaces) for token in settings.tokens] == [("env", (7,))]
    assert (settings.toggl.base_url, settings.toggl.requests_per_second) == ("http://toggl.example", 0.5)
    assert settings.sync.resources == ("client", "project", "tag")
    assert settings.service.listen == ("::1", 9108)
    assert timedelta(days=30) == settings.sync.history.retention
    assert (False, Path("/var/lib/x")) == (settings.database.migrate, settings.database.data_dir)
    assert timedelta(0) == settings.sync.deletes.min_age


def test_empty_texts_mean_off(load: Callable[..., Settings]) -> None:
    """Also from the environment, where an empty variable takes back what the file says."""
    text = TOKEN + '[database]\nurl = "postgresql://h/db"\ndata_dir = ""\n[service]\nlisten = "127.0.0.1:1"'
    settings = load(text, ENVIRON | {"SYNCD_SERVICE__LISTEN": "", "SYNCD_DATABASE__URL": ""})
    assert settings.database.url is None
    assert settings.database.data_dir is None
    assert settings.service.listen is None


def test_paths_start_at_home_at_the_file_or_at_the_working_directory(
    load: Callable[..., Settings], nowhere: Path, tmp_path: Path
) -> None:
    """By where they are written."""
    data_dir = TOKEN + '[database]\ndata_dir = "{}"'
    home = ENVIRON | {"HOME": "/home/me"}
    assert Path("/home/me/pg") == load(data_dir.format("~/pg"), home).database.data_dir
    assert tmp_path / "pg" == load(data_dir.format("pg"), ENVIRON).database.data_dir
    assert Path("/pg") == load(data_dir.format("/pg"), ENVIRON).database.data_dir
    from_environment = load(TOKEN, ENVIRON | {"SYNCD_DATABASE__DATA_DIR": "pg"})
    assert nowhere / "pg" == from_environment.database.data_dir


def test_the_process_environment_is_not_read(load: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is passed in counts."""
    monkeypatch.setenv("SYNCD_DATABASE__POOL_SIZE", "99")
    assert load(TOKEN, ENVIRON).database.pool_size == 8


def test_files_are_looked_for_in_order(nowhere: Path, tmp_path: Path) -> None:
    """--config, $SYNCD_CONFIG, ./config.toml, the system's; the first one that is there."""
    system, local, named, given = (
        config.SYSTEM_CONFIG,
        nowhere / "config.toml",
        tmp_path / "named.toml",
        tmp_path / "given.toml",
    )
    system.parent.mkdir()
    for path in (system, local, named, given):
        path.write_text(TOKEN)
    environ = ENVIRON | {"SYNCD_CONFIG": str(named)}
    assert str(given) == load_settings(given, environ).source
    assert str(named) == load_settings(None, environ).source
    assert load_settings(None, ENVIRON | {"SYNCD_CONFIG": ""}).source == "config.toml"
    local.unlink()
    assert str(system) == load_settings(None, ENVIRON).source


def test_a_named_file_that_is_missing_is_an_error_of_its_own(nowhere: Path) -> None:
    """Another file must not take its place silently."""
    (nowhere / "config.toml").write_text(TOKEN)
    with pytest.raises(ConfigError) as given:
        load_settings(Path("gone.toml"), ENVIRON)
    assert given.value.problems == ("--config gone.toml: no such file; correct the path",)
    with pytest.raises(ConfigError) as named:
        load_settings(None, ENVIRON | {"SYNCD_CONFIG": "gone.toml"})
    assert named.value.problems == ("$SYNCD_CONFIG names gone.toml: no such file; correct or unset it",)


@pytest.mark.parametrize("by_option", [True, False], ids=["--config", "$SYNCD_CONFIG"])
def test_a_file_that_cannot_even_be_looked_for_is_one_line(by_option: bool) -> None:
    """As one in a directory that is closed to this user; here its name is too long."""
    path = "x" * 300
    with pytest.raises(ConfigError) as raised:
        load_settings(Path(path) if by_option else None, ENVIRON | {"SYNCD_CONFIG": path})
    (problem,) = raised.value.problems
    assert problem.endswith(": cannot be read (file name too long); correct path or rights")


def test_without_a_file_the_lone_token_is_mirrored_into_the_embedded_database() -> None:
    """The way to try syncd in a minute."""
    settings = load_settings(None, {"TOGGL_API_TOKEN": "abc"})
    assert settings.source == "environment"
    assert settings.database.url is None
    assert [(t.name, t.secret.get_secret_value(), t.rank) for t in settings.tokens] == [("default", "abc", 0)]


@pytest.mark.parametrize("environ", [{}, {"TOGGL_API_TOKEN": ""}])
def test_without_file_and_token_one_line_says_what_to_do(environ: dict[str, str]) -> None:
    """The first thing that a newcomer sees."""
    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ)
    (problem,) = caught.value.problems
    assert re.fullmatch(
        r"no configuration: looked for \$SYNCD_CONFIG, \./config\.toml, \S+/config\.toml; "
        r"give --config, or set TOGGL_API_TOKEN",
        problem,
    )


def test_without_file_and_token_a_command_that_needs_none_has_the_defaults() -> None:
    """`migrate` and `status` of the embedded database."""
    settings = load_settings(None, {}, require_tokens=False)
    assert settings.tokens == ()
    assert settings.database.url is None


def test_tokens_of_the_environment_need_no_file() -> None:
    """A container is configured by variables alone."""
    environ = {"SYNCD_TOKENS": '[{"name": "acme", "token_env": "T"}]', "T": "abc", "TOGGL_API_TOKEN": "other"}
    assert [token.name for token in load_settings(None, environ).tokens] == ["acme"]


def test_the_fingerprint_changes_with_settings_and_not_with_secrets(load: Callable[..., Settings]) -> None:
    """It goes into the first line of the log."""
    text = TOKEN + '[database]\nurl = "postgresql://{}@h/db"\npool_size = {}'
    one = load(text.format("u:pw", 8), ENVIRON).fingerprint()
    assert re.fullmatch("[0-9a-f]{12}", one)
    assert one == load(text.format("u:other", 8), {"T": "changed"}).fingerprint()
    assert one != load(text.format("u:pw", 9), ENVIRON).fingerprint()
    assert one != load(text.format("u:pw", 8).replace("@h/", "@i/"), ENVIRON).fingerprint()
    assert one != load(text.format("u:pw", 8).replace("acme", "globex"), ENVIRON).fingerprint()


def test_settings_cannot_be_changed(load: Callable[..., Settings]) -> None:
    """All parts of the program see the same."""
    settings = load(TOKEN, ENVIRON)
    with pytest.raises(Exception, match="frozen"):
        settings.sync.interval = timedelta(1)


def test_loading_prints_nothing_and_imports_no_other_room() -> None:
    """Configuration stands free, and stdout belongs to whoever called."""
    code = (
        "import sys; from pathlib import Path; from syncd.config import load_settings\n"
        f"load_settings(Path({str(EXAMPLE)!r}), {{'TOGGL_ACME': 'abc'}})\n"
        "ours = {name.split('.')[1] for name in sys.modules if name.startswith('syncd.')}\n"
        "allowed = {'config', 'config_file', 'config_problems', 'config_values', 'durations', 'errors', 'passwords'}\n"
        "allowed |= {'escaping', 'tokens', 'records'}\n"
        "sys.exit(','.join(ours - allowed) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env=dict(os.environ),
        cwd=EXAMPLE.parent,
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (0, "", "")
