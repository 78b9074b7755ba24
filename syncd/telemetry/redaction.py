"""The last hands on a line before it is written: whatever it holds becomes plain JSON values without secrets.

Two nets, for neither is enough alone. Secrets that were registered are found wherever and however they are
written: bare, in base64 (also inside a longer base64 text, such as that of "<token>:api_token"), in hex, escaped
for URL, JSON or repr. And what merely looks like a secret is found by its form: passwords in URLs, Authorization
headers, values next to a telling name, and runs of exactly 32 hex digits, which is how Toggl's tokens look. Our
own ids must therefore never be 32 bare hex digits: write UUIDs with hyphens.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from math import isfinite
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

BLANK = "***"
MIN_SECRET_CHARS = 6
MAX_TEXT_CHARS = 16_384
# Text is searched a little further than it is shown, so that a secret across the cut is recognised.
_MARGIN_CHARS = 8192
_MAX_DEPTH = 8
_MAX_KEYS_REMEMBERED = 2000

_BASE64_RUN = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_SENSITIVE_NAME = r"(?:password|passwd|passphrase|secret|authorization|api[_-]?token|api[_-]?key|ical_?url|cookie)"
_SENSITIVE_KEY = re.compile(_SENSITIVE_NAME)
# Each pattern blanks its group 1. Repetitions are bounded, so that no text takes quadratic time.
_PATTERNS = (
    # 32 hex digits
    re.compile(r"(?<![0-9A-Fa-f])([0-9A-Fa-f]{32})(?![0-9A-Fa-f])"),
    # scheme://user:PASSWORD@host, up to the last @, for passwords are not always escaped as they should be
    re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:@/\"'<>]{0,200}:([^\s\"'<>]{1,1000})@"),
    # https://TOKEN:anything@host and https://TOKEN@host: Toggl puts the token where the user name goes
    re.compile(r"https?://([^\s/\"'<>]{1,1000})@", re.IGNORECASE),
    # Basic dG9rZW4= and Bearer abc…; a digit or "=" or 20 characters tell a code from a word
    re.compile(
        r"\b(?:Basic|Bearer)\s{1,3}((?=[A-Za-z+/_~.-]{0,100}[0-9=]|[\w+/~.-]{20})[\w+/~.-]{4,2000}={0,2})",
        re.IGNORECASE,
    ),
    # password=…, 'api_token': '…', Authorization: Basic …
    re.compile(
        _SENSITIVE_NAME + r"[\w-]{0,20}(?:\\{0,4}[\"'])?\s{0,3}(?:[:=]|=>|%3[Dd])\s{0,3}(?:\\{1,4}[\"'])?"
        r"((?:(?:basic|bearer)\s{1,3})?(?:b?\"[^\"]{0,1000}\"|b?'[^']{0,1000}'|[^\s,;&\"'(){}\[\]<>]{1,1000}))",
        re.IGNORECASE,
    ),
)


class Redactor:
    """Turns values into plain ones without secrets. One per process; secrets may be added at any time."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        # first MIN_SECRET_CHARS of a spelling -> (spelling, whether it is base64), so that the time a text
        # takes does not depend on how many thousand secrets there are
        self._spellings: dict[str, list[tuple[str, bool]]] = {}
        self._keys: dict[str, tuple[str, bool]] = {}
        self._trusted: frozenset[str] = frozenset()

    def trust(self, texts: Iterable[str]) -> None:
        """Let *texts* through whole: constants of the program, which a weak password may happen to be part of."""
        self._trusted |= frozenset(texts)

    def add_secret(self, secret: str) -> None:
        """Never let *secret* through, in any usual spelling.

        One of fewer than MIN_SECRET_CHARS characters is not registered: it would blank innocent words all over.
        """
        if secret in self._secrets:
            return
        self._secrets.add(secret)
        for spelling, is_base64 in _spellings(secret):
            if len(spelling) >= MIN_SECRET_CHARS:
                self._spellings.setdefault(spelling[:MIN_SECRET_CHARS], []).append((spelling, is_base64))
        self._keys.clear()

    def add_url(self, url: str) -> None:
        """Register the password in *url*, if there is one, as it stands there and as it is meant."""
        try:
            password = urlsplit(url).password
        except ValueError:
            return
        for spelling in {password, unquote(password or "")}:
            if spelling:
                self.add_secret(spelling)

    def line(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """A line of the log, after everything that makes text and before what writes it."""
        return self._mapping(line, depth=0)

    def clean(self, value: object) -> Any:
        """*value* as text, number, boolean, None, list or dict of such, without secrets and with finite size."""
        return self._clean(value, depth=0)

    def text(self, text: str) -> str:
        """*text* without secrets and lone surrogates, cut at MAX_TEXT_CHARS."""
        if text in self._trusted:
            return text
        searched = text[: MAX_TEXT_CHARS + _MARGIN_CHARS]
        parts, end = [], 0
        for first, last in sorted([*self._known(searched), *_suspicious(searched)]):
            if first >= MAX_TEXT_CHARS:
                break
            if first >= end:
                parts += [searched[end:first], BLANK]
            end = max(end, last)
        parts.append(searched[end:MAX_TEXT_CHARS])
        shown = "".join(parts) + ("…" if len(text) > MAX_TEXT_CHARS else "")
        return shown if shown.isascii() else shown.encode("utf-8", "replace").decode("utf-8")

    def _known(self, text: str) -> Iterator[tuple[int, int]]:
        if not self._spellings or len(text) < MIN_SECRET_CHARS:
            return
        starts = [text[at : at + MIN_SECRET_CHARS] for at in range(len(text) - MIN_SECRET_CHARS + 1)]
        if self._spellings.keys().isdisjoint(starts):
            return
        for at, start in enumerate(starts):
            for spelling, is_base64 in self._spellings.get(start, ()):
                if text.startswith(spelling, at):
                    yield _whole_run(text, at, len(spelling)) if is_base64 else (at, at + len(spelling))

    def _mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        plain = {}
        for key, value in mapping.items():
            name, is_sensitive = self._key(key if type(key) is str else str(key))
            plain[name] = BLANK if is_sensitive and value is not None else self._clean(value, depth + 1)
        return plain

    def _key(self, key: str) -> tuple[str, bool]:
        """*key* without secrets, and whether it says of its value that it is one. Keys repeat: remember them."""
        known = self._keys.get(key)
        if known is None:
            last = key.lower().replace("-", "_").rpartition(".")[2]
            known = self.text(key), last == "token" or _SENSITIVE_KEY.search(last) is not None
            if len(self._keys) < _MAX_KEYS_REMEMBERED:
                self._keys[key] = known
        return known

    def _clean(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if isinstance(value, int):
            return int(value) if -(2**63) <= value < 2**63 else self.text(hex(value))
        if isinstance(value, float):
            return float(value) if isfinite(value) else str(value)
        if depth >= _MAX_DEPTH:
            return "…"
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | AbstractSet):
            return [self._clean(each, depth + 1) for each in value]
        return self._clean_object(value)

    def _clean_object(self, value: object) -> Any:
        if isinstance(value, datetime):
            return format_instant(value) if value.tzinfo else value.isoformat()
        if isinstance(value, timedelta):
            return value.total_seconds()
        if isinstance(value, bytes | bytearray):
            return self.text(value[: MAX_TEXT_CHARS + _MARGIN_CHARS].decode("latin-1"))
        return self.text(text_of(value))


def text_of(value: object) -> str:
    """`str(value)`, whatever that may raise. Not repr: that of an HTTP error shows the request's headers."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a foreign __str__ may do anything, and must not stop a pull
        return f"<{type(value).__name__} without text: {type(error).__name__}>"


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as 2024-05-06T07:08:09.123Z. *instant* is aware."""
    offset = instant.utcoffset() or timedelta(0)
    return (instant.replace(tzinfo=None) - offset).isoformat(timespec="milliseconds") + "Z"


def _suspicious(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            yield match.span(1)


def _whole_run(text: str, at: int, length: int) -> tuple[int, int]:
    """The base64 text around a piece of it: the rest of it would tell about the neighbours."""
    for run in _BASE64_RUN.finditer(text):
        if run.start() <= at < run.end():
            return min(run.start(), at), max(run.end(), at + length)
    return at, at + length


def _spellings(secret: str) -> set[tuple[str, bool]]:
    raw = secret.encode("utf-8", "surrogatepass")
    literals = {secret, raw.hex(), raw.hex().upper()}
    if not (secret.isascii() and secret.isalnum()):  # else nobody escapes anything
        literals |= _escapes(secret, raw)
    return {(text, False) for text in literals} | {(text, True) for text in _base64_cores(raw)}


def _escapes(secret: str, raw: bytes) -> set[str]:
    percent = quote(raw, safe="")
    literals = {secret, repr(secret)[1:-1], repr(raw)[2:-1], json.dumps(secret)[1:-1]}
    literals.add(json.dumps(secret, ensure_ascii=False)[1:-1])
    for _ in range(2):  # a literal within a literal within a literal: a repr in the repr of a dict
        literals |= {_escaped(each, quotes) for each in literals for quotes in ("", "'", '"')}
    return literals | {
        percent,
        quote(raw),
        quote_plus(raw),
        re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), percent),
        quote(percent, safe=""),
    }


def _escaped(text: str, quotes: str) -> str:
    text = text.replace("\\", "\\\\")
    return text.replace(quotes, f"\\{quotes}") if quotes else text


def _base64_cores(raw: bytes) -> Iterator[str]:
    """What every base64 text has in common that encodes *raw* somewhere inside: one spelling per alignment.

    Three bytes become four characters; the characters at the edges also depend on the neighbours and are left out.
    """
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(bytes(before) + raw).decode()
            first = -(-before * 8 // 6)
            yield encoded[first : (before + len(raw)) * 8 // 6]
