"""DuckDB's postgres extension, out of a wheel: the mirror as an attached database."""

from decimal import Decimal
from importlib.metadata import version as version_of
from importlib.resources import files

import duckdb
from checks import CLIENT, PROJECT, RELATIONS, check, columns, of_relations, version

EXTENSION = files("duckdb_extension_postgres_scanner") / "extensions" / f"v{duckdb.__version__}"
TYPES = {
    "bigint": "BIGINT", "integer": "INTEGER", "boolean": "BOOLEAN", "text": "VARCHAR", "numeric(18,4)": "DECIMAL(18,4)",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE", "date": "DATE", "jsonb": "VARCHAR",
}  # fmt: skip

version(f"DuckDB {duckdb.__version__}", f"postgres extension {version_of('duckdb-extension-postgres-scanner')}")
session = duckdb.connect(config={"autoinstall_known_extensions": "false"})
session.execute(f"LOAD '{EXTENSION / 'postgres_scanner.duckdb_extension'}'")
session.execute("ATTACH '' AS mirror (TYPE postgres, READ_ONLY, SCHEMA 'toggl')")  # the rest is in libpq's variables
found = session.execute(
    "SELECT table_name || '.' || column_name, data_type FROM duckdb_columns() WHERE database_name = 'mirror'"
).fetchall()
check("types of all columns", dict(found), {pair: TYPES[kind] for pair, kind in columns("type").items()})
counts = {name: session.execute(f"SELECT count(*) FROM mirror.toggl.{name}").fetchone()[0] for name in RELATIONS}
check("rows of every relation", counts, of_relations("count"))
every = {name: len(session.execute(f"SELECT * FROM mirror.toggl.{name}").fetchall()) for name in RELATIONS}
check("every value of every relation can be read", every, of_relations("count"))
session.execute("SET TimeZone = 'UTC'")
row = session.execute(f"""
    SELECT c.name, c.notes, p.id, p.rate, epoch(p.at), p.end_date FROM mirror.toggl.projects p
    JOIN mirror.toggl.clients c ON c.id = p.client_id WHERE p.id = {PROJECT["id"]}""").fetchone()
check("text, bigint, numeric, the instant and NULL as they are", row,
      (CLIENT["name"], CLIENT["notes"], PROJECT["id"], Decimal("1234.5678"), 1710097199.0, None))  # fmt: skip
