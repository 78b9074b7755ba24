"""psqlODBC through pyodbc: what its defaults make of the mirror, and what the documented settings do."""

import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyodbc
from checks import CLIENT, PG, PROJECT, RELATIONS, check, columns, foreign_keys, of_relations, version

SERVER = "Driver=PostgreSQL Unicode;Servername={host};Port={port};Database={database};UID={user};PWD={{{password}}};"
SERVER = SERVER.format(**PG)
PAGE = Path(__file__).parents[3] / "docs" / "bi" / "odbc.md"
SETTINGS = re.search(r"BoolsAsChar=.*;", PAGE.read_text("utf-8"))[0]
"""As the page says."""

LOOSELY = {
    "bigint": "int8", "integer": "int4", "boolean": "bool", "numeric(18,4)": "numeric", "date": "date",
    "timestamp with time zone": "timestamptz", "text": "text", "jsonb": "jsonb",
}  # fmt: skip


def query(settings: str, sql: str) -> list[pyodbc.Row]:
    """All rows, over a connection with these settings."""
    connection = pyodbc.connect(SERVER + settings, readonly=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def declared(settings: str) -> dict[str, int]:
    """How many characters the driver says that the columns hold at most."""
    connection = pyodbc.connect(SERVER + settings, readonly=True)
    try:
        return {part[0]: part[3] for part in connection.execute("SELECT notes, extra FROM toggl.clients").description}
    finally:
        connection.close()


connection = pyodbc.connect(SERVER + SETTINGS, readonly=True)
version(f"psqlODBC {connection.getinfo(pyodbc.SQL_DRIVER_VER)}", f"pyodbc {pyodbc.version}")
cursor = connection.cursor()
listed = {row.table_name: row.table_type for row in cursor.tables(schema="toggl").fetchall()}
check("relations", listed, {name: kind.upper() for name, kind in of_relations("kind").items()})
catalog = [row for name in RELATIONS for row in cursor.columns(table=name, schema="toggl").fetchall()]
check("types of all columns", {f"{row.table_name}.{row.column_name}": row.type_name for row in catalog},
      {pair: LOOSELY[kind] for pair, kind in columns("type").items()})  # fmt: skip
keys = {name: [row.column_name for row in cursor.primaryKeys(table=name, schema="toggl")] for name in RELATIONS}
check("primary keys of tables, none of views", keys, of_relations("primary_key"))
foreign = {
    name: {row.fkcolumn_name: row.pktable_name for row in cursor.foreignKeys(foreignTable=name, foreignSchema="toggl")}
    for name in RELATIONS
}
check("foreign keys of tables, none of views", foreign, foreign_keys())
counts = {name: len(cursor.execute(f"SELECT * FROM toggl.{name}").fetchall()) for name in RELATIONS}
check("rows of every relation", counts, of_relations("count"))

OURS = f"SELECT id, client_id, rate, start_date, end_date, active, at FROM toggl.projects WHERE id = {PROJECT['id']}"
row = cursor.execute(OURS).fetchone()
check("bigints beyond 2^53", (row.id, row.client_id), (PROJECT["id"], CLIENT["id"]))
check("numeric is Decimal", row.rate, Decimal("1234.5678"))
check("date, and NULL", (row.start_date, row.end_date), (date(2024, 3, 10), None))
check("instants come without a zone and are UTC", row.at, datetime(2024, 3, 10, 18, 59, 59))  # noqa: DTZ001
check("BoolsAsChar=0: booleans", row.active, True)
check("default: booleans are text", query("", OURS)[0].active, "1")
TEXT = f"SELECT name, notes, at FROM toggl.clients WHERE id = {CLIENT['id']}"
row = cursor.execute(TEXT).fetchone()
check("names, every character", row.name, CLIENT["name"])
check("long text, every character", row.notes, CLIENT["notes"])
check("an instant in the gap of summer time", row.at, datetime(2024, 3, 10, 2, 30))  # noqa: DTZ001
check("default: sizes that some tools cut text at", declared(""), {"notes": 8190, "extra": 255})
check("MaxLongVarcharSize, MaxVarcharSize: sizes for all that is stored", declared(SETTINGS),
      {"notes": 1048576, "extra": 65536})  # fmt: skip
connection.close()
