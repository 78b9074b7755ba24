"""What the load server serves: the bodies of both API versions, rendered ahead. Pure; equal input, equal bytes.

A workspace has clients, and each client as many projects. A token sees one workspace, and may share it with others.
What became of the rows is told by a `State`, so that any state can be rendered at any time. Ids are unique over all
workspaces, for a mirror's tables have no other key.
"""

import functools
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

PER_PAGE = 200
FIRST_WORKSPACE = 1001
EPOCH_S = 1_704_067_200
"""2024-01-01. No row is younger until it is changed."""

NOTES = ',"notes":"Contact: person {}","hrate":{},"cur":"EUR"'
V9_NULLS = ",".join(
    f'"{name}":null'
    for name in (
        *("template", "auto_estimates", "estimated_hours", "estimated_seconds", "rate", "rate_last_updated"),
        *("currency", "template_id", "recurring_parameters", "fixed_fee", "tasks_count"),
    )
)
JOIN = ",".join


class Shape(NamedTuple):
    """How much there is. `clients` per workspace, `projects` per client; `sharers`: tokens that see one workspace."""

    api: Literal["v8", "v9"]
    tokens: int
    clients: int
    projects: int
    by: Literal["workspace", "client"] = "workspace"
    sharers: int = 1

    @property
    def workspaces(self) -> int:
        return self.tokens // self.sharers

    @property
    def rows(self) -> int:
        """Clients and projects of all workspaces."""
        return self.workspaces * self.clients * (1 + self.projects)


class Change(NamedTuple):
    """At `at_s` (seconds since 1970) every `step`-th row got another name, or was deleted; 1 = all of them."""

    step: int
    at_s: int
    is_deletion: bool = False


State = tuple[Change, ...]
"""Everything that happened, in order."""


class Fate(NamedTuple):
    """What became of a row: how many changes it took until it looked as it does, 0 if none touched it; and its end."""

    age: int
    is_deleted: bool


UNTOUCHED = Fate(0, is_deleted=False)


def secret(token: int) -> str:
    """The API token number *token*, which looks like one."""
    return hashlib.blake2b(str(token).encode(), digest_size=16).hexdigest()


def fate(row: int, state: State) -> Fate:
    """Of the row with this number in its list."""
    if not state:
        return UNTOUCHED
    touching = [number for number, change in enumerate(state, 1) if row % change.step == 0]
    return Fate(touching[-1], state[touching[-1] - 1].is_deletion) if touching else UNTOUCHED


class Row(NamedTuple):
    """A rendered row, and how many changes it took until it looked like this."""

    text: str
    fate: Fate


class Workspace:
    """One workspace in one state."""

    def __init__(self, shape: Shape, number: int, state: State) -> None:
        self.id = FIRST_WORKSPACE + number
        self._shape = shape
        self._state = state
        self._first = number * shape.clients * max(1, shape.projects)

    def clients(self) -> Iterator[Row]:
        """Every client that ever was."""
        render = _CLIENTS[self._shape.api]
        for number in range(self._shape.clients):
            end = fate(number, self._state)
            yield Row(render(self.id, self._first + number + 1, number, *self._look(number, end)), end)

    def projects(self, client: int) -> Iterator[Row]:
        """Every project that ever was of the client with this number. Those of a deleted client are gone, too."""
        render, per_client = _PROJECTS[self._shape.api], self._shape.projects
        its_end = fate(client, self._state)
        for number in range(client * per_client, (client + 1) * per_client):
            end = its_end if its_end.is_deleted else fate(number, self._state)
            key = self._first + number + 1, self._first + client + 1
            yield Row(render(self.id, *key, number, *self._look(number, end)), end)

    def client_ids(self) -> range:
        return range(self._first + 1, self._first + 1 + self._shape.clients)

    def _look(self, number: int, end: Fate) -> tuple[str, str]:
        """What a change shows in: the end of the name, and `at`."""
        if not end.age:
            return "", _instant(EPOCH_S + number % 86_400)
        return f" v{end.age}", _instant(self._state[end.age - 1].at_s)


