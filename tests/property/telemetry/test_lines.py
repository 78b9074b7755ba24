"""Whatever is logged: one line each, parsable, without secrets."""

import base64
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from syncd.clock import Clock
from syncd.telemetry import events, logs
from syncd.telemetry.logs import Format, Log
from syncd.telemetry.redaction import MIN_SECRET_CHARS, Redactor

RUN_ID = "0b8a1c9e-1111-2222-3333-444455556666"

# What stands in lines anyway: a secret that is part of it is nobody's fault.
INNOCENT = [
    *events.CONSTANTS,
    __file__,
    "Traceback (most recent call last):",
    "The above exception was the direct cause",
]
pytestmark = pytest.mark.any_line  # hypothesis makes up the fields
unhurried = settings(deadline=None)  # a loaded machine is not a failure

texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=80)  # lone surrogates included
scalars = st.one_of(
    texts, st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=20), st.datetimes(), st.timedeltas()
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
# What configuration lets through as a token.
secrets = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=":"), min_size=8, max_size=40
)
passwords = st.text(st.characters(codec="utf-8"), min_size=8, max_size=40)


@contextmanager
def logging_to(stream: io.StringIO, log_format: Format) -> Iterator[Log]:
    """A log in production's way: nothing is refused."""
    root = logging.getLogger()
    theirs, root.handlers[:] = root.handlers[:], []
    log = logs.configure(format=log_format, level="debug", stream=stream, clock=Clock(), run_id=RUN_ID, instance_id="i")
    try:
        yield log
    finally:
        log.close()
        root.handlers[:] = theirs


def raised(message: str, cause: str, local: str) -> Exception:
    """An exception with a cause, and with *local* in a variable of its frames."""
    try:
        try:
            raise KeyError(cause)
        except KeyError as inner:
            keep = [local]
            raise RuntimeError(message) from inner
    except RuntimeError as error:
        assert keep
        return error


@given(fields=st.dictionaries(texts, values, max_size=4), message=texts)
@example(fields={"@timestamp": "x", "event.action": "y", "log.level": "z"}, message="")
@example(fields={"a": "\u2028\n\r\x85", "\ud800": "\udfff"}, message="\x1b[2J\n")
@unhurried
def test_any_value_gives_exactly_one_line(fields: dict[str, Any], message: str) -> None:
    """Parsable by any reader, whatever it takes for a line break; each key once."""
    stream = io.StringIO()
    with logging_to(stream, "json") as log:
        log.emit(events.PULL_FINISH, fields, error=raised(message, message, ""))
        logging.getLogger("aiohttp").warning("%s", message, exc_info=raised(message, message, ""))
        logging.getLogger("aiohttp").warning(message, message)
        assert log.lost == 0
    lines = stream.getvalue().split("\n")
    assert lines.pop() == ""
    assert lines == stream.getvalue().splitlines()
    assert stream.getvalue().isascii()
    assert len(lines) == 3
    for line, action in zip(lines, ["syncd.pull.finish", "syncd.log.foreign", "syncd.log.foreign"], strict=True):
        pairs = json.loads(line, object_pairs_hook=list)
        assert len(dict(pairs)) == len(pairs)
        assert dict(pairs)["event.action"] == action


@given(fields=st.dictionaries(texts, values, max_size=4), message=texts)
@unhurried
def test_any_value_gives_one_line_on_the_console(fields: dict[str, Any], message: str) -> None:
    """Followed by its trace, set in; nothing that a terminal would obey."""
    stream = io.StringIO()
    with logging_to(stream, "console") as log:
        log.emit(events.PULL_FINISH, fields, error=raised(message, message, ""))
        assert log.lost == 0
    first, *rest = stream.getvalue().split("\n")
    assert first.startswith(tuple("012"))
    assert rest.pop() == ""
    assert all(line.startswith("    ") for line in rest)
    assert all(character.isprintable() or character == "\n" for character in stream.getvalue())


def spellings(secret: str) -> list[str]:
    """The disguises in which a secret may turn up."""
    encoded = secret.encode()
    return [
        secret,
        quote(secret),
        quote(secret, safe=""),
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        repr(encoded)[2:-1],
        encoded.hex(),
        base64.b64encode(encoded).decode(),
        base64.b64encode(encoded + b":api_token").decode(),
        base64.b64encode(b"x:" + encoded).decode(),
        base64.urlsafe_b64encode(b"xy:" + encoded + b"!").decode(),
        f"Basic {base64.b64encode(encoded + b':api_token').decode()}",
        f"https://{quote(secret, safe='')}:api_token@api.example/x",
    ]


def seen(secret: str, text: str) -> bool:
    """Whether *secret* can be made out in *text* by someone who knows the usual spellings."""
    return any(spelling in text for spelling in spellings(secret) if len(spelling) >= MIN_SECRET_CHARS)


@given(secret=secrets | passwords, before=texts, after=texts, log_format=st.sampled_from(["json", "console"]))
@example(secret="aaaaaaaa", before="a", after="aaa", log_format="json")
@example(secret="0000000'", before="", after="", log_format="json")
@settings(max_examples=150, deadline=None)
def test_a_planted_secret_never_shows(secret: str, before: str, after: str, log_format: Format) -> None:
    """As value, key, deep inside, in errors, their causes and their local variables, in libraries' arguments."""
    assume(not seen(secret, f"{before} {after}") and not any(seen(secret, word) for word in INNOCENT))
    stream = io.StringIO()
    with logging_to(stream, log_format) as log:
        log.redactor.add_secret(secret)
        for spelling in spellings(secret):
            planted = f"{before} {spelling} {after} {spelling!r}"
            log.emit(
                events.PULL_FINISH,
                {"a": planted, planted: 1, "b": [{"c": (planted, {"d": planted})}], "syncd.token.id": planted},
                error=raised(planted, planted, planted),
            )
            logging.getLogger("aiohttp").error("%s %r", planted, {"x": planted}, exc_info=raised("", planted, ""))
        assert log.lost == 0
        written = stream.getvalue()
    texts_written = [json.loads(line) for line in written.splitlines()] if log_format == "json" else [written]
    assert not any(seen(secret, text) for text in _all_texts(texts_written))


def _all_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _all_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _all_texts(inner)


@given(text=texts, secret=secrets)
@unhurried
def test_redacting_twice_is_redacting_once(text: str, secret: str) -> None:
    """Lines may pass through two programs."""
    redactor = Redactor()
    redactor.add_secret(secret)
    once = redactor.text(f"{text} {secret}{text}")
    assert redactor.text(once) == once


@given(value=values)
@unhurried
def test_what_is_clean_is_json(value: Any) -> None:
    """Strictly: no NaN, no lone surrogates, no keys that are no texts."""
    cleaned = Redactor().clean(value)
    text = json.dumps(cleaned, allow_nan=False, ensure_ascii=False)
    assert json.loads(text.encode("utf-8")) == cleaned
