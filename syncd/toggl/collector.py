"""Gathering the rows of one resource into snapshots, with the reasons why a snapshot proves no absence."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, MutableMapping
from datetime import datetime
from typing import Any, Generic, NamedTuple

import msgspec

from syncd.packed import BLOCK, Packed
from syncd.records import R, Reject, Snapshot, Strategy
from syncd.toggl.dialect import Answer, check_list, raw_rows
from syncd.toggl.rows import RowReader, repair


class Gone(NamedTuple):
    """A row that the source lists and calls deleted."""

    id: int
    workspace_id: int


class Collector(Generic[R]):
    """Rows of one resource, by workspace. Feed it answers, then ask it for snapshots.

    `block`: from how many records of a workspace on they are packed.
    """

    def __init__(self, reader: "RowReader[Any, R | Gone]", block: int = BLOCK) -> None:
        self.rejects: list[Reject] = []
        self._reader: RowReader[Any, R | Gone] = reader
        self._block = block
        self._records: dict[int, MutableMapping[int, R]] = defaultdict(dict)
        self._gone: dict[int, set[int]] = defaultdict(set)
        self._incomplete: dict[int | None, set[str]] = defaultdict(set)

    def add(self, answer: Answer, expected: int | None = None) -> int:
        """Read every row of a list; how many there were.

        `expected`: the workspace that was asked for; None: rows of any are welcome.

        Raises:
            TokenRejected, ContractChanged: see `raw_rows`.
        """
        count = 0
        for row in self._read(answer, expected):
            self._place(row, expected)
            count += 1
        return count

    def add_changes(self, answer: Answer, workspace_id: int, since: datetime) -> int:
        """Read what changed while the list of a workspace was asked for page by page, since `since`; how many rows.

        A row that was there before and was not shown has moved from page to page, and one that was shown and is deleted
        has drawn others forward: then more may have slipped through.
        """
        records, count = self._records[workspace_id], 0
        for row in self._read(answer, workspace_id):
            count += 1
            if isinstance(row, Reject):
                self._place(row, workspace_id)
            elif isinstance(row, Gone):
                if records.pop(row.id, None) is not None:
                    self.doubt(workspace_id, "pages_shifted")
                self._place(row, workspace_id)
            else:
                born = getattr(row, "created_at", None)
                if row.id not in records and (born is None or born < since):
                    self.doubt(workspace_id, "pages_shifted")
                records[row.id] = row
        return count

    def _read(self, answer: Answer, expected: int | None) -> "Iterable[R | Gone | Reject]":
        check_list(answer)
        body, repaired = repair(answer.body)
        if not answer.framed:
            self.doubt(expected, "unframed")
        rows = None if repaired else self._reader.read_list(body)
        if rows is not None and (expected is None or all(row.workspace_id == expected for row in rows)):
            return rows
        return self._read_singly(raw_rows(answer, body), expected, repaired=repaired)

    def _read_singly(
        self, raws: Iterable[msgspec.Raw], expected: int | None, *, repaired: bool
    ) -> "Iterator[R | Gone | Reject]":
        for raw in raws:
            row = self._reader.read(raw, repaired=repaired)
            if type(row) is not Reject and expected not in (None, row.workspace_id):
                row = self._reader.reject(raw, "foreign_workspace", f"not of workspace {expected}")
            yield row

    def doubt(self, workspace_id: int | None, reason: str) -> None:
        """The snapshot of a workspace, or with None of every workspace, is incomplete."""
        self._incomplete[workspace_id].add(reason)

    @property
    def count(self) -> int:
        """Rows that differ, good or bad."""
        lists: list[Collection[Any]] = [*self._records.values(), *self._gone.values(), self.rejects]
        return sum(map(len, lists))

    def snapshot(self, workspace_id: int, strategy: Strategy) -> Snapshot[R]:
        return Snapshot(
            strategy=strategy,
            records=self._records.get(workspace_id, {}),
            incomplete=tuple(sorted(self._incomplete[workspace_id] | self._incomplete[None])),
            gone=frozenset(self._gone.get(workspace_id, ())),
        )

    def _place(self, row: R | Gone | Reject, expected: int | None) -> None:
        if type(row) is Reject:  # twice as quick as isinstance, which asks a struct's metaclass
            self.rejects.append(row)
            self.doubt(expected if expected is not None else row.workspace_id, "rejects")
        elif isinstance(row, Gone):
            self._gone[row.workspace_id].add(row.id)
        else:
            records = self._records[row.workspace_id]
            twin = records.setdefault(row.id, row)
            if len(records) == self._block and isinstance(records, dict):
                self._records[row.workspace_id] = Packed(records, self._block)
            # A list that contradicts itself: the younger wins, absence proves nothing.
            if twin is not row and twin != row:
                self.doubt(row.workspace_id, "duplicates")
                if row.at is None or twin.at is None or row.at >= twin.at:
                    records[row.id] = row
