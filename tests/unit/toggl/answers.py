"""Answers as a v8 server gives them, for tests of the dialect."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from syncd.toggl.dialect import Answer, Inquiry, Request

T = TypeVar("T")


def answer(request: Request, rows: object, http_status: int = 200, **more: Any) -> Answer:
    """`rows` as JSON, or bytes as they are."""
    return Answer(request, http_status, rows if isinstance(rows, bytes) else msgspec.json.encode(rows), **more)


def drive(inquiry: Inquiry[T], world: Mapping[str, Answer | object]) -> tuple[T, list[str]]:
    """Answer an inquiry from `world` (path -> rows or Answer; a missing path is 404); its result, and what it asked."""
    asked: list[str] = []
    batch = next(inquiry)
    while True:
        answers = [_reply(request, world, asked) for request in batch]
        try:
            batch = inquiry.send(answers)
        except StopIteration as done:
            return done.value, asked


def _reply(request: Request, world: Mapping[str, Answer | object], asked: list[str]) -> Answer:
    asked.append(request.path)
    if request.path not in world:
        return answer(request, ["not found"], 404)
    found = world[request.path]
    return found if isinstance(found, Answer) else answer(request, found)


def client(
    id_: int, wid: int = 1, name: str = "Acme", at: str = "2024-05-01T10:00:00+00:00", **more: Any
) -> dict[str, Any]:
    return {"id": id_, "wid": wid, "name": name, "at": at, **more}


def project(
    id_: int,
    cid: int | None = None,
    wid: int = 1,
    name: str = "Site",
    at: str = "2024-05-01T10:00:00+00:00",
    **more: Any,
) -> dict[str, Any]:
    row = {"id": id_, "wid": wid, "name": name, "active": True, "is_private": True, "billable": False, "at": at, **more}
    return row if cid is None else {**row, "cid": cid}


def refused(path: str, http_status: int) -> Answer:
    return answer(Request(path), ["refused"], http_status)


def ids(snapshots: Sequence[Any], resource: str) -> dict[int, list[int]]:
    """workspace -> ids of a resource."""
    return {s.workspace.id: sorted(getattr(s, resource).records) for s in snapshots}