def ages(shape: Shape, state: State) -> Counter[int]:
    """Age -> how many living rows have it."""
    found: Counter[int] = Counter()
    for client in range(shape.clients):
        its_end = fate(client, state)
        if not its_end.is_deleted:
            projects = range(client * shape.projects, (client + 1) * shape.projects)
            ends = [its_end, *(fate(project, state) for project in projects)]
            found.update(end.age for end in ends if not end.is_deleted)
    return Counter({age: count * shape.workspaces for age, count in found.items()})


def listed(rows: Sequence[Row]) -> bytes:
    """The list of those that live."""
    return f"[{JOIN(row.text for row in rows if not row.fate.is_deleted)}]".encode()


def pages(rows: Sequence[Row]) -> list[bytes]:
    """The same, page by page; at least one."""
    living = [row for row in rows if not row.fate.is_deleted]
    return [listed(living[at : at + PER_PAGE]) for at in range(0, len(living), PER_PAGE)] or [b"[]"]


def changed(rows: Sequence[Row], after: int, state: State) -> list[bytes]:
    """Pages of those that a change after the first `after` ones touched; deleted ones say so."""
    touched = [row if not row.fate.is_deleted else _buried(row, state) for row in rows if row.fate.age > after]
    return pages(touched)


def workspace_row(shape: Shape, number: int) -> str:
    """A row of the list of workspaces."""
    key = FIRST_WORKSPACE + number
    if shape.api == "v8":
        return f'{{"id":{key},"name":"Workspace {number}","admin":true,"at":"{_instant(EPOCH_S)}"}}'
    return (
        f'{{"id":{key},"organization_id":{key},"name":"Workspace {number}","premium":false,"admin":true,'
        f'"role":"admin","server_deleted_at":null,"default_currency":"EUR","at":"{_instant(EPOCH_S)}"}}'
    )


def _buried(row: Row, state: State) -> Row:
    at = _instant(state[row.fate.age - 1].at_s)
    text = row.text.replace('"server_deleted_at":null', f'"server_deleted_at":"{at}"')
    return Row(text, Fate(row.fate.age, is_deleted=False))


@functools.cache
def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _client_v8(workspace: int, key: int, number: int, mark: str, at: str) -> str:
    notes = NOTES.format(number, 50 + number % 100) if number % 3 == 0 else ""
    return f'{{"id":{key},"wid":{workspace},"name":"Client {workspace}-{number}{mark}","at":"{at}"{notes}}}'


def _client_v9(workspace: int, key: int, number: int, mark: str, at: str) -> str:
    notes = f',"notes":"Contact: person {number}"' if number % 3 == 0 else ""
    return (
        f'{{"id":{key},"wid":{workspace},"archived":false,"name":"Client {workspace}-{number}{mark}","at":"{at}",'
        f'"creator_id":{workspace}{notes}}}'
    )


def _project_v8(workspace: int, key: int, client: int, number: int, mark: str, at: str) -> str:
    return (
        f'{{"id":{key},"wid":{workspace},"cid":{client},"name":"Project {number} of client {client}{mark}",'
        f'"billable":{_json(number % 2)},"is_private":true,"active":{_json(number % 5)},"at":"{at}"}}'
    )


def _project_v9(workspace: int, key: int, client: int, number: int, mark: str, at: str) -> str:
    is_active = number % 5
    return (
        f'{{"id":{key},"workspace_id":{workspace},"client_id":{client},"name":"Project {number} of client {client}'
        f'{mark}","is_private":true,"active":{_json(is_active)},"at":"{at}","created_at":"2023-08-28T10:47:38+00:00",'
        f'"server_deleted_at":null,"color":"#0b83d9","billable":{_json(number % 2)},{V9_NULLS},"recurring":false,'
        f'"actual_hours":{number % 100},"actual_seconds":{number % 100 * 3600},"can_track_time":true,'
        f'"start_date":"2023-08-28","status":"{"active" if is_active else "archived"}","wid":{workspace},'
        f'"cid":{client},"is_shared":false,"pinned":false}}'
    )


def _json(value: int) -> str:
    return "true" if value else "false"


_CLIENTS = {"v8": _client_v8, "v9": _client_v9}
_PROJECTS = {"v8": _project_v8, "v9": _project_v9}
