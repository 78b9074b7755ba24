"""dbt with the package of deploy/dbt, as a role that its README makes: build, tests, freshness, history."""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import mkdtemp

import psycopg2
from checks import CLIENT, PG, PROJECT, RELATIONS, check, columns, of_relations, version

PACKAGE = Path(__file__).parents[3] / "deploy" / "dbt"
README = (PACKAGE / "README.md").read_text("utf-8")
DBT = Path(os.environ["BI_BIN"], "dbt")
HOME = Path(mkdtemp(dir=os.environ["HOME"]))
ROLE = "toggl_dbt"
ENVIRON = {
    **os.environ, "HOME": str(HOME), "PGUSER": ROLE, "DBT_TARGET_PATH": str(HOME / "target"),
    "DBT_LOG_PATH": str(HOME / "logs"), "DBT_VERSION_CHECK": "false",
}  # fmt: skip


def admin(statement: str) -> None:
    """Do something as the superuser."""
    connection = psycopg2.connect(os.environ["BI_ADMIN_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def ask(query: str, user: str = ROLE) -> list[tuple[object, ...]]:
    """What a query says to that role."""
    connection = psycopg2.connect(user=user)
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall()
    connection.close()
    return rows


def fenced(language: str) -> list[str]:
    """The blocks of a language in the package's README."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def dbt(*arguments: str, place: Path = PACKAGE) -> tuple[int, str]:
    """Exit code and output of a command in a project's directory."""
    command = [DBT, "--no-use-colors", *arguments]
    done = subprocess.run(command, cwd=place, env=ENVIRON, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def outcomes(name: str) -> Counter[str]:
    """How often each status is in a file of results."""
    return Counter(result["status"] for result in json.loads((HOME / "target" / name).read_text())["results"])


def shown(name: str, instant: str) -> list[dict[str, object]]:
    """Names of the projects called `name` as of an instant, by the macro."""
    query = f"select name from {{{{ toggl_as_of('projects', \"{instant}\") }}}} as p where name = '{name}'"
    code, text = dbt("--quiet", "show", "--inline", query, "--output", "json", "--limit", "5")
    return json.loads(text)["show"] if code == 0 else [{"failed": text[-300:]}]


version(f"dbt-core {version_of('dbt-core')}", f"dbt-postgres {version_of('dbt-postgres')}")
for statement in fenced("sql")[0].split(";"):
    if statement.strip():
        admin(statement.replace("'…'", f"'{PG['password']}'"))

code, text = dbt("--warn-error", "build")
check("dbt build: no package needed, no warning", text[-600:] if code else "", "")
results = outcomes("run_results.json")
check("dbt build: models and tests", (results["success"] >= 5, results["pass"] >= 65, set(results)),
      (True, True, {"success", "pass", "no-op"}))  # fmt: skip
manifest = json.loads((HOME / "target" / "manifest.json").read_text())
sources = {source["name"]: source for source in manifest["sources"].values()}
check("descriptions of sources are the comments of relations",
      {name: source["description"] for name, source in sources.items()}, of_relations("comment"))  # fmt: skip
told = {f"{name}.{column}": facts["description"] for name, source in sources.items()
        for column, facts in source["columns"].items()}  # fmt: skip
check("descriptions of their columns are the comments of columns", told, columns("comment"))

MART = "toggl_dbt.toggl_client_projects"
ours = ask(f"SELECT client_name, rate, rate_currency FROM {MART} WHERE project_id = {PROJECT['id']}")
check("the mart: a client's project with its rate", [(name, str(rate), currency) for name, rate, currency in ours],
      [(CLIENT["name"], "1234.5678", "EUR")])  # fmt: skip
expected = ask("""SELECT count(*), count(p.id), count(DISTINCT c.id) FROM toggl.clients_current c
                  LEFT JOIN toggl.projects_current p ON p.client_id = c.id AND p.active""")
found = ask(f"SELECT count(*), count(project_id), count(DISTINCT client_id) FROM {MART}")
check("the mart: every client, every active project, once", found, expected)
check("the reader reads the mart", ask(f"SELECT count(*) FROM {MART}", "syncd_reader")[0][0], expected[0][0])
comment = f"SELECT obj_description('{MART}'::regclass) LIKE 'Clients with their active%'"
check("descriptions of models are comments", ask(comment), [(True,)])

renamed = "(select max(valid_from) from toggl.projects_history where name = 'Renamed')"
check("toggl_as_of: not before the version began", shown("Renamed", f"{renamed} - interval '1 microsecond'"), [])
check("toggl_as_of: from its beginning on", shown("Renamed", renamed), [{"name": "Renamed"}])

code, text = dbt("source", "freshness")
check("dbt source freshness: fresh", (code, dict(outcomes("sources.json"))), (0, {"pass": len(RELATIONS)}))
for hours, status in ((2, "warn"), (7, "error")):
    admin(f"UPDATE syncd.tokens SET last_success_at = now() - interval '{hours} hours' WHERE enabled")
    code, text = dbt("source", "freshness")
    stale = (int(status == "error"), {status: len(RELATIONS)})
    check(f"dbt source freshness: {status} after {hours} hours", (code, dict(outcomes("sources.json"))), stale)

own = HOME / "own"
(own / "models").mkdir(parents=True)
packages, settings = fenced("yaml")
(own / "packages.yml").write_text(packages.replace("path/to/syncd/deploy/dbt", str(PACKAGE)))
(own / "dbt_project.yml").write_text(f"name: own\nprofile: syncd_toggl\n{settings}")
shutil.copy(PACKAGE / "profiles.yml", own)
(own / "models" / "mine.sql").write_text("select * from {{ syncd_toggl.toggl_as_of('clients', 'now()') }} as clients")
steps = [dbt(*words.split(), place=own) for words in ("deps", "build --select +mine toggl_client_projects")]
check("as a package of another project", [text[-600:] for code, text in steps if code], [])
dbt("source", "freshness", place=own)
check("there, how stale is too stale is the project's to say", dict(outcomes("sources.json")), {"warn": len(RELATIONS)})
admin("UPDATE syncd.tokens SET last_success_at = last_attempt_at")

admin("""INSERT INTO syncd.project_versions
         (id, workspace_id, name, valid_from, valid_to, change_kind, end_kind, pull_id)
         SELECT id, workspace_id, name, _valid_from - interval '1 day', 'infinity', 'insert', 'update', 0
         FROM toggl.projects WHERE deleted_at IS NULL LIMIT 1""")
code, text = dbt("test", "--select", "projects_history_does_not_overlap")
check("versions that overlap are found", (code, dict(outcomes("run_results.json"))), (1, {"fail": 1}))
admin("DELETE FROM syncd.project_versions WHERE pull_id = 0")
