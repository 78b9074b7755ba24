"""SQLAlchemy over the driver that is named: what reflection finds."""

import sys
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version as version_of
from typing import Any

from checks import CLIENT, PROJECT, RELATIONS, check, columns, foreign_keys, of_relations, required, version
from sqlalchemy import MetaData, create_engine, func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

DISTRIBUTIONS = {"psycopg": "psycopg", "psycopg2": "psycopg2-binary"}
DRIVER = sys.argv[1]
engine = create_engine(f"postgresql+{DRIVER}://")  # the rest is in libpq's variables


def name_of(column_type: TypeEngine[Any]) -> str:
    """As PostgreSQL writes it."""
    return column_type.compile(engine.dialect).lower().replace(", ", ",")


def refused(statement: str) -> bool:
    """Whether the reader may not."""
    try:
        with engine.begin() as connection:
            connection.execute(text("SET TRANSACTION READ WRITE"))
            connection.execute(text(statement))
    except DBAPIError as error:
        return "permission denied" in str(error)
    return False


version(f"SQLAlchemy {version_of('sqlalchemy')}", f"{DRIVER} {version_of(DISTRIBUTIONS[DRIVER])}")
inspector = inspect(engine)
tables, views = (
    sorted(name for name, relation in RELATIONS.items() if relation["kind"] == kind) for kind in ("table", "view")
)
check("tables", sorted(inspector.get_table_names("toggl")), tables)
check("views", sorted(inspector.get_view_names("toggl")), views)
found = {name: {column["name"]: column for column in inspector.get_columns(name, "toggl")} for name in RELATIONS}
pairs = {f"{name}.{column}": facts for name, relation in found.items() for column, facts in relation.items()}
check("types of all columns", {pair: name_of(facts["type"]) for pair, facts in pairs.items()}, columns("type"))
check("which columns can be NULL", {pair: not facts["nullable"] for pair, facts in pairs.items()}, required())
check("comments of all columns", {pair: facts["comment"] for pair, facts in pairs.items()}, columns("comment"))
comments = {name: inspector.get_table_comment(name, "toggl")["text"] for name in RELATIONS}
check("comments of all relations", comments, of_relations("comment"))
keys = {name: inspector.get_pk_constraint(name, "toggl")["constrained_columns"] for name in RELATIONS}
check("primary keys of tables, none of views", keys, of_relations("primary_key"))
foreign = {
    name: {key["constrained_columns"][0]: key["referred_table"] for key in inspector.get_foreign_keys(name, "toggl")}
    for name in RELATIONS
}
check("foreign keys of tables, none of views", foreign, foreign_keys())

meta = MetaData(schema="toggl")
meta.reflect(engine, views=True)
clients, projects = meta.tables["toggl.clients"], meta.tables["toggl.projects"]
with engine.connect() as connection:
    counts = {
        name: connection.scalar(select(func.count()).select_from(meta.tables[f"toggl.{name}"])) for name in RELATIONS
    }
    check("rows of every relation", counts, of_relations("count"))
    joined = (
        select(clients.c.name, projects.c.id, projects.c.rate, projects.c.at)
        .join_from(projects, clients)
        .where(projects.c.id == PROJECT["id"])
    )
    check(
        "a join by the reflected key: text, bigint, numeric and timestamptz as they are",
        tuple(connection.execute(joined).one()),
        (CLIENT["name"], PROJECT["id"], Decimal("1234.5678"), datetime(2024, 3, 10, 18, 59, 59, tzinfo=UTC)),
    )
    check("sessions are in UTC", connection.scalar(text("SHOW timezone")), "UTC")
check("the reader writes nothing", refused("UPDATE toggl.clients SET name = 'x'"), True)
check("the reader does not see schema syncd", refused("SELECT FROM syncd.tokens"), True)
