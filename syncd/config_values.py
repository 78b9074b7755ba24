"""The kinds of values that settings have: what may be written, and the sentence that refuses the rest.

Every validator answers with one sentence that does not repeat the value, for any value may hold a secret.
"""

import importlib.util
import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from syncd.durations import EXPECTED, parse_duration
from syncd.records import ALWAYS, RESOURCES, Resource
from syncd.tokens import check_name

_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_API_SUFFIX = re.compile(r"/+(?:api/v[89]/*)?$")


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"must be {EXPECTED}")  # noqa: TRY004 - pydantic reports ValueError only
    return parse_duration(value)


def _positive(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("must be longer than 0s")
    return value


def _not_bool(value: object) -> object:
    if isinstance(value, bool):  # or `true` would count as 1
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic reports ValueError only
    return value


def _resources(value: object) -> tuple[Resource, ...]:
    """Of their names, the plural: a list, or in one text with commas between them."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("must be a list of names in square brackets")
    wanted = {name.strip().removesuffix("s") for name in names if name.strip().endswith("s")}
    if len(wanted) < len(names) or not wanted <= RESOURCES.keys() or not wanted.issuperset(ALWAYS):
        known = ", ".join(f'"{resource}s"' for resource in RESOURCES if resource not in ALWAYS)
        always = " and ".join(f'"{resource}s"' for resource in ALWAYS)
        raise ValueError(f"must have {always} in it, each once; nothing else can be added but {known}")
    return tuple(resource for resource in RESOURCES if resource in wanted)


def _off_is_none(value: object) -> object:
    return None if value == "off" else value


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _split(url: str) -> SplitResult:
    """The parts of *url*; ValueError without its text (urllib's own messages repeat the password)."""
    if not url.isascii() or any(not "!" <= character <= "~" for character in url):
        raise ValueError("must not hold blanks or non-ASCII characters; percent-encode them")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a well-formed URL; look at its host and port") from None
    return parts


def _database_url(value: SecretStr) -> SecretStr:
    if _split(value.get_secret_value()).scheme not in ("postgresql", "postgres"):
        raise ValueError("must be a URL that starts with postgresql://")
    return value


def _base_url(value: str) -> str:
    parts = _split(value)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError('must be a URL like "https://api.track.toggl.com"')
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password; tokens have their own keys in [[tokens]]")
    if parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError("must not have a query or fragment; end it after host or path")
    return _API_SUFFIX.sub("", value)


def is_loopback(url: str) -> bool:
    """Whether *url* (well-formed) names this machine by a loopback address or as localhost."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(value: object) -> object:
    if value == "":
        return None
    match = _HOST_PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match["port"]) > 65535:
        raise ValueError('must be "host:port", like "127.0.0.1:9108" or "[::1]:9108", or "" for off')
    return match["host"].strip("[]"), int(match["port"])


def _installed(value: object) -> object:
    if value == "pgqueuer" and importlib.util.find_spec("pgqueuer") is None:
        raise ValueError('"pgqueuer" is not installed: pip install "syncd[replicas]", or write "local"')
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
Retention = Annotated[PositiveDuration | None, BeforeValidator(_off_is_none)]
PositiveInt = Annotated[int, Field(ge=1), BeforeValidator(_not_bool)]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_not_bool)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), BeforeValidator(_not_bool)]
OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]
DatabaseUrl = Annotated[Annotated[SecretStr, AfterValidator(_database_url)] | None, BeforeValidator(_empty_is_none)]
OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Listen = Annotated[tuple[str, int] | None, BeforeValidator(_listen)]
Dispatcher = Annotated[Literal["local", "pgqueuer"], BeforeValidator(_installed)]
TokenName = Annotated[str, AfterValidator(check_name)]
Resources = Annotated[tuple[Resource, ...], BeforeValidator(_resources)]
WorkspaceIds = tuple[PositiveInt, ...]
