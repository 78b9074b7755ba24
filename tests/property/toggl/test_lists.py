"""Lists are read at once where every row allows it, and nobody can tell."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.records import Project, Reject
from syncd.toggl import rows, v8
from syncd.toggl.collector import Collector
from syncd.toggl.dialect import Request
from syncd.toggl.rows import TEXT_LIMIT
from tests.unit.toggl.answers import answer, project

ODDITIES: list[dict[str, Any]] = [
    {},
    {"name": "x" * TEXT_LIMIT},
    {"name": "x" * (TEXT_LIMIT + 1)},
    {"name": "half a \ud800 character"},
    {"name": "\0"},
    {"name": None},
    {"colour": "of a field that nobody knows"},
    {"color": "x" * 65},
    {"id": 0},
    {"wid": 2},
    {"rate": -1},
    {"at": "1969-12-31T00:00:00+00:00"},
    {"at": "2024-05-01T10:00:00"},
    {"server_deleted_at": "2024-05-01T10:00:00+00:00"},
]
"""What a row may be like, besides plain."""

lists = st.lists(st.tuples(st.integers(1, 5), st.sampled_from([*[{}] * len(ODDITIES), *ODDITIES])), max_size=6)


def _read(listed: list[tuple[int, dict[str, Any]]], expected: int | None) -> tuple[int, list[Any], list[Reject]]:
    """Everything that a list comes to: how many rows, the snapshots of its workspaces, the rejects."""
    collector: Collector[Project] = Collector(v8.project_rows)
    body = json.dumps([project(id_) | oddity for id_, oddity in listed]).encode()
    count = collector.add(answer(Request("/list"), body), expected)
    return count, [collector.snapshot(id_, "workspace") for id_ in (1, 2)], collector.rejects


@given(lists, st.sampled_from([1, None]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_list_read_at_once_is_the_list_read_row_by_row(
    monkeypatch: pytest.MonkeyPatch, listed: list[tuple[int, dict[str, Any]]], expected: int | None
) -> None:
    """Records, rejects with their reasons, doubts and counts; whatever stands beside what."""
    at_once = _read(listed, expected)
    with monkeypatch.context() as patch:
        patch.setattr(rows, "AT_ONCE_BYTES", -1)
        assert at_once == _read(listed, expected)


def test_plain_rows_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the way above would never be taken."""
    monkeypatch.setattr(rows.RowReader, "read", lambda *_args, **_kwargs: pytest.fail("row by row"))
    assert _read([(1, {}), (2, {"name": "x" * TEXT_LIMIT})], 1)[0] == 2
