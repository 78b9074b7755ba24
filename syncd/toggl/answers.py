"""What a status, a header or a body's end means, before any dialect looks at the rows: pure.

Facts about limits are from the vendor's support pages (hourly quota since 2025: 402 with `X-Toggl-Quota-*`; the
older leaky bucket: 429); no recorded answer carries Retry-After, proxies in front of the API may add it.
"""

import math
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from syncd.errors import ContractChanged, QuotaExhausted, RateLimited, TogglError, TogglUnavailable
from syncd.toggl.quota import Told

RETRY_AFTER_LEAST_S = 1.0
RETRY_AFTER_MOST_S = 3600.0
"""Bounds for what a Retry-After may ask: below is a typing error, above a quota window is over."""

RETRY_AFTER_DEFAULT_S = 60.0
"""Without a usable Retry-After: the vendor's documentation says "a few minutes" for the leaky bucket."""


class BodyTooLarge(Exception):
    """The decoded body passes the cap."""


def error_of(where: str, http_status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> TogglError | None:
    """The error that a final status stands for, or None where the dialect has to read the answer.

    4xx other than 402 and 429 speak about the request: the dialect knows what it asked. `now`: UTC, aware.
    """
    if http_status == 429:
        wait_s = retry_after_s(headers.get("Retry-After"), now)
        return RateLimited(f"{where}: HTTP 429: too many requests", retry_after_s=wait_s)
    if http_status == 402 and _is_quota(headers, body):
        wait_s = retry_after_s(headers.get("X-Toggl-Quota-Resets-In") or headers.get("Retry-After"), now)
        return QuotaExhausted(f"{where}: HTTP 402: the hourly quota is used up", retry_after_s=wait_s, http_status=402)
    if http_status >= 500:
        return TogglUnavailable(f"{where}: HTTP {http_status}", http_status=http_status)
    if 300 <= http_status < 400:
        problem = f"{where}: HTTP {http_status}: redirected, and redirects are not followed"
        return ContractChanged(problem, http_status=http_status)
    return None


def _is_quota(headers: Mapping[str, str], body: bytes) -> bool:
    """402 has two meanings: the hourly quota, or a feature that is not in the plan."""
    remaining = quota_remaining(headers)
    if remaining is not None:
        return remaining <= 0
    return b"limit" in body.lower() or b"quota" in body.lower()


def retry_after_s(text: str | None, now: datetime) -> float:
    """Seconds that a Retry-After asks for: a number or an HTTP date, clamped; the default where it is neither.

    Source: RFC 9110, section 10.2.3.
    """
    if text is None or not text.strip():
        return RETRY_AFTER_DEFAULT_S
    try:
        wait_s = float(text)
    except ValueError:
        date = _instant(text)
        if date is None:
            return RETRY_AFTER_DEFAULT_S
        wait_s = (date - now).total_seconds()
    if math.isnan(wait_s):
        return RETRY_AFTER_DEFAULT_S
    return min(max(wait_s, RETRY_AFTER_LEAST_S), RETRY_AFTER_MOST_S)


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """The server's clock when it answered; None where it does not say, or not so that it can be read."""
    return _instant(headers.get("Date", ""))


@lru_cache(maxsize=8)
def _instant(text: str) -> datetime | None:
    """An HTTP date. All answers of one second have the same."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def quota_remaining(headers: Mapping[str, str]) -> int | None:
    """Requests left in the hour, for the bucket that this call used; None where the answer does not say."""
    return _integer(headers.get("X-Toggl-Quota-Remaining", ""))


def quota_told(http_status: int, headers: Mapping[str, str]) -> Told | None:
    """What an answer says about the bucket it drew on; None: nothing."""
    remaining, seconds = quota_remaining(headers), _integer(headers.get("X-Toggl-Quota-Resets-In", ""))
    if remaining is None:
        return None
    resets_in_s = None if seconds is None else float(min(max(seconds, 0), RETRY_AFTER_MOST_S))
    return Told(remaining, resets_in_s, is_refusal=http_status == 402)


def _integer(text: str) -> int | None:
    """A decimal number of a header, or None; no header of ours has more than nine digits."""
    text = text.strip()
    return int(text) if _INTEGER.fullmatch(text) else None


_INTEGER = re.compile(r"-?[0-9]{1,9}")


class BodyReader:
    """Puts a body together from its chunks, decoded, and knows whether it is all there.

    aiohttp does not notice a gzip stream that ends early or lacks its trailer (measured with 3.14), hence our own.
    """

    def __init__(self, encoding: str, limit_bytes: int) -> None:
        """`encoding`: the Content-Encoding header, '' for none. `limit_bytes`: cap of the decoded body.

        Raises:
            ValueError: an encoding that was not offered.
        """
        if encoding.lower() not in ("", "identity", "gzip", "x-gzip"):
            raise ValueError(f"Content-Encoding {encoding[:20]!r} was not offered")
        self._gzip = zlib.decompressobj(31) if "gzip" in encoding.lower() else None
        self._chunks: list[bytes] = []
        self._size = 0
        self._limit = limit_bytes

    def feed(self, chunk: bytes) -> None:
        """Raises BodyTooLarge, or zlib.error where the stream is broken."""
        if self._gzip is not None:
            chunk = self._gzip.decompress(chunk, self._limit - self._size + 1)
        self._size += len(chunk)
        if self._size > self._limit:
            raise BodyTooLarge
        self._chunks.append(chunk)

    def body(self) -> bytes:
        """All of it. Raises EOFError where a compressed stream lacks its end, or something follows it."""
        if self._gzip is not None and (not self._gzip.eof or self._gzip.unused_data):
            raise EOFError("the gzip stream does not end where the body does")
        return b"".join(self._chunks)
