"""What is checked before a write, and how its answers are read."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from syncd.errors import ConfigError, ContractChanged, OutcomeUnknown, Refused, TokenRejected
from syncd.records import Client
from syncd.toggl.dialect import Answer, Inquiry, Request
from syncd.toggl.v8_writes import V8Clients
from syncd.toggl.v9_writes import V9Clients
from syncd.toggl.writes import (
    MESSAGE_CHARS,
    ClientFields,
    ClientsApi,
    Place,
    check_fields,
    check_plan,
    message_of,
)

V8, V9 = V8Clients(), V9Clients()
HERE = Place(777, "Here", 5)
JSON = "application/json"
ROW = {"id": 1, "wid": 777, "name": "One", "at": "2024-01-01T00:00:00+00:00", "notes": "kept"}


def talk(inquiry: Inquiry[Any], *bodies: bytes, http_status: int = 200, content_type: str = JSON) -> Any:
    """Answer every request in turn; what the inquiry found."""
    return converse(inquiry, *bodies, http_status=http_status, content_type=content_type)[0]


def converse(
    inquiry: Inquiry[Any], *bodies: bytes, http_status: int = 200, content_type: str = JSON
) -> tuple[Any, list[Request]]:
    """What the inquiry found, and what it asked."""
    asked: list[Request] = []
    batch: Sequence[Request] = next(inquiry)
    for body in bodies:
        (request,) = batch
        asked.append(request)
        try:
            batch = inquiry.send([Answer(request, http_status, body, content_type)])
        except StopIteration as done:
            return done.value, asked
    raise AssertionError(f"it asked on: {batch}")


def one(**more: Any) -> bytes:
    return msgspec.json.encode({**ROW, **more})


def a_client() -> Client:
    found: Client = talk(V9.client(HERE, 1), one())
    return found


@pytest.mark.parametrize(
    ("api", "inquiry", "method", "path", "body"),
    [
        (V8, lambda: V8.create(HERE, ClientFields("New", "n", Decimal("12.50"), "AUD")), "POST", "/api/v8/clients",
         {"client": {"name": "New", "wid": 777, "notes": "n", "hrate": 12.5, "cur": "AUD"}}),
        (V8, lambda: V8.create(HERE, ClientFields("New", hourly_rate=Decimal("12.0"))), "POST", "/api/v8/clients",
         {"client": {"name": "New", "wid": 777, "hrate": 12}}),
        (V8, lambda: V8.update(HERE, a_client(), ClientFields(notes="")), "PUT", "/api/v8/clients/1",
         {"client": {"notes": ""}}),
        (V9, lambda: V9.create(HERE, ClientFields("New")), "POST", "/api/v9/workspaces/777/clients",
         {"name": "New", "wid": 777}),
        (V9, lambda: V9.update(HERE, a_client(), ClientFields("New")), "PUT", "/api/v9/workspaces/777/clients/1",
         {"name": "New", "notes": "kept", "wid": 777}),
        (V9, lambda: V9.restore(HERE, a_client(), None), "POST", "/api/v9/workspaces/777/clients/1/restore",
         {"restore_all_projects": True}),
        (V9, lambda: V9.restore(HERE, a_client(), [7]), "POST", "/api/v9/workspaces/777/clients/1/restore",
         {"projects": [7]}),
        (V9, lambda: V9.restore(HERE, a_client(), []), "POST", "/api/v9/workspaces/777/clients/1/restore", None),
    ],
)  # fmt: skip
def test_what_is_sent(api: ClientsApi, inquiry: Any, method: str, path: str, body: object) -> None:
    """Exact bodies: envelopes in v8, bare objects in v9, and nothing that was not given."""
    row = one() if api is V9 else b'{"data":' + one() + b"}"
    found, (request,) = converse(inquiry(), row)
    assert (request.method, request.path) == (method, path)
    assert (request.body and msgspec.json.decode(request.body)) == body
    assert request.organization == (5 if api is V9 else None)
    assert found.name == "One"


def test_projects_of_a_client_come_page_by_page() -> None:
    """Until a page is so short that it is the last; v9 has no list by client."""
    rows = [{**ROW, "id": n, "workspace_id": 777, "client_id": 1, "active": True} for n in range(1, 120)]
    pages = [msgspec.json.encode(rows[:60]), msgspec.json.encode(rows[60:]), b"null"]
    found, asked = converse(V9.projects(HERE, 1, "both"), *pages)
    assert [row.id for row in found] == list(range(1, 120))
    assert [dict(request.query)["page"] for request in asked] == ["1", "2", "3"]
    assert {dict(request.query)["client_ids"] for request in asked} == {"1"}


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b'"Forbidden"', JSON, "Forbidden"),
        (b'["Name is taken", " Workspace can\'t be blank "]', JSON, "Name is taken; Workspace can't be blank"),
        (b"no JSON", "text/plain", "no JSON"),
        (b"", JSON, ""),
        (b"null", JSON, ""),
        (b'{"token": "abc"}', JSON, ""),
        (b"<html><h1>429</h1></html>", JSON, ""),
        (b"Sorry", "text/html; charset=utf-8", ""),
        (b'"\\u001b[2Jgone\\r\\nsyncd: all is well\\u202e"', JSON, "[2Jgone syncd: all is well"),
        (b"\xff\xfe", "text/plain", "\ufffd\ufffd"),
        (b'"' + b"x" * 1000 + b'"', JSON, "x" * MESSAGE_CHARS + "…"),
        (b"[" * 100_000, JSON, "[" * MESSAGE_CHARS + "…"),
    ],
)  # fmt: skip
def test_what_the_server_says_is_one_line(body: bytes, content_type: str, said: str) -> None:
    """Its own words, without HTML, without what a terminal obeys, and never the fields of an object."""
    assert message_of(body, content_type) == said


@pytest.mark.parametrize(
    ("http_status", "body", "error", "said"),
    [
        (400, b'"Name too long"', Refused, "/api/v9/workspaces/777/clients: HTTP 400: Name too long"),
        (401, b"", TokenRejected, "/api/v9/workspaces/777/clients: HTTP 401"),
        (402, b'"Paid feature"', Refused, "HTTP 402: Paid feature (the plan of the workspace does not include this)"),
        (402, b"", Refused, "HTTP 402: the plan of the workspace does not include this"),
        (403, b"", Refused, "HTTP 403: the token may not do this, or is wrong"),
        (404, b"<html>", Refused, "HTTP 404: there is no such thing, or the token does not see it"),
        (410, b"", Refused, "HTTP 410: the server does not offer this any more"),
        (418, b"", Refused, "HTTP 418: no reason given"),
        (200, b"<html>", OutcomeUnknown, "HTTP 200, but the answer cannot be read"),
        (200, b'{"id": 1}', OutcomeUnknown, "HTTP 200, but the answer cannot be read: malformed"),
    ],
)
def test_what_an_answer_to_a_write_means(http_status: int, body: bytes, error: type[Exception], said: str) -> None:
    """What was carried out and cannot be read is unknown."""
    with pytest.raises(error) as caught:
        talk(V9.create(HERE, ClientFields("New")), body, http_status=http_status)
    assert said in str(caught.value)


def test_what_cannot_be_read_was_not_written() -> None:
    """An answer to a question is another matter, and one that calls its row deleted shows none."""
    with pytest.raises(ContractChanged):
        talk(V8.client(None, 1), one())
    with pytest.raises(Refused):
        talk(V9.client(HERE, 1), one(server_deleted_at="2024-01-01T00:00:00+00:00"))
    assert talk(V8.clients(None), b"[" + one(server_deleted_at="2024-01-01T00:00:00+00:00") + b"]") == []


def test_a_server_without_a_list_of_workspaces() -> None:
    """v8 only, and only where it says so."""
    assert talk(V8.places(), b"", http_status=404) is None
    with pytest.raises(Refused):
        talk(V8.places(), b"", http_status=403)
    places = talk(V8.places(), b'[{"id":777,"name":"Here","premium":false,"admin":true}]')
    assert places == [Place(777, "Here", None, is_pro=False)]
    for row in (
        b'{"id":"777"}',
        b'{"id":777,"name":"\xff"}',
        b'{"id":777,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ):
        with pytest.raises(ContractChanged, match=r"^/api/v8/workspaces: "):
            talk(V8.places(), b"[" + row + b"]")


def problems(api: ClientsApi, fields: ClientFields, *, creating: bool = True) -> int:
    try:
        check_fields(api, fields, creating=creating)
    except ConfigError as error:
        return len(error.problems)
    return 0


def test_all_mistakes_are_told_at_once() -> None:
    """Before anything is sent."""
    bad = ClientFields("\t", hourly_rate=Decimal("NaN"), currency="eur")
    assert (problems(V8, bad), problems(V9, bad)) == (3, 4)
    assert problems(V8, ClientFields(), creating=False) == 1
    assert problems(V8, ClientFields()) == 1
    assert problems(V8, ClientFields("New", "", Decimal(0), "EUR")) == 0
    assert problems(V8, ClientFields(notes=""), creating=False) == 0
    for amount in ("-1", "Infinity", "1e12"):
        assert problems(V8, ClientFields("New", hourly_rate=Decimal(amount))) == 1


def test_rates_need_a_plan() -> None:
    """Only where it is known that it lacks them; the server decides the rest."""
    rated = ClientFields(currency="EUR")
    with pytest.raises(ConfigError):
        check_plan(Place(777, is_pro=False), rated)
    check_plan(Place(777, is_pro=None), rated)
    check_plan(Place(777, is_pro=False), ClientFields("New"))
