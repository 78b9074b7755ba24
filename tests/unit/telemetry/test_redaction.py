"""Secrets do not get through, in whatever spelling; innocent words do."""

import base64
import enum
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from syncd.telemetry import redaction
from syncd.telemetry.redaction import MAX_TEXT_CHARS, Redactor, format_instant

SECRET = "can/ary+7\"f'3\\ä"
HEX_TOKEN = "1971800d4d82861d8f2c1651fea4d212"


def b64(text: str) -> str:
    """Standard base64."""
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def redactor() -> Redactor:
    """One that knows SECRET."""
    redactor = Redactor()
    redactor.add_secret(SECRET)
    return redactor


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        quote(quote(SECRET, safe=""), safe=""),
        repr(SECRET)[1:-1],
        repr(SECRET.encode())[2:-1],
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        b64(SECRET),
        b64(f"{SECRET}:api_token"),
        b64(f"u:{SECRET}"),
        b64(f"me:{SECRET}:x"),
        b64(f"Ünï:{SECRET}"),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(f"??>{SECRET}".encode()).decode(),
    ],
)
@pytest.mark.parametrize("around", ["{}", "before {} after", "x={};", "/{}/", "({})"])
def test_a_registered_secret_is_blanked_in_every_spelling(redactor: Redactor, spelling: str, around: str) -> None:
    """Bare, escaped, encoded, alone or within something; of what is around it, base64 may take a slash."""
    expected = [around.format("***")] + (["***", "***/"] if around == "/{}/" else [])
    assert redactor.text(around.format(spelling)) in expected


def test_a_basic_authorization_header_leaves_nothing_of_its_base64(redactor: Redactor) -> None:
    """Not even the part that encodes ":api_token", which would tell what it was."""
    assert redactor.text(f"Authorization: Basic {b64(SECRET + ':api_token')}") == "Authorization: ***"
    assert redactor.text(f"got [{b64(SECRET + ':api_token')}]") == "got [***]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # runs of 32 hex digits
        (f"token {HEX_TOKEN}", "token ***"),
        (f"token {HEX_TOKEN.upper()}.", "token ***."),
        (f"{HEX_TOKEN}:api_token", "***:api_token"),
        (f"_{HEX_TOKEN}_", "_***_"),
        # passwords and tokens in URLs
        ("postgresql://syncd:pw@db/bi", "postgresql://syncd:***@db/bi"),
        ("postgresql://syncd:p@w:x@db/bi", "postgresql://syncd:***@db/bi"),
        ("postgres://:pw@db/bi", "postgres://:***@db/bi"),
        ("see https://tok:api_token@api.track.toggl.com/x, or", "see https://***@api.track.toggl.com/x, or"),
        ("HTTP://tok@h/", "HTTP://***@h/"),
        ("'redis://u:pw@h' and 'amqp://u:pw@h'", "'redis://u:***@h' and 'amqp://u:***@h'"),
        # authorization
        ("Basic dG9rZW46YXBpX3Rva2Vu", "Basic ***"),
        ("basic dTpwdw==", "basic ***"),
        ("Bearer abcdefghijklmnopqrstuvwxyz", "Bearer ***"),
        ("{'Authorization': 'Basic dTpw', 'A': 1}", "{'Authorization': ***, 'A': 1}"),
        ("authorization=Basic dTpw", "authorization=***"),
        # telling names
        ("password=hunter2 host=db", "password=*** host=db"),
        ("PGPASSWORD=hunter2", "PGPASSWORD=***"),
        ("password = 'hunter 2' x", "password = *** x"),
        ('{"api_token": "abc", "id": 1}', '{"api_token": ***, "id": 1}'),
        ('{\\"api_token\\": \\"abc\\"}', '{\\"api_token\\": \\"***"}'),
        ("/x?api_token=abc&y=1", "/x?api_token=***&y=1"),
        ("api_token%3Dabc", "api_token%3D***"),
        ("ical_url: /ical/abc", "ical_url: ***"),
        ("client_secret=abc", "client_secret=***"),
        ("x-api-key: abc", "x-api-key: ***"),
    ],
)
def test_what_looks_like_a_secret_is_blanked(text: str, expected: str) -> None:
    """Nobody registered it."""
    assert Redactor().text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "password authentication failed for user syncd",
        "Basic authentication failed",
        "Bearer of bad news",
        "token acme rejected",
        "token: acme",
        "https://api.track.toggl.com/api/v8/clients",
        "postgresql://syncd@db.internal:5432/bi",
        "http://127.0.0.1:8080/metrics",
        "0b8a1c9e-1111-2222-3333-444455556666",
        "0" * 31,
        "0" * 33,
        "ab" * 32,
        "zürich 東京 🙂",
        "",
    ],
)
def test_innocent_text_is_left_alone(redactor: Redactor, text: str) -> None:
    """A redactor that blanks everything would be switched off."""
    assert redactor.text(text) == text


def test_a_secret_of_a_few_characters_is_not_registered() -> None:
    """It would blank words all over; its places in URLs and beside telling names are blanked anyway."""
    redactor = Redactor()
    redactor.add_secret("syncd")
    assert redactor.text("syncd.pull.finish") == "syncd.pull.finish"
    redactor.add_secret("")


def test_a_password_that_is_one_of_our_own_words_does_not_blank_them() -> None:
    """Or a weak password would make the service invisible."""
    redactor = Redactor()
    redactor.add_secret("finish")
    redactor.trust(["syncd.pull.finish"])
    assert redactor.clean({"event.action": "syncd.pull.finish", "x": "to finish"}) == {
        "event.action": "syncd.pull.finish",
        "x": "to ***",
    }


