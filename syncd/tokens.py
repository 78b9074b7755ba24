"""Where the secret of each Toggl token comes from, and what is refused on the way.

A secret is read from exactly one place: an environment variable, a file, or a systemd credential. It is held
as `SecretStr`, so that no repr, format or dump shows it. Every problem is one sentence that names the place and
never repeats what was found there.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from syncd.errors import reason_of
from syncd.escaping import escaped

NAME_RULE = "must be 1 to 64 of A-Z a-z 0-9 . _ -"
# Secrets that an orchestrator mounts are readable by the whole container on purpose: nobody else lives in it.
SECRET_MOUNTS = (Path("/run/secrets"), Path("/var/run/secrets"))
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOOKS_LIKE_TOKEN = re.compile(r"[0-9a-fA-F]{32}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_BYTES = 4096
_OPEN_TO_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Token:
    """One Toggl account to mirror.

    name: the only thing about a token that is ever stored or logged. workspaces: ids to mirror, empty = all
    that the token sees. interval: between two pulls. rank: 0 is best; of two tokens that see one row, the
    better one wins.
    """

    name: str
    secret: SecretStr
    workspaces: tuple[int, ...]
    interval: timedelta
    rank: int


class SecretError(Exception):
    """A secret that cannot be used; the text says why and what to do, and holds nothing of the secret."""


def check_name(name: str) -> str:
    """*name* if it may stand for a token in logs and tables; raises ValueError with the rule otherwise."""
    if not _NAME.fullmatch(name):
        raise ValueError(NAME_RULE)
    if _LOOKS_LIKE_TOKEN.fullmatch(name):
        raise ValueError("looks like a token itself; names are logged, so choose another one")
    return name


def secret_of(text: str) -> SecretStr:
    """The token in *text*, which may end in line breaks.

    Raises:
        SecretError: empty, or with a character that basic authentication or a header line cannot carry
            (RFC 7617: no colon in a user name).
    """
    token = text.rstrip("\r\n")
    if not token:
        raise SecretError("is empty; put the Toggl API token there")
    if ":" in token:
        raise SecretError("holds a colon; put the bare API token there, without user name or ':api_token'")
    if not all("!" <= character <= "~" for character in token):
        raise SecretError("holds blanks, line breaks or non-ASCII characters; put only the API token there")
    return SecretStr(token)


def read_env(name: str, environ: Mapping[str, str]) -> SecretStr:
    """The token in environment variable *name*; raises SecretError."""
    if not _ENV_NAME.fullmatch(name):  # most likely the secret itself: do not show it
        raise SecretError("token_env must be the name of an environment variable, not the token itself")
    if name not in environ:
        raise SecretError(f"environment variable {shown(name)} is not set; set it to the API token")
    try:
        return secret_of(environ[name])
    except SecretError as error:
        raise SecretError(f"environment variable {shown(name)} {error}") from None


def read_credential(name: str, environ: Mapping[str, str]) -> SecretStr:
    """The token in the systemd credential *name*, a file in $CREDENTIALS_DIRECTORY; raises SecretError."""
    return read_file(credential_path(name, environ), environ)


def credential_path(name: str, environ: Mapping[str, str]) -> Path:
    """The file of the systemd credential *name*; raises SecretError."""
    directory = environ.get("CREDENTIALS_DIRECTORY", "")
    if not directory:
        raise SecretError("$CREDENTIALS_DIRECTORY is not set; a credential needs LoadCredential= in the systemd unit")
    if "/" in name or name in (".", ".."):
        raise SecretError("a credential is named by its file name alone, without a path")
    return Path(directory, name)


def read_file(path: Path, environ: Mapping[str, str]) -> SecretStr:
    """The token in the file at *path*; raises SecretError, also for what cannot be a token."""
    place = f"token file {shown(str(path))}"
    content = read_secret(path, environ, place, "API token")
    try:
        return secret_of(content.decode("latin-1"))
    except SecretError as error:
        raise SecretError(f"{place} {error}") from None


def read_secret(path: Path, environ: Mapping[str, str], place: str, what: str) -> bytes:
    """The bytes of the file at *path*, which messages call *place* and which holds a *what*.

    The mode is judged on the opened file, so that nobody can swap it in between. Group and others may neither
    read nor write it, unless it lies in a credentials directory or a mount of secrets.

    Raises:
        SecretError: missing, unreadable, open to others, not a regular file, or too large.
    """
    try:
        # O_NONBLOCK: a named pipe must not hold the start-up for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise SecretError(f"{place} is not a regular file; name the file that holds the {what}")
            if mode & _OPEN_TO_OTHERS and not _is_mounted_secret(path, environ):
                raise SecretError(f"{place} is open to group or others (mode {stat.S_IMODE(mode):04o}); chmod 600 it")
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise SecretError(f"{place} does not exist; create it with mode 600 or correct the path") from None
    except (OSError, ValueError) as error:
        raise SecretError(f"{place} cannot be read ({_reason(error)}); correct path or rights") from None
    if len(content) > _MAX_BYTES:
        raise SecretError(f"{place} is too large to hold the {what} alone; put nothing else there")
    return content


def list_token_files(directory: Path) -> list[Path]:
    """The files of *directory* that stand for a token each, by name; dot files and directories do not.

    Raises:
        SecretError: *directory* is missing or cannot be listed.
    """
    try:
        return sorted(
            (entry for entry in directory.iterdir() if not entry.name.startswith(".") and not entry.is_dir()),
            key=lambda entry: entry.name,
        )
    except (OSError, ValueError) as error:
        place = f"token directory {shown(str(directory))}"
        raise SecretError(f"{place} cannot be listed ({_reason(error)}); correct the path") from None


def shown(text: str) -> str:
    """*text*, a name or path, for a one-line message: unprintables escaped, cut at 200 characters.

    What has the form of a Toggl token is blanked: people do paste the secret where its name belongs.
    """
    line = escaped(_LOOKS_LIKE_TOKEN.sub("***", text))
    return line if len(line) <= 200 else line[:199] + "…"


def _reason(error: OSError | ValueError) -> str:
    """Why a path cannot be used; ValueError: there is a NUL in it."""
    return reason_of(error) if isinstance(error, OSError) else "not a usable path"


def _is_mounted_secret(path: Path, environ: Mapping[str, str]) -> bool:
    # Resolved on both sides: a link out of the mount to an ordinary file does not inherit the exception.
    real = path.resolve()
    credentials = Path(environ.get("CREDENTIALS_DIRECTORY") or "/")
    roots = [root.resolve() for root in (*SECRET_MOUNTS, credentials)]
    return any(root != Path("/") and real.is_relative_to(root) for root in roots)
