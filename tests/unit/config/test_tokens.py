"""Where secrets come from, and what is refused on the way."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd import tokens
from syncd.config import Settings, load_settings
from syncd.errors import ConfigError

SECRET = "canary-7f3a9c"
ONE = '[[tokens]]\nname = "acme"\n'


def secret_file(path: Path, mode: int = 0o600, content: bytes = SECRET.encode()) -> Path:
    """A file with *content* and exactly *mode*, whatever the umask."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_token_comes_from_the_environment(load: Callable[..., Settings]) -> None:
    """token_env names the variable."""
    settings = load(ONE + 'token_env = "TOGGL_ACME"', {"TOGGL_ACME": SECRET})
    assert [token.secret.get_secret_value() for token in settings.tokens] == [SECRET]


def test_a_token_comes_from_a_file_beside_the_configuration(load: Callable[..., Settings], tmp_path: Path) -> None:
    """A relative token_file starts at the directory of the file that names it, not at the working directory."""
    secret_file(tmp_path / "acme.token", content=SECRET.encode() + b"\r\n")
    settings = load(ONE + 'token_file = "acme.token"')
    assert settings.tokens[0].secret.get_secret_value() == SECRET


def test_a_token_comes_from_a_file_in_the_home_directory(load: Callable[..., Settings], tmp_path: Path) -> None:
    """ "~" is the home directory of the given environment."""
    secret_file(tmp_path / "acme.token")
    settings = load(ONE + 'token_file = "~/acme.token"', {"HOME": str(tmp_path)})
    assert settings.tokens[0].secret.get_secret_value() == SECRET


def test_a_token_comes_from_a_systemd_credential(load: Callable[..., Settings], tmp_path: Path) -> None:
    """systemd mounts credentials with modes of its own, so they are not judged."""
    secret_file(tmp_path / "toggl-acme", mode=0o444)
    settings = load(ONE + 'credential = "toggl-acme"', {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert settings.tokens[0].secret.get_secret_value() == SECRET


def test_a_secret_is_shown_by_no_repr_or_format(load: Callable[..., Settings]) -> None:
    """Settings end up in debuggers and messages."""
    settings = load(ONE + 'token_env = "T"\n[database]\nurl = "postgresql://u:canary-pw@h/db"', {"T": SECRET})
    shown = f"{settings!r} {settings.tokens[0]} {settings.database} {settings.database.url} {settings.fingerprint()}"
    assert "canary" not in shown


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602, 0o666, 0o444])
def test_a_file_open_to_others_is_refused(problems: Callable[..., list[str]], tmp_path: Path, mode: int) -> None:
    """The mode bits count, for root could read anything."""
    path = secret_file(tmp_path / "acme.token", mode)
    assert [
        f"FILE: [[tokens]] acme: token file {path} is open to group or others (mode {mode:04o}); chmod 600 it"
    ] == problems(ONE + 'token_file = "acme.token"')


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_closed_to_others_is_accepted(load: Callable[..., Settings], tmp_path: Path, mode: int) -> None:
    """Only its owner can do anything with it."""
    secret_file(tmp_path / "acme.token", mode)
    assert len(load(ONE + 'token_file = "acme.token"').tokens) == 1


@pytest.mark.parametrize("mount", ["run", "credentials"])
def test_mounted_secrets_may_be_readable(
    load: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount: str
) -> None:
    """In a container's secrets and in a credentials directory, the orchestrator sets the modes."""
    directory = tmp_path / mount
    (directory / "..2024").mkdir(parents=True)
    secret_file(directory / "..2024" / "acme", mode=0o444)
    (directory / "acme").symlink_to("..2024/acme")  # as Kubernetes lays them out
    monkeypatch.setattr(tokens, "SECRET_MOUNTS", (tmp_path / "run",))
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    assert len(load(ONE + f'token_file = "{directory}/acme"', environ).tokens) == 1


