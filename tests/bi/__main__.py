"""`make test-bi`: real BI clients, each in an environment of its own, read a mirror as the reader role.

Prints each client with its version and every check it made; exit code 1 if any failed, or a client did not get to its
end.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bi.stage import Stage, stage
from tests.environments import bin_of

CLIENTS = Path(__file__).parent / "clients"
WITHIN_S = 600


class Client(NamedTuple):
    """A program in `clients`, the environment that it runs in ("" = this one), and the zones of one run each."""

    script: str
    environment: str = ""
    zones: Sequence[str] = ("Asia/Kolkata",)
    arguments: Sequence[str] = ()


ELSEWHERE = ("Asia/Kolkata", "America/New_York")
ALL = (
    Client("terminal"),
    Client("reflection", "sqlalchemy", arguments=["psycopg"]),
    Client("reflection", "sqlalchemy", arguments=["psycopg2"]),
    Client("frames", "pandas", ELSEWHERE),
    Client("odbc", "pyodbc", ELSEWHERE),
    Client("jdbc"),
    Client("attach", "duckdb", ELSEWHERE),
    Client("transform", "dbt"),
)


def main(names: Sequence[str]) -> int:
    """Run all clients, or those named; the exit code."""
    failed = checks = 0
    with stage() as place:
        for client in ALL:
            for zone in client.zones if not names or client.script in names else ():
                lines = _run(client, zone, place)
                failed += sum(line.startswith("not ok ") for line in lines)
                checks += len(lines) - 1
                print(f"\n{lines[0].removeprefix('version ')} (TZ={zone})")
                print(*(f"  {line}" for line in lines[1:]), sep="\n", flush=True)
    print(f"\n{checks - failed} of {checks} checks ok")
    return 1 if failed or not checks else 0


def _run(client: Client, zone: str, place: Stage) -> list[str]:
    """What it printed, the version first; with a check more that failed if it did not end well."""
    home = place.directory / "-".join([client.script, *client.arguments, zone.rpartition("/")[2]])
    home.mkdir()
    python = bin_of(f"bi/{client.environment}") / "python" if client.environment else Path(sys.executable)
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(home), "TZ": zone, "BI_BIN": str(python.parent)}
    done = subprocess.run(
        [python, CLIENTS / f"{client.script}.py", *client.arguments],
        env=surroundings | place.surroundings(),
        capture_output=True,
        encoding="utf-8",
        timeout=WITHIN_S,
        check=False,
    )
    lines = done.stdout.splitlines()
    if not lines or not lines[0].startswith("version "):
        lines.insert(0, f"version {client.script}")
    if done.returncode:
        lines.append(f"not ok to the end: {' '.join(done.stderr.split())[-600:]}")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
