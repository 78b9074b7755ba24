"""The contract with BI: what schema toggl offers, and which changes of it would break somebody's report."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from syncd.postgres.migrate import Connection
from syncd.postgres.sql import queries


class Column(msgspec.Struct, frozen=True):
    """`type` as the server writes it. `references`: the relation whose row it points at, by a real foreign key."""

    name: str
    type: str
    nullable: bool
    comment: str
    references: str | None = None


class Relation(msgspec.Struct, frozen=True):
    """A table or a view; views have no keys. Columns in place."""

    name: str
    kind: Literal["table", "view"]
    comment: str | None
    primary_key: list[str]
    columns: list[Column]

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)


async def read_contract(connection: Connection) -> list[Relation]:
    """What the database offers, relations in the order in which migrations made them."""
    parents = {
        (row["relation"], row["name"]): row["parent"]
        for row in await connection.fetch(queries()["contract_foreign_keys"])
    }
    columns: dict[str, list[dict[str, Any]]] = {}
    for row in await connection.fetch(queries()["contract_columns"]):
        relation, column = row["relation"], {name: row[name] for name in ("name", "type", "nullable", "comment")}
        columns.setdefault(relation, []).append(column | {"references": parents.get((relation, row["name"]))})
    rows = await connection.fetch(queries()["contract_relations"])
    return [msgspec.convert(dict(row) | {"columns": columns[row["name"]]}, Relation) for row in rows]


def breaches(published: Sequence[Relation], found: Sequence[Relation]) -> list[str]:
    """What of `published` a reader of `found` would miss, one sentence each; empty: it only adds.

    A report may name any relation and column, rely on a type, on a value that is never NULL and on a key, and read
    columns by their places. Comments and what is new are free.
    """
    now = {relation.name: relation for relation in found}
    return [sentence for before in published for sentence in _breaches(before, now.get(before.name))]


def _breaches(before: Relation, now: Relation | None) -> Iterator[str]:
    if now is None:
        yield f"toggl.{before.name} is gone"
        return
    if now.kind != before.kind:
        yield f"toggl.{before.name} was a {before.kind} and is a {now.kind}"
    if now.primary_key != before.primary_key:
        yield f"toggl.{before.name} has another primary key"
    missing = [column.name for column in before.columns if now.column(column.name) is None]
    yield from (f"toggl.{before.name}.{name} is gone" for name in missing)
    places = [column.name for column in before.columns]
    if not missing and [column.name for column in now.columns[: len(places)]] != places:
        yield f"toggl.{before.name} has new columns before its old ones"
    for column in before.columns:
        if (current := now.column(column.name)) is not None:
            yield from (f"toggl.{before.name}.{column.name} {change}" for change in _changes(column, current))


def _changes(before: Column, now: Column) -> Iterator[str]:
    if now.type != before.type:
        yield f"was {before.type} and is {now.type}"
    if now.nullable and not before.nullable:
        yield "may be NULL now"
    if before.references not in (None, now.references):
        yield f"no longer references {before.references}"
