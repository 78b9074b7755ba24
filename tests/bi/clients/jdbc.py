"""PostgreSQL's JDBC driver: metadata as tools ask for it, and values in a JVM of any zone."""

import os
import subprocess
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlencode

from checks import PG, PROJECT, RELATIONS, check, columns, foreign_keys, of_relations, required, version

JAR = "/usr/share/java/postgresql.jar"
PROGRAM = Path(__file__).with_name("Metadata.java")
URL = "jdbc:postgresql://{host}:{port}/{database}?".format(**PG) + urlencode(
    {key: PG[key] for key in ("user", "password")}
)
SHORT = {
    "bigint": "int8", "integer": "int4", "boolean": "bool", "numeric(18,4)": "numeric",
    "timestamp with time zone": "timestamptz",
}  # fmt: skip


def ask(zone: str) -> dict[str, list[list[str]]]:
    """What the program prints in a JVM of that zone: kind of line -> fields of each."""
    environ = os.environ | {"JDBC_URL": URL, "PROJECT_ID": str(PROJECT["id"])}
    command = ["java", f"-Duser.timezone={zone}", "-Dfile.encoding=UTF-8", "-cp", JAR, PROGRAM]
    printed = subprocess.run(command, env=environ, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
    lines = defaultdict(list)
    for kind, *fields in (line.split("\t") for line in printed.splitlines()):
        lines[kind].append(fields)
    return lines


lines = ask("Asia/Kolkata")
driver, java = lines["version"][0]
version(f"PostgreSQL JDBC {driver}", f"Java {java}")
check("getTables: tables and views", {name: kind for name, kind, _ in lines["table"]},
      {name: kind.upper() for name, kind in of_relations("kind").items()})  # fmt: skip
check("getTables: REMARKS", {name: remarks for name, _, remarks in lines["table"]}, of_relations("comment"))
check("getColumns: types", {f"{name}.{column}": kind for name, column, kind, _, _ in lines["column"]},
      {pair: SHORT.get(kind, kind) for pair, kind in columns("type").items()})  # fmt: skip
check("getColumns: NULLABLE", {f"{name}.{column}": nullable for name, column, _, nullable, _ in lines["column"]},
      {pair: "NO" if is_required else "YES" for pair, is_required in required().items()})  # fmt: skip
check("getColumns: REMARKS", {f"{name}.{column}": remarks for name, column, _, _, remarks in lines["column"]},
      columns("comment"))  # fmt: skip
keys = {name: [column for table, column in lines["primary"] if table == name] for name in RELATIONS}
check("getPrimaryKeys: of tables, none of views", keys, of_relations("primary_key"))
foreign = {name: {column: to for table, column, to in lines["imported"] if table == name} for name in RELATIONS}
check("getImportedKeys: of tables, none of views", foreign, foreign_keys())
values = [str(PROJECT["id"]), str(PROJECT["rate"]), "null", "true", PROJECT["at"], PROJECT["at"]]
check("values: long, BigDecimal, NULL, boolean, the instant", lines["row"][0][:-1], values)
check("the session is in the JVM's zone, not in the role's", lines["row"][0][-1], "Asia/Kolkata")
check("America/New_York: the same values", ask("America/New_York")["row"][0], [*values, "America/New_York"])
check("-Duser.timezone=UTC: sessions in UTC", ask("UTC")["row"][0], [*values, "UTC"])