def test_a_link_out_of_the_mount_does_not_inherit_its_exception(
    problems: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is where the file really lies."""
    (tmp_path / "run").mkdir()
    secret_file(tmp_path / "elsewhere", mode=0o644)
    (tmp_path / "run" / "acme").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(tokens, "SECRET_MOUNTS", (tmp_path / "run",))
    assert "open to group or others" in problems(ONE + f'token_file = "{tmp_path}/run/acme"')[0]


def test_the_root_directory_is_no_credentials_directory(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    """Or every file would be excepted."""
    secret_file(tmp_path / "acme.token", mode=0o644)
    found = problems(ONE + 'token_file = "acme.token"', {"CREDENTIALS_DIRECTORY": "/"})
    assert "open to group or others" in found[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"canary 1", "holds blanks"),
        (b"canary\tx", "holds blanks"),
        (b"canary\nx\n", "holds blanks, line breaks"),
        (b" canary", "holds blanks"),
        (b"canary:api_token", "holds a colon"),
        ("canaryü".encode(), "non-ASCII"),
        (b"\xff\xfecanary", "non-ASCII"),
        (b"canary\x00", "non-ASCII"),
        (b"canary" * 1000, "too large"),
    ],
)
def test_a_file_that_cannot_be_a_token_is_refused(
    problems: Callable[..., list[str]], tmp_path: Path, content: bytes, reason: str
) -> None:
    """And what is in it is not repeated."""
    path = secret_file(tmp_path / "acme.token", content=content)
    (problem,) = problems(ONE + 'token_file = "acme.token"')
    assert problem.startswith(f"FILE: [[tokens]] acme: token file {path} ")
    assert reason in problem
    assert "canary" not in problem


@pytest.mark.parametrize("value", ["canary x", "canary:api_token", "canaryü"])
def test_an_environment_variable_that_cannot_be_a_token_is_refused(
    problems: Callable[..., list[str]], value: str
) -> None:
    """The same rules as for files."""
    (problem,) = problems(ONE + 'token_env = "TOGGL_ACME"', {"TOGGL_ACME": value})
    assert problem.startswith("FILE: [[tokens]] acme: environment variable TOGGL_ACME holds ")
    assert "canary" not in problem


def test_a_missing_or_empty_environment_variable_is_named(problems: Callable[..., list[str]]) -> None:
    """Two mistakes, two lines."""
    text = ONE + 'token_env = "GONE"\n[[tokens]]\nname = "globex"\ntoken_env = "EMPTY"'
    assert problems(text, {"EMPTY": ""}) == [
        "FILE: [[tokens]] acme: environment variable GONE is not set; set it to the API token",
        "FILE: [[tokens]] globex: environment variable EMPTY is empty; put the Toggl API token there",
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('token_file = "gone"', "does not exist"),
        ('token_file = "."', "cannot be read (is a directory)"),
        ('token_file = "pipe"', "is not a regular file"),
        ('token_file = "config.toml/x"', "cannot be read (not a directory)"),
        ('token_file = "a\\u0000b"', "cannot be read (not a usable path)"),
        ('credential = "x"', "$CREDENTIALS_DIRECTORY is not set"),
    ],
)
def test_a_place_without_a_token_is_refused(
    problems: Callable[..., list[str]], tmp_path: Path, source: str, reason: str
) -> None:
    """Also a named pipe, which must not hold the start-up."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    (problem,) = problems(ONE + source)
    assert reason in problem


def test_a_credential_is_a_name_and_not_a_path(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    """Or any readable file would be excepted from the rule about modes."""
    secret_file(tmp_path / "acme.token", mode=0o644)
    (tmp_path / "credentials").mkdir()
    found = problems(ONE + 'credential = "../acme.token"', {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    assert "without a path" in found[0]


@pytest.mark.parametrize("key", ["token_env", "token_file", "credential"])
def test_a_token_pasted_where_its_place_belongs_is_not_shown(problems: Callable[..., list[str]], key: str) -> None:
    """A mistake that people make, and whose message ends up in tickets."""
    pasted = "0123456789abcdef0123456789abcdef"
    (problem,) = problems(ONE + f'{key} = "{pasted}"', {"CREDENTIALS_DIRECTORY": "/nowhere"})
    assert pasted not in problem


@pytest.mark.parametrize(
    ("sources", "there"),
    [
        ("", "none"),
        ('token_env = "T"\ntoken_file = "f"', "token_env and token_file"),
        ('token_env = "T"\ntoken_file = "f"\ncredential = "c"', "token_env and token_file and credential"),
    ],
)
def test_exactly_one_source_is_asked_for(problems: Callable[..., list[str]], sources: str, there: str) -> None:
    """With two, nobody could tell which of them is out of date."""
    assert [
        f"FILE: [[tokens]] acme: needs exactly one of token_env, token_file, credential, but has {there}"
    ] == problems(ONE + sources, {"T": SECRET})


def test_rank_follows_the_configuration_then_the_names_of_files(load: Callable[..., Settings], tmp_path: Path) -> None:
    """Of two tokens that see the same row, the better-ranked one decides how it looks."""
    directory = tmp_path / "tokens"
    directory.mkdir()
    for name in ("b", "a"):
        secret_file(directory / name)
    secret_file(directory / ".hidden", mode=0o644)
    (directory / "sub").mkdir()
    text = """
        [toggl]
        token_dir = "tokens"
        [sync]
        interval = "7m"
        [[tokens]]
        name = "z"
        token_env = "T"
        workspaces = [3, 1]
        interval = "1h"
        [[tokens]]
        name = "y"
        token_env = "T"
    """
    settings = load(text, {"T": SECRET})
    assert [
        (token.name, token.rank, token.workspaces, token.interval.total_seconds()) for token in settings.tokens
    ] == [("z", 0, (3, 1), 3600), ("y", 1, (), 420), ("a", 2, (), 420), ("b", 3, (), 420)]


def test_every_file_of_the_token_directory_is_judged(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    """One line per file, and names are unique across both kinds of tokens."""
    directory = tmp_path / "tokens"
    directory.mkdir()
    secret_file(directory / "acme")
    secret_file(directory / "globex", mode=0o644)
    secret_file(directory / "initech~")
    secret_file(directory / "umbrella", content=b"")
    found = problems('[toggl]\ntoken_dir = "tokens"\n' + ONE + 'token_env = "T"', {"T": SECRET})
    assert [
        "FILE: [toggl] token_dir: the name acme is taken already; every token needs its own",
        f"FILE: [toggl] token_dir: token file {directory}/globex is open to group or others (mode 0644); chmod 600 it",
        "FILE: [toggl] token_dir: token file initech~: its name must be 1 to 64 of A-Z a-z 0-9 . _ -",
        f"FILE: [toggl] token_dir: token file {directory}/umbrella is empty; put the Toggl API token there",
    ] == found


def test_a_missing_token_directory_is_named(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    """Or a service would start without its tokens."""
    path = tmp_path / "gone"
    assert [
        (
            f"FILE: [toggl] token_dir: token directory {path} cannot be listed (no such file or directory);"
            " correct the path"
        )
    ] == problems('[toggl]\ntoken_dir = "gone"')


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ü", "a\\n", "x" * 65])
def test_a_name_that_could_not_stand_in_a_log_is_refused(problems: Callable[..., list[str]], name: str) -> None:
    """Names go into lines, tables and file names."""
    (problem,) = problems(f'[[tokens]]\nname = "{name}"\ntoken_env = "T"', {"T": SECRET})
    assert problem.endswith("name: must be 1 to 64 of A-Z a-z 0-9 . _ -")


def test_a_name_that_looks_like_a_token_is_refused_and_not_shown(problems: Callable[..., list[str]]) -> None:
    """Names are logged."""
    pasted = "0123456789abcdef0123456789ABCDEF"
    (problem,) = problems(f'[[tokens]]\nname = "{pasted}"\ntoken_env = "T"', {"T": SECRET})
    assert "looks like a token itself" in problem
    assert pasted not in problem


def test_duplicate_names_are_refused(problems: Callable[..., list[str]]) -> None:
    """The name is all that the database knows of a token."""
    text = (ONE + 'token_env = "T"\n') * 2
    assert problems(text, {"T": SECRET}) == [
        "FILE: [[tokens]] acme: the name acme is taken already; every token needs its own"
    ]


def test_a_file_without_tokens_is_refused(problems: Callable[..., list[str]]) -> None:
    """And the message says why the lone token of the environment does not count."""
    assert problems("") == ["FILE: no tokens; add a [[tokens]] table or set [toggl] token_dir"]
    assert problems("", {"TOGGL_API_TOKEN": SECRET})[0].endswith("(TOGGL_API_TOKEN counts only without a file)")


def test_the_lone_token_is_judged_too() -> None:
    """It is a secret like any other."""
    with pytest.raises(ConfigError) as caught:
        load_settings(None, {"TOGGL_API_TOKEN": "canary:api_token"})
    assert "canary" not in str(caught.value)
    assert "holds a colon" in str(caught.value)


def test_commands_without_tokens_read_no_secret(load: Callable[..., Settings]) -> None:
    """`migrate` runs where no token is at hand."""
    settings = load(ONE + 'token_env = "GONE"', require_tokens=False)
    assert settings.tokens == ()
