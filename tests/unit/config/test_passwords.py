"""The database's password, where it is not in the URL."""

from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.config import Settings

DATABASE = '[database]\nurl = "postgresql://syncd@db:5433/bi?application_name=x"\n'
AWKWARD = "p@ss:wörd/%?#"
IN_URL = "postgresql://syncd:p%40ss%3Aw%C3%B6rd%2F%25%3F%23@db:5433/bi?application_name=x"


def file_with(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def url_of(settings: Settings) -> str:
    assert settings.database.url is not None
    return settings.database.url.get_secret_value()


def test_a_password_comes_from_a_file_beside_the_configuration(load: Callable[..., Settings], tmp_path: Path) -> None:
    """Every character gets through, also those that mean something in a URL; no repr shows it."""
    file_with(tmp_path / "pw", AWKWARD.encode() + b"\n")
    settings = load(DATABASE + 'password_file = "pw"\n', require_tokens=False)
    assert url_of(settings) == IN_URL
    assert AWKWARD not in repr(settings)


def test_a_password_comes_from_a_systemd_credential(load: Callable[..., Settings], tmp_path: Path) -> None:
    """Its directory is the manager's business, its mode, too: newer systemd grants the service by a group bit."""
    file_with(tmp_path / "database-password", AWKWARD.encode(), 0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "SYNCD_DATABASE__CREDENTIAL": "database-password"}
    assert url_of(load(DATABASE, environ, require_tokens=False)) == IN_URL


def test_a_socket_without_a_user_takes_a_password(load: Callable[..., Settings], tmp_path: Path) -> None:
    """The user is then PostgreSQL's own default."""
    file_with(tmp_path / "pw", b"secret")
    text = '[database]\nurl = "postgresql:///bi?host=/run/postgresql"\npassword_file = "pw"\n'
    assert url_of(load(text, require_tokens=False)) == "postgresql://:secret@/bi?host=/run/postgresql"


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (b"canary", 0o644, "is open to group or others (mode 0644); chmod 600 it"),
        (b"\n", 0o600, "is empty or holds a NUL; put the password there"),
        (b"can\0ary", 0o600, "is empty or holds a NUL; put the password there"),
        (b"canary\xff", 0o600, "is not UTF-8 text; put only the password there"),
        (b"canary" * 1000, 0o600, "is too large to hold the password alone; put nothing else there"),
    ],
)
def test_a_file_that_cannot_be_a_password_is_refused(
    problems: Callable[..., list[str]], tmp_path: Path, content: bytes, mode: int, problem: str
) -> None:
    """In one line that names the file and shows nothing of it."""
    path = file_with(tmp_path / "pw", content, mode)
    (found,) = problems(DATABASE + f'password_file = "{path}"\n[[tokens]]\nname = "a"\ntoken_env = "T"\n', {"T": "x"})
    assert found == f"FILE: [database] password_file: password file {path} {problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (DATABASE + 'password_file = "pw"\ncredential = "pw"\n', "credential: password_file is given, too"),
        ('[database]\npassword_file = "pw"\n', "password_file: needs [database] url"),
        (
            '[database]\nurl = "postgresql://a:b@db/bi"\npassword_file = "pw"\n',
            "password_file: url holds a password already",
        ),
        (
            '[database]\nurl = "postgresql://a@db/bi?password=b"\npassword_file = "pw"\n',
            "password_file: url holds a password already",
        ),
        (DATABASE + 'credential = "pw"\n', "credential: $CREDENTIALS_DIRECTORY is not set"),
    ],
)
def test_a_password_that_has_no_one_place_is_refused(
    problems: Callable[..., list[str]], tmp_path: Path, text: str, problem: str
) -> None:
    """Nobody should have to guess which one counts."""
    file_with(tmp_path / "pw", b"canary")
    (found,) = problems(text + '[[tokens]]\nname = "a"\ntoken_env = "T"\n', {"T": "x"})
    assert found.startswith(f"FILE: [database] {problem}")
