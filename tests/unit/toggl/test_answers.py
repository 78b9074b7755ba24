"""What statuses, headers and the ends of bodies mean."""

import gzip
import zlib
from datetime import UTC, datetime

import pytest

from syncd.errors import ContractChanged, QuotaExhausted, RateLimited, TogglUnavailable
from syncd.toggl.answers import BodyReader, BodyTooLarge, error_of, quota_remaining, retry_after_s

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7.0),
        ("0.2", 1.0),
        ("-5", 1.0),
        ("1000000000", 3600.0),
        ("1e999", 3600.0),
        ("nan", 60.0),
        ("soon", 60.0),
        ("", 60.0),
        (None, 60.0),
        ("Fri, 01 May 2026 12:00:30 GMT", 30.0),
        ("Fri, 01 May 2026 11:00:00 GMT", 1.0),
        ("Fri, 99 May 2026 11:00:00 GMT", 60.0),
    ],
)
def test_retry_after_in_every_shape(text: str | None, expected: float) -> None:
    """Numbers and dates, clamped to a second and an hour; garbage is the default."""
    assert retry_after_s(text, NOW) == expected


def test_a_status_that_needs_no_error_is_left_to_the_dialect() -> None:
    """It knows what it asked."""
    assert [error_of("/x", status, {}, b"", NOW) for status in (200, 204, 400, 401, 403, 404, 405, 410)] == [None] * 8


@pytest.mark.parametrize("http_status", [301, 302, 307, 308])
def test_a_redirect_is_refused(http_status: int) -> None:
    """The token would follow it."""
    assert isinstance(error_of("/x", http_status, {"Location": "http://evil"}, b"", NOW), ContractChanged)


def test_5xx_may_pass() -> None:
    """Theirs, worth another try."""
    error = error_of("/x", 503, {}, b"", NOW)
    assert isinstance(error, TogglUnavailable)
    assert (error.passing, error.http_status, str(error)) == (True, 503, "/x: HTTP 503")


def test_429_says_when() -> None:
    """Retry-After, or a minute."""
    told, untold = error_of("/x", 429, {"Retry-After": "5"}, b"", NOW), error_of("/x", 429, {}, b"<html>", NOW)
    assert isinstance(told, RateLimited)
    assert isinstance(untold, RateLimited)
    assert (told.retry_after_s, untold.retry_after_s) == (5.0, 60.0)


@pytest.mark.parametrize(
    ("headers", "body", "is_quota"),
    [
        ({"X-Toggl-Quota-Remaining": "0", "X-Toggl-Quota-Resets-In": "133"}, b"", True),
        ({"X-Toggl-Quota-Remaining": "-3", "X-Toggl-Quota-Resets-In": "133"}, b"", True),
        ({"X-Toggl-Quota-Resets-In": "133"}, b"You have hit your hourly limit for API calls.", True),
        ({"X-Toggl-Quota-Remaining": "12"}, b"over the limit of your plan", False),
        ({}, b"this feature is not in your plan", False),
    ],
)
def test_402_has_two_meanings(headers: dict[str, str], body: bytes, is_quota: bool) -> None:
    """The hourly quota waits for its reset; a feature that is not paid for is an answer like any other."""
    error = error_of("/x", 402, headers, body, NOW)
    assert isinstance(error, QuotaExhausted) is is_quota
    if isinstance(error, QuotaExhausted):
        assert error.retry_after_s == 133.0


@pytest.mark.parametrize(("text", "expected"), [("29", 29), ("-1", -1), ("", None), ("many", None), ("9" * 30, None)])
def test_quota_header(text: str, expected: int | None) -> None:
    """A number, or nothing."""
    assert quota_remaining({"X-Toggl-Quota-Remaining": text}) == expected


def read(encoding: str, chunks: list[bytes], limit: int = 1000) -> bytes:
    reader = BodyReader(encoding, limit)
    for chunk in chunks:
        reader.feed(chunk)
    return reader.body()


def test_plain_and_gzip_bodies() -> None:
    """In one piece or byte by byte."""
    packed = gzip.compress(b"[1,2]")
    assert read("", [b"[1,", b"2]"]) == b"[1,2]"
    assert read("gzip", [packed]) == b"[1,2]"
    assert read("gzip", [packed[n : n + 1] for n in range(len(packed))]) == b"[1,2]"


def test_a_gzip_stream_without_its_end_is_noticed() -> None:
    """Every truncation, the trailer's included, and a body that goes on after it."""
    packed = gzip.compress(b"[1,2,3]")
    for cut in range(len(packed)):
        with pytest.raises(EOFError):
            read("gzip", [packed[:cut]])
    with pytest.raises(EOFError):
        read("gzip", [packed + b"x"])


def test_a_damaged_gzip_stream_is_noticed() -> None:
    """A wrong checksum, or no gzip at all."""
    packed = bytearray(gzip.compress(b"[1,2,3]"))
    packed[-5] ^= 1
    with pytest.raises(zlib.error):
        read("gzip", [bytes(packed)])
    with pytest.raises(zlib.error):
        read("gzip", [b"[1,2,3]"])


def test_the_cap_holds_for_what_a_body_unpacks_to() -> None:
    """A bomb is stopped one byte past the cap, however small it travels."""
    with pytest.raises(BodyTooLarge):
        read("gzip", [gzip.compress(b"\0" * 10_000_000)])
    with pytest.raises(BodyTooLarge):
        read("", [b"x" * 600, b"x" * 600])
    assert read("gzip", [gzip.compress(b"x" * 1000)]) == b"x" * 1000


def test_an_encoding_that_was_not_offered_is_refused() -> None:
    """Nothing guesses."""
    with pytest.raises(ValueError, match="br"):
        BodyReader("br", 10)