@pytest.mark.parametrize("url", ["postgresql://u:p%40ss-word@h/db", "postgresql://u:p@ss-word@h/db"])
def test_the_password_of_a_url_is_registered_as_written_and_as_meant(url: str) -> None:
    """The database quotes one, the driver the other."""
    redactor = Redactor()
    redactor.add_url(url)
    assert redactor.text("failed with p@ss-word here") == "failed with *** here"
    redactor.add_url("postgresql://h/db")
    redactor.add_url("postgresql://[/")


def test_values_are_cleaned_at_every_depth(redactor: Redactor) -> None:
    """Keys too; sensitive names blank whatever is below them."""
    value = {
        "list": [SECRET, {"tuple": (SECRET, {SECRET})}],
        f"key {SECRET}": 1,
        "API-Token": ["abc"],
        "http.request.header.authorization": {"a": 1},
        "token": "abc",
        "bytes": SECRET.encode("latin-1"),
        "error": ValueError(SECRET),
        "path": Path(f"/x{SECRET}"),
        1: None,
        "password": None,
    }
    assert redactor.clean(value) == {
        "list": ["***", {"tuple": ["***", ["***"]]}],
        "key ***": 1,
        "API-Token": "***",
        "http.request.header.authorization": "***",
        "token": "***",
        "bytes": "***",
        "error": "***",
        "path": "/x***",
        "1": None,
        "password": None,
    }


def test_a_key_that_was_seen_before_is_judged_anew_after_a_new_secret() -> None:
    """Keys are remembered for speed."""
    redactor = Redactor()
    assert redactor.clean({"my-canary": 1}) == {"my-canary": 1}
    redactor.add_secret("my-canary")
    assert redactor.clean({"my-canary": 1}) == {"***": 1}


class Colour(enum.StrEnum):
    """A text that is an enumeration."""

    RED = "red"


def test_values_become_plain_json() -> None:
    """So that the renderer meets nothing it does not know."""
    east = timezone(timedelta(hours=2))
    value: dict[str, Any] = {
        "instant": datetime(2024, 5, 6, 9, 8, 9, 123999, tzinfo=east),
        "naive": datetime(2024, 5, 6),  # noqa: DTZ001 - that is the point
        "length": timedelta(minutes=1),
        "enum": Colour.RED,
        "true": True,
        "large": 2**63,
        "small": -(2**63),
        "inf": float("-inf"),
        "float": 1.5,
        "surrogate": "a\ud800b",
    }
    assert redaction.Redactor().clean(value) == {
        "instant": "2024-05-06T07:08:09.123Z",
        "naive": "2024-05-06T00:00:00",
        "length": 60.0,
        "enum": "red",
        "true": True,
        "large": "0x8000000000000000",
        "small": -(2**63),
        "inf": "-inf",
        "float": 1.5,
        "surrogate": "a?b",
    }


def test_instants_have_milliseconds_even_when_they_are_zero() -> None:
    """One width for all, so that text sorts as time does."""
    assert format_instant(datetime(2024, 5, 6, tzinfo=UTC)) == "2024-05-06T00:00:00.000Z"


def test_long_text_is_cut_and_a_secret_across_the_cut_does_not_show(redactor: Redactor) -> None:
    """Not even its first half, and also if earlier secrets made the text shorter."""
    for before in range(len(SECRET) + 1):
        text = "x" * (MAX_TEXT_CHARS - before) + SECRET + "y"
        cleaned = redactor.text(text)
        assert "can" not in cleaned
        assert cleaned.endswith("…")
    many = (SECRET + " ") * (2 * MAX_TEXT_CHARS // len(SECRET))
    assert set(redactor.text(many).split()) == {"***", "…"} or "can" not in redactor.text(many)


def test_text_just_behind_the_cut_does_not_come_back(redactor: Redactor) -> None:
    """What is searched and not shown stays so."""
    assert redactor.text("x" * MAX_TEXT_CHARS + f"tail {SECRET} tail") == "x" * MAX_TEXT_CHARS + "…"


def test_a_secret_within_something_secret_is_blanked_with_it(redactor: Redactor) -> None:
    """The rest behind the inner one as well."""
    redactor.add_secret("inner-secret")
    assert redactor.text("password=outer-inner-secret-outer x") == "password=*** x"


@pytest.mark.parametrize("secret", ["secret-7'8", 'secret-7"8', "secret-7\\8", "secret-7'\"\\8"])
def test_a_literal_within_a_literal_is_blanked(secret: str) -> None:
    """Libraries put a repr into a message, and log the repr of that message's dict."""
    redactor = Redactor()
    redactor.add_secret(secret)
    for mixed in (f"{secret}", f"' {secret}", f"' \" {secret}", f"{secret!r}", f"{secret!r} ' \""):
        for text in (repr(mixed), repr({"x": mixed}), json.dumps(mixed), json.dumps(repr(mixed)), repr([repr(mixed)])):
            assert "secret-7" not in redactor.text(text), text


def test_redaction_is_stable(redactor: Redactor) -> None:
    """A line that is redacted twice reads the same."""
    for text in (f"a {SECRET} b", "password=x", "https://a:b@h", f"Basic {b64(SECRET)}", "{'api_token': 'x'}"):
        once = redactor.text(text)
        assert redactor.text(once) == once


@pytest.mark.parametrize(
    "text", ["a" * 30_000, "a://a:" * 5_000, "password" * 4_000, "Basic " * 5_000, "0" * 30_000, "\\" * 30_000]
)
def test_no_text_takes_long(redactor: Redactor, text: str) -> None:
    """A server chooses the text of an error; patterns with a quadratic case would stop the service.

    The bound counts characters per matcher, not seconds: a pattern that goes back over everything would
    need hours here, and the test's own time-out would end it.
    """
    assert len(redactor.text(text)) <= MAX_TEXT_CHARS + 1
