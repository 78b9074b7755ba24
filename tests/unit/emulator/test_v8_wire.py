"""The words of v8: what is read, what is refused, which fields are there."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET

from syncd.emulator import v8_wire as wire
from syncd.emulator.rows import Client, Project, Workspace

AT = datetime(2013, 2, 26, 8, 55, 28, tzinfo=UTC)


def one(value: Any) -> dict[str, Any]:
    """The object within its envelope."""
    envelope = json.loads(wire.data(value))
    assert list(envelope) == ["data"]
    content: dict[str, Any] = envelope["data"]
    return content


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "+1", "1.0", " 1", "x", "1e3", "²", "١", "9223372036854775808", "1" * 5000]
)
def test_bad_id_is_refused(text: str) -> None:
    """Only plain digits of a positive 64-bit integer are an id."""
    with pytest.raises(wire.BadRequest, match="Invalid id"):
        wire.read_id(text)


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("007", 7), ("9223372036854775807", 2**63 - 1)])
def test_good_id_is_read(text: str, value: int) -> None:
    assert value == wire.read_id(text)


@pytest.mark.parametrize(
    ("query", "active"),
    [
        ("", "true"),
        ("active=true", "true"),
        ("active=false", "false"),
        ("active=both", "both"),
        ("x=1&active=both", "both"),
        ("active=b%6Fth", "both"),
        ("actual_hours=true", "true"),
    ],
)
def test_active_is_read_and_true_by_default(query: str, active: str) -> None:
    assert active == wire.read_active(query)


@pytest.mark.parametrize("query", ["active=", "active", "active=True", "active=1", "active=both&active=true"])
def test_unknown_active_is_refused(query: str) -> None:
    with pytest.raises(wire.BadRequest, match="active must be true, false or both"):
        wire.read_active(query)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"client":null}',
        b'{"client":[]}',
        b'{"Client":{"name":"x"}}',
        b'{"client":{"name":1}}',
        b'{"client":{"name":null}}',
        b'{"client":{"wid":"777"}}',
        b'{"client":{"wid":0}}',
        b'{"client":{"wid":1.5}}',
        b'{"client":{"wid":true}}',
        b'{"client":{"wid":9223372036854775808}}',
        b'{"client":{"notes":{}}}',
        b'{"client":{"hrate":"12"}}',
        b'{"client":{"hrate":1e999}}',
        b'{"client":{"hrate":NaN}}',
        b'{"client":{"cur":5}}',
        b'{"client":{"name":"\\ud800"}}',
        b'{"client":{"name":"\xff"}}',
        b'{"client":{}} {}',
    ],
)
def test_unreadable_body_is_a_bad_request(body: bytes) -> None:
    """Not JSON, not UTF-8, no envelope, or a field of another type."""
    with pytest.raises(wire.BadRequest):
        wire.read_client(body)


def test_client_is_read_and_what_is_absent_is_unset() -> None:
    """Unknown fields, and those that only answers have, are ignored."""
    sent = wire.read_client(b'{"client":{"name":"x","hrate":12,"id":5,"at":"never","zip":[1]},"more":1}')
    assert (sent.name, sent.hrate, sent.wid, sent.notes, sent.cur) == ("x", 12.0, UNSET, UNSET, UNSET)


def test_client_fields_without_value_are_left_out() -> None:
    """v8 omits null fields; whole amounts have no fraction."""
    bare = Client(1239455, 777, "Very Big Company", AT)
    assert one(wire.client(bare, rates=True)) == {
        "id": 1239455,
        "wid": 777,
        "name": "Very Big Company",
        "at": "2013-02-26T08:55:28+00:00",
    }
    full = Client(1, 777, "x", AT, "n", 12.0, "AUD")
    assert b'"notes":"n","hrate":12,"cur":"AUD"' in wire.data(wire.client(full, rates=True))
    assert {"id", "wid", "name", "notes", "at"} == one(wire.client(full, rates=False)).keys()
    assert one(wire.client(Client(1, 777, "x", AT, None, 0.0), rates=True))["hrate"] == 0
    assert one(wire.client(Client(1, 777, "x", AT, None, 12.5), rates=True))["hrate"] == 12.5


def test_project_fields_without_value_are_left_out_and_false_is_a_value() -> None:
    assert one(wire.project(Project(909, 777, None, "P", AT), rates=True)) == {
        "id": 909,
        "wid": 777,
        "name": "P",
        "billable": False,
        "is_private": True,
        "active": True,
        "at": "2013-02-26T08:55:28+00:00",
    }
    full = Project(1, 777, 2, "P", AT, template=False, auto_estimates=False, color="5", rate=60.0, created_at=AT)
    shown = one(wire.project(full, rates=True))
    assert tuple(shown[name] for name in ("cid", "template", "auto_estimates", "color", "rate", "created_at")) == (
        2,
        False,
        False,
        "5",
        60,
        "2013-02-26T08:55:28+00:00",
    )
    assert "rate" not in one(wire.project(full, rates=False))


def test_workspace_has_the_documented_fields() -> None:
    shown = one(wire.workspace(Workspace(777, "W", AT, True, 50.0), admin=False))
    assert shown == {
        "id": 777,
        "name": "W",
        "premium": True,
        "admin": False,
        "default_hourly_rate": 50.0,
        "default_currency": "USD",
        "only_admins_may_create_projects": False,
        "only_admins_see_billable_rates": False,
        "rounding": 1,
        "rounding_minutes": 0,
        "at": "2013-02-26T08:55:28+00:00",
    }
    assert "default_hourly_rate" not in one(wire.workspace(Workspace(777, "W", AT), admin=True))


def test_empty_list_is_what_it_was_told_to_be() -> None:
    assert (wire.array([]), wire.array([], empty=b"null")) == (b"[]", b"null")
