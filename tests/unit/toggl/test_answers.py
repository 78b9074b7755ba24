"""What statuses, headers and the ends of bodies mean."""

import gzip
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import ContractChanged, QuotaExhausted, RateLimited, TogglUnavailable
from syncd.toggl.answers import BodyReader, BodyTooLarge, date_of, error_of, quota_remaining, quota_told, retry_after_s
from syncd.toggl.quota import Told

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
        ("Friday, 01-May-26 12:00:30 GMT", 30.0),
        ("Fri May  1 12:00:30 2026", 30.0),
        ("Fri, 01 May 2026 14:00:30 +0200", 30.0),
        ("Fri, 01 May 9999 11:00:00 GMT", 3600.0),
        ("Fri, 01 May 99999999999999999999 11:00:00 GMT", 60.0),
        ("Fri, 01 May 2026 12:00:00 +99999999999999999999", 60.0),
        ("-inf", 1.0),
        ("7, 9", 60.0),
        ("0x10", 60.0),
    ],
)
def test_retry_after_in_every_shape(text: str | None, expected: float) -> None:
    """Numbers and dates, clamped to a second and an hour; garbage is the default."""
    assert retry_after_s(text, NOW) == expected


@given(text=st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,25} [A-Z][a-z]{2} \d{1,25} \d+:\d+:\d+ [+-]\d{1,25}"))
def test_no_text_of_a_date_is_a_surprise(text: str) -> None:
    """Whatever stands in a header, the wait is within its bounds, and the server's clock is a date or unknown."""
    assert 1.0 <= retry_after_s(text, NOW) <= 3600.0
    date = date_of({"Date": text})
    assert date is None or date.tzinfo is not None


def test_a_status_that_needs_no_error_is_left_to_the_dialect() -> None:
    """It knows what it asked."""
    assert [error_of("/x", status, {}, b"", NOW) for status in (200, 204, 400, 401, 403, 404, 405, 410)] == [None] * 8


@pytest.mark.parametrize("http_status", [301, 302, 307, 308])
def test_a_redirect_is_refused(http_status: int) -> None:
    """The token would follow it."""
    error = error_of("/x", http_status, {"Location": "http://evil"}, b"", NOW)
    assert isinstance(error, ContractChanged)
    assert str(error) == f"/x: HTTP {http_status}: redirected, and redirects are not followed"


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


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Toggl-Quota-Remaining": "29", "X-Toggl-Quota-Resets-In": "3600"}, Told(29, 3600.0)),
        ({"X-Toggl-Quota-Remaining": "-1", "X-Toggl-Quota-Resets-In": "-4"}, Told(-1, 0.0)),
        ({"X-Toggl-Quota-Remaining": "2", "X-Toggl-Quota-Resets-In": "999999999"}, Told(2, 3600.0)),
        ({"X-Toggl-Quota-Remaining": "2", "X-Toggl-Quota-Resets-In": "soon"}, Told(2, None)),
        ({"X-Toggl-Quota-Remaining": "2"}, Told(2, None)),
        ({"X-Toggl-Quota-Resets-In": "7"}, None),
        ({}, None),
    ],
)
def test_what_an_answer_says_of_its_bucket(headers: dict[str, str], expected: Told | None) -> None:
    """Both numbers, the first alone, or nothing."""
    assert quota_told(200, headers) == expected
    assert quota_told(402, headers) == (expected and expected._replace(is_refusal=True))


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
