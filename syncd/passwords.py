"""The database's password, where it has a place of its own: a file or a systemd credential, kept out of the URL."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from pydantic import SecretStr

from syncd.tokens import SecretError, credential_path, read_secret, shown


def full_url(
    url: SecretStr | None, file: Path | None, credential: str | None, environ: Mapping[str, str]
) -> SecretStr | None:
    """*url* with the password that *file* or the systemd credential holds; as it is without either.

    Raises:
        SecretError: both are given, the password cannot be had, or the URL has no place for it.
    """
    if file and credential:
        raise SecretError("password_file is given, too; keep one of the two")
    if credential:
        file = credential_path(credential, environ)
    return with_password(url, read_password(file, environ)) if file else url


def read_password(path: Path, environ: Mapping[str, str]) -> SecretStr:
    """The password in the file at *path*, which may end in line breaks; raises SecretError."""
    place = f"password file {shown(str(path))}"
    content = read_secret(path, environ, place, "password")
    try:
        password = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretError(f"{place} is not UTF-8 text; put only the password there") from None
    if not password or "\0" in password:
        raise SecretError(f"{place} is empty or holds a NUL; put the password there")
    return SecretStr(password)


def with_password(url: SecretStr | None, password: SecretStr) -> SecretStr:
    """*url* with *password* in it; raises SecretError if there is no URL, or one that has a password already."""
    if url is None:
        raise SecretError("needs [database] url; without one syncd runs a PostgreSQL of its own")
    parts = urlsplit(url.get_secret_value())
    if parts.password is not None or "password" in parse_qs(parts.query, keep_blank_values=True):
        raise SecretError("url holds a password already; keep one of the two")
    user, _, place = parts.netloc.rpartition("@")
    netloc = f"{user}:{quote(password.get_secret_value(), safe='')}@{place}"
    return SecretStr(urlunsplit(parts._replace(netloc=netloc)))
