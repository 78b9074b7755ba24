"""The mirror as one transaction sees it, and what must hold of it whatever happened."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from syncd.postgres.database import Database
from tests.stateful.source import COLUMNS, Key, Source, State

_ROWS = """SELECT id, deleted_at, _is_stub, _pull_id, xmin::text AS stamp, _valid_from, _first_seen_at, {columns}
           FROM toggl.{resource}s"""
_VERSIONS = """SELECT id, valid_from, valid_to, is_current, change_kind, end_kind, {columns}
               FROM toggl.{resource}s_history ORDER BY id, valid_from"""
_TORN = """SELECT count(*) FROM (SELECT FROM syncd.scopes GROUP BY token, workspace_id
                                 HAVING min(pull_id) <> max(pull_id)) AS torn"""


@dataclass(frozen=True)
class Row:
    """A row of the mirror; `state` of a stub is empty but for its workspace."""

    state: State
    deleted_at: datetime | None
    is_stub: bool
    pull_id: int
    stamp: str
    valid_from: datetime
    first_seen_at: datetime

    @property
    def is_live(self) -> bool:
        return self.deleted_at is None and not self.is_stub


@dataclass(frozen=True)
class Version:
    """A row of the history."""

    state: State
    valid_from: datetime
    valid_to: datetime | None
    is_current: bool
    change_kind: str
    end_kind: str | None


@dataclass(frozen=True)
class Mirror:
    """`torn`: workspaces whose resources are of different pulls of one token."""

    rows: Mapping[Key, Row]
    versions: Mapping[Key, list[Version]]
    torn: int
    quarantined: int

    def live(self) -> dict[Key, Row]:
        return {key: row for key, row in self.rows.items() if row.is_live}

    def stamps(self) -> dict[Key, str]:
        return {key: row.stamp for key, row in self.rows.items()}


NOTHING = Mirror({}, {}, 0, 0)


async def read(database: Database) -> Mirror:
    """Everything, as of one instant."""
    rows: dict[Key, Row] = {}
    versions: dict[Key, list[Version]] = defaultdict(list)
    async with database.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        for resource, names in COLUMNS.items():
            columns = ", ".join(names)
            for row in await connection.fetch(_ROWS.format(columns=columns, resource=resource)):
                id_, *meta = tuple(row)[:7]
                rows[resource, id_] = Row(tuple(row)[7:], *meta)
            for version in await connection.fetch(_VERSIONS.format(columns=columns, resource=resource)):
                id_, *meta = tuple(version)[:6]
                versions[resource, id_].append(Version(tuple(version)[6:], *meta))
        torn = await connection.fetchval(_TORN)
        quarantined = await connection.fetchval("SELECT count(*) FROM syncd.quarantine WHERE released_at IS NULL")
    return Mirror(rows, versions, torn, quarantined)


def check_state(mirror: Mirror, source: Source) -> None:
    """What holds at any moment."""
    assert mirror.torn == 0, "the resources of one workspace are of different pulls"
    assert mirror.quarantined == 0, "a good row was put aside"
    assert mirror.versions.keys() <= mirror.rows.keys()
    for key, row in mirror.rows.items():
        if row.is_live:
            assert row.state in source.had[key], f"{key} was never like this at the source: {row.state}"
        check_history(key, row, mirror.versions.get(key, []))


def check_history(key: Key, row: Row, versions: list[Version]) -> None:
    """Gapless while live, never overlapping, exactly one open version iff live; stubs are no versions."""
    current = [version for version in versions if version.is_current]
    assert [version.valid_to for version in current] == ([None] if row.is_live else []), f"{key}: {versions}"
    if row.is_live:
        assert current == versions[-1:], f"{key}: the open version is not the last: {versions}"
        assert current[0].state == row.state
        assert current[0].valid_from == row.valid_from
    if not versions:
        assert row.is_stub, f"{key} has no history: {row}"
        return
    assert versions[0].change_kind == "insert", f"{key}: {versions}"
    assert versions[0].valid_from >= row.first_seen_at
    for version in versions:
        assert version.valid_to is None or version.valid_from < version.valid_to, f"{key}: {version}"
    for earlier, later in pairwise(versions):
        assert earlier.valid_to is not None, f"{key}: two open versions"
        if earlier.end_kind == "update":
            assert earlier.valid_to == later.valid_from, f"{key}: a gap between {earlier} and {later}"
            assert later.change_kind == "update"
            assert earlier.state != later.state, f"{key}: a version without a change: {later}"
        else:
            assert earlier.valid_to <= later.valid_from, f"{key}: {earlier} overlaps {later}"
            assert (earlier.end_kind, later.change_kind) == ("delete", "reappear"), f"{key}: {earlier}, {later}"
    if not row.is_live and not row.is_stub:
        assert (versions[-1].end_kind, versions[-1].valid_to) == ("delete", row.deleted_at), f"{key}: {versions}"


def check_step(before: Mirror, after: Mirror, went_back: Collection[Key], turns: int) -> None:
    """What holds from one look to the next, between which so many pulls ended."""
    assert after.rows.keys() >= before.rows.keys(), "a row was deleted for good"
    for key, row in after.rows.items():
        old = before.rows.get(key)
        had, has = before.versions.get(key, []), after.versions.get(key, [])
        grown = len(has) - len(had)
        if old is None or not old.is_live:
            expected = 1 if row.is_live else 0
        else:
            expected = 1 if row.is_live and row.state != old.state else 0
        if turns <= 1:
            assert grown == expected, f"{key}: {grown} new versions for {expected} changes: {has}"
        assert expected <= grown <= turns or grown == expected, f"{key}: {grown} new versions in {turns} pulls"
        if old is None:
            continue
        closed = had[:-1] if old.is_live else had
        assert has[: len(closed)] == closed, f"{key}: what is past was rewritten"
        if old.is_live and (grown or not row.is_live):
            assert has[len(had) - 1].state == old.state, f"{key}: the version that ended is not what was live"
        if old.is_live and row.is_live and key not in went_back:
            assert row.state[-1] >= old.state[-1], f"{key}: `at` went back from {old.state} to {row.state}"
        assert not (row.is_stub and not old.is_stub), f"{key} became a stub"


def changed(before: Mirror, after: Mirror) -> dict[Key, Row]:
    """Rows that were written."""
    return {key: row for key, row in after.rows.items() if key not in before.rows or before.rows[key] != row}
