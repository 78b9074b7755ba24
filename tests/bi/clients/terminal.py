r"""psql: comments in \d+, and \copy of every relation into an analyst's own database and out again, byte for byte."""

import os
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from checks import RELATIONS, check, columns, of_relations, version

PSQL = os.environ["BI_PSQL"]
OWN = "bi_psql"
PAGES = Path(__file__).parents[3] / "docs" / "bi"


def psql(*commands: str, database: str = "") -> str:
    """What psql prints for them; as the reader, or as the owner of a database of one's own."""
    target = [] if not database else [re.sub(r"/\w+$", f"/{database}", os.environ["BI_ADMIN_URL"])]
    asked = [part for command in commands for part in ("-c", command)]
    done = subprocess.run(
        [PSQL, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *asked, *target],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return done.stdout if done.returncode == 0 else done.stderr


version(subprocess.run([PSQL, "--version"], capture_output=True, text=True, check=True).stdout.strip())
described = {}
for name, relation in RELATIONS.items():
    lines = [line.split("|") for line in psql(rf"\d+ toggl.{name}").splitlines()]
    names = [column["name"] for column in relation["columns"]]
    described |= {f"{name}.{line[0]}": line[-1] for line in lines if line[0] in names}
check(r"\d+ shows the comments of all columns", described, columns("comment"))
listed = [line.split("|") for line in psql(r"\dtv+ toggl.*").splitlines()]
check(r"\dt+, \dv+ show the comments of all relations", {line[1]: line[-1] for line in listed}, of_relations("comment"))

psql(f"DROP DATABASE IF EXISTS {OWN}", f"CREATE DATABASE {OWN}", database="postgres")
problems, rows = {}, {}
with TemporaryDirectory() as place:
    for name, relation in RELATIONS.items():
        out, again = Path(place, f"{name}.csv"), Path(place, f"{name}.again.csv")
        order = ", ".join(f'"{column["name"]}"' for column in relation["columns"] if column["type"] != "jsonb")
        source = f"(SELECT * FROM toggl.{name} ORDER BY {order})"
        said = psql(rf"\copy {source} TO '{out}' (FORMAT csv, HEADER)")
        made = ", ".join(f'"{column["name"]}" {column["type"]}' for column in relation["columns"])
        said += psql(
            f"CREATE TABLE {name} ({made})",
            rf"\copy {name} FROM '{out}' (FORMAT csv, HEADER MATCH)",
            rf"\copy (SELECT * FROM {name} ORDER BY {order}) TO '{again}' (FORMAT csv, HEADER)",
            database=OWN,
        )
        rows[name] = int(psql(f"SELECT count(*) FROM {name}", database=OWN))
        if said or out.read_bytes() != again.read_bytes():
            problems[name] = said or "differs"
psql(f"DROP DATABASE {OWN}", database="postgres")
check(r"\copy of every relation, out, in and out: the same bytes", problems, {})
check(r"\copy: rows of every relation", rows, of_relations("count"))
check("COPY FROM needs more than the reader", "permission denied" in
      psql("BEGIN", "SET TRANSACTION READ WRITE", r"\copy toggl.clients FROM '/dev/null'"), True)  # fmt: skip

refused = {}
for page in sorted(PAGES.glob("*.md")):
    for query in re.findall(r"```sql\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        asked = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= now() - interval '1 day'", query)
        if not (answer := psql(asked)) or answer.startswith("ERROR"):
            refused[page.name] = answer
check("queries of docs/bi have answers", refused, {})
