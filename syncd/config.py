"""The settings: read from one TOML file and the environment, all mistakes reported at once.

Nothing else reads configuration. The environment wins over the file: `SYNCD_DATABASE__URL` is `[database] url`,
and `SYNCD_TOKENS` is the list of tokens as JSON. The tables below are what may be written; `Settings` is what
the rest of the program works with: checked, and with the secrets read. Relative paths start at the directory of
the file that holds them, or at the working directory when they come from the environment.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial, reduce
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, ValidationInfo, field_validator

from syncd import config_problems as words
from syncd import config_values as kinds
from syncd.config_file import read_toml
from syncd.errors import ConfigError
from syncd.passwords import full_url
from syncd.records import ALWAYS
from syncd.tokens import (
    SecretError,
    Token,
    check_name,
    list_token_files,
    read_credential,
    read_env,
    read_file,
    shown,
)

SYSTEM_CONFIG = Path("/etc/syncd/config.toml")
LOCAL_CONFIG = Path("config.toml")
LONE_TOKEN_ENV = "TOGGL_API_TOKEN"  # noqa: S105 - the name of the variable, not a token
T = TypeVar("T")
_SOURCES = ("token_env", "token_file", "credential")


class _Table(BaseModel):
    # hide_input_in_errors: pydantic's own message would repeat the value, which may be a password.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Database(_Table):
    """Where the mirror lives. url None: an embedded PostgreSQL under data_dir (None: this user's default).

    password_file, credential: where the password is, if not in the URL; in `Settings` the URL has it.
    """

    url: kinds.DatabaseUrl = None
    password_file: kinds.OptionalPath = None
    credential: kinds.OptionalText = None
    data_dir: kinds.OptionalPath = None
    migrate: bool = True
    pool_size: kinds.PositiveInt = 8
    connect_timeout: kinds.PositiveDuration = timedelta(seconds=30)


class Toggl(_Table):
    """The source. requests_per_second is per token, 0 = no pacing; base_url has no trailing slash."""

    api: Literal["v8", "v9"] = "v9"
    allow_insecure_http: bool = False
    base_url: kinds.BaseUrl = "https://api.track.toggl.com"
    requests_per_second: kinds.Rate = 1.0
    token_dir: kinds.OptionalPath = None
    projects: Literal["auto", "workspace", "client"] = "auto"

    @field_validator("base_url")
    @classmethod
    def _encrypted(cls, url: str, info: ValidationInfo) -> str:
        if url.startswith("http:") and not kinds.is_loopback(url) and not info.data.get("allow_insecure_http"):
            raise ValueError(
                "is plain http to another machine, which shows the tokens to the network; use https, "
                "or set [toggl] allow_insecure_http = true"
            )
        return url


class Deletes(_Table):
    """When an absent row becomes a tombstone. max_share: 0..1 of a scope's live rows."""

    enabled: bool = True
    confirmations: kinds.PositiveInt = 2
    min_age: kinds.Duration = timedelta(minutes=15)
    max_share: kinds.Share = 0.20


class History(_Table):
    """How long superseded versions are kept; None ("off") = for ever."""

    retention: kinds.Retention = None


class Sync(_Table):
    """The rhythm of pulls. resources: what is mirrored, in the order of syncd.records.RESOURCES."""

    interval: kinds.PositiveDuration = timedelta(minutes=5)
    max_concurrent_pulls: kinds.PositiveInt = 32
    pull_timeout: kinds.PositiveDuration = timedelta(minutes=10)
    full_every: kinds.PositiveDuration = timedelta(hours=24)
    resources: kinds.Resources = ALWAYS
    deletes: Deletes = Deletes()
    history: History = History()


class Service(_Table):
    """The daemon's own face. listen: (host, port), None = no pages at all."""

    listen: kinds.Listen = None
    dispatcher: kinds.Dispatcher = "local"


class Log(_Table):
    """What is logged and how."""

    format: Literal["json", "console", "auto"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class TokenEntry(_Table):
    """One [[tokens]] table. Exactly one of token_env, token_file and credential; interval None = [sync]'s."""

    name: kinds.TokenName
    token_env: str | None = None
    token_file: str | None = None
    credential: str | None = None
    workspaces: kinds.WorkspaceIds = ()
    interval: kinds.PositiveDuration | None = None


class Written(_Table):
    """Everything that may be written, before the secrets are read."""

    database: Database = Database()
    toggl: Toggl = Toggl()
    sync: Sync = Sync()
    service: Service = Service()
    log: Log = Log()
    tokens: tuple[TokenEntry, ...] = ()


TABLES = words.tables_of(Written)
ENVIRONMENT = words.environment_names(TABLES)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the program runs with. source: the file's path, or "environment"; tokens: best rank first."""

    source: str
    database: Database
    toggl: Toggl
    sync: Sync
    service: Service
    log: Log
    tokens: tuple[Token, ...]

    def fingerprint(self) -> str:
        """12 hex digits that change when a setting does. No secret goes in; of the database's URL only its place."""
        tree: dict[str, object] = {
            part: getattr(self, part).model_dump(mode="json")
            for part in ("database", "toggl", "sync", "service", "log")
        }
        url = urlsplit(self.database.url.get_secret_value() if self.database.url else "")
        tree["url"] = [url.hostname, url.port, url.path]
        tree["tokens"] = [(t.name, t.workspaces, t.interval.total_seconds(), t.rank) for t in self.tokens]
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:12]


def load_settings(path: Path | None, environ: Mapping[str, str], *, require_tokens: bool = True) -> Settings:
    """The settings of this process.

    Args:
        path: the file of --config; None: $SYNCD_CONFIG, ./config.toml, /etc/syncd/config.toml, or no file at all.
        environ: the environment, usually os.environ.
        require_tokens: False for commands that talk to no Toggl account: the secrets are then not read, and
            `Settings.tokens` is empty.

    Raises:
        ConfigError: `problems` lists everything that is wrong, one sentence each.
    """
    return _Loading(find_file(path, environ), environ).settings(require_tokens=require_tokens)


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read, see `load_settings`; raises ConfigError for one that is named but not there."""
    if path is not None:
        if not _is_there(path):
            raise ConfigError([f"--config {shown(str(path))}: no such file; correct the path"])
        return path
    named = environ.get("SYNCD_CONFIG")
    if named:
        if not _is_there(Path(named)):
            raise ConfigError([f"$SYNCD_CONFIG names {shown(named)}: no such file; correct or unset it"])
        return Path(named)
    return next((place for place in (LOCAL_CONFIG, SYSTEM_CONFIG) if _is_there(place)), None)


def _is_there(path: Path) -> bool:
    """Also true where that cannot be told, as in a directory that is closed to us: who then reads it says why."""
    try:
        return path.exists()
    except OSError:
        return True


def _tree_of(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings among *environ*, in tables as in the file; names that are none are reported elsewhere."""
    tree: dict[str, Any] = {}
    for name, (*tables, key) in ENVIRONMENT.items():
        if name in environ and (name != words.TOKENS_ENV or words.is_json(environ[name])):
            table = reduce(lambda outer, inner: outer.setdefault(inner, {}), tables, tree)
            table[key] = json.loads(environ[name]) if name == words.TOKENS_ENV else environ[name]
    return tree


def _overlaid(tree: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """*tree* with what *over* says otherwise, table by table."""
    return {**tree, **over} | {
        key: _overlaid(tree[key], over[key])
        for key in tree.keys() & over.keys()
        if isinstance(tree[key], Mapping) and isinstance(over[key], Mapping)
    }


class _Loading:
    """One run over file and environment that collects problems instead of stopping at the first."""

    def __init__(self, file: Path | None, environ: Mapping[str, str]) -> None:
        self._file = file
        self._environ = environ
        self._problems = words.environment_problems(environ, ENVIRONMENT)
        self._tree = read_toml(file, self._problems) if file else {}
        self._over = _tree_of(environ)
        listed = self._raw("tokens")
        self._listed: list[object] = listed if isinstance(listed, list) else []
        self._names: set[str] = set()

    def settings(self, *, require_tokens: bool) -> Settings:
        written = self._written()
        tokens = self._tokens(written) if require_tokens else ()
        url = self._database_url(written.database) if written else None
        if self._problems or written is None:
            raise ConfigError(self._problems)
        data_dir = self._path(("database", "data_dir"), written.database.data_dir)
        token_dir = self._path(("toggl", "token_dir"), written.toggl.token_dir)
        return Settings(
            source=str(self._file) if self._file else "environment",
            database=written.database.model_copy(update={"url": url, "data_dir": data_dir}),
            toggl=written.toggl.model_copy(update={"token_dir": token_dir}),
            sync=written.sync,
            service=written.service,
            log=written.log,
            tokens=tokens,
        )

    def _written(self) -> Written | None:
        try:
            return Written.model_validate(_overlaid(self._tree, self._over))
        except ValidationError as error:
            for details in error.errors(include_url=False, include_input=False):
                self._report(details["loc"], words.describe(details, TABLES))
        return None

    def _database_url(self, database: Database) -> SecretStr | None:
        place = ("database", "credential" if database.credential else "password_file")
        file = self._path(("database", "password_file"), database.password_file)
        return self._attempt(place, partial(full_url, database.url, file, database.credential, self._environ))

    def _tokens(self, written: Written | None) -> tuple[Token, ...]:
        """The tokens in rank order; without *written* (it has mistakes) none, but their problems are found."""
        found: list[Token] = []
        interval = written.sync.interval if written else timedelta(0)
        for index, raw in enumerate(self._listed):
            if not isinstance(raw, Mapping):
                continue
            self._claim(raw.get("name"), ("tokens", index))
            secret = self._attempt(("tokens", index), partial(self._listed_secret, raw))
            if written and secret:
                entry = written.tokens[index]
                every = entry.interval or interval
                found.append(Token(entry.name, secret, entry.workspaces, every, rank=len(found)))
        found += self._directory_tokens(interval, first_rank=len(found))
        if not found and not self._problems:
            found += self._lone_token(interval)
        return tuple(found)

    def _listed_secret(self, entry: Mapping[str, object]) -> SecretStr | None:
        """The secret of one [[tokens]] table; None where a key is of the wrong kind, which is reported elsewhere."""
        given = [key for key in _SOURCES if key in entry]
        if len(given) != 1:
            there = " and ".join(given) if given else "none"
            raise SecretError(f"needs exactly one of {', '.join(_SOURCES)}, but has {there}")
        value = entry[given[0]]
        if not isinstance(value, str):
            return None
        if given[0] == "token_env":
            return read_env(value, self._environ)
        if given[0] == "credential":
            return read_credential(value, self._environ)
        return read_file(self._absolute(("tokens",), Path(value)), self._environ)

    def _directory_tokens(self, interval: timedelta, first_rank: int) -> list[Token]:
        location = ("toggl", "token_dir")
        directory = self._raw(*location)
        if not isinstance(directory, str) or not directory:
            return []
        found: list[Token] = []
        path = self._absolute(location, Path(directory))
        for file in self._attempt(location, partial(list_token_files, path)) or []:
            secret = self._attempt(location, partial(read_file, file, self._environ))
            try:
                check_name(file.name)
            except ValueError as error:
                self._report(location, f"token file {shown(file.name)}: its name {error}")
            self._claim(file.name, location)
            if secret:
                found.append(Token(file.name, secret, (), interval, rank=first_rank + len(found)))
        return found

    def _lone_token(self, interval: timedelta) -> list[Token]:
        """$TOGGL_API_TOKEN as the token "default", where no file is: the way to try syncd in one minute."""
        if self._file:
            hint = f" ({LONE_TOKEN_ENV} counts only without a file)" if self._environ.get(LONE_TOKEN_ENV) else ""
            self._problems.append(
                f"{shown(str(self._file))}: no tokens; add a [[tokens]] table or set [toggl] token_dir{hint}"
            )
        elif not self._environ.get(LONE_TOKEN_ENV):
            looked = f"$SYNCD_CONFIG, ./{LOCAL_CONFIG}, {SYSTEM_CONFIG}"
            self._problems.append(f"no configuration: looked for {looked}; give --config, or set {LONE_TOKEN_ENV}")
        else:
            try:
                secret = read_env(LONE_TOKEN_ENV, self._environ)
                return [Token("default", secret, (), interval, rank=0)]
            except SecretError as error:
                self._problems.append(f"environment: {error}")
        return []

    def _claim(self, name: object, location: words.Location) -> None:
        if isinstance(name, str) and name in self._names:
            self._report(location, f"the name {shown(name)} is taken already; every token needs its own")
        elif isinstance(name, str):
            self._names.add(name)

    def _attempt(self, location: words.Location, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except SecretError as error:
            self._report(location, str(error))
            return None

    def _report(self, location: words.Location, sentence: str) -> None:
        name = self._environment_name(location)
        if name == words.TOKENS_ENV:
            place = f"environment: {name}: {words.key_label(location, self._listed)}"
        elif name:
            place = f"environment: {name}"
        else:
            place = f"{shown(str(self._file))}: {words.key_label(location, self._listed)}"
        self._problems.append(f"{place}: {sentence}")

    def _raw(self, *keys: str) -> object:
        """What is written at *keys*, by the environment or else the file, before any check."""
        for tree in (self._over, self._tree):
            value: object = tree
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                return value
        return None

    def _environment_name(self, location: words.Location) -> str | None:
        """The variable that *location* was read from; None: from the file."""
        names = (name for name, place in ENVIRONMENT.items() if location[: len(place)] == place)
        return next((name for name in names if name in self._environ), None)

    def _path(self, location: words.Location, path: Path | None) -> Path | None:
        return None if path is None else self._absolute(location, path)

    def _absolute(self, location: words.Location, path: Path) -> Path:
        home = self._environ.get("HOME")
        if path.parts[:1] == ("~",) and home:
            return Path(home, *path.parts[1:])
        from_file = self._file and not self._environment_name(location)
        base = self._file.absolute().parent if self._file and from_file else Path.cwd()
        return base / path
