"""`make contract`: the emulator against its OpenAPI documents, and published Toggl libraries against the emulator.

Everything runs in environments of its own (`.venv/contract/<package>`), so that no library's wishes meet another's.
Prints one closing table; exit code 1 if anything differs from a document, or any library does not end its round.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.contract.emulated import Emulated, emulated
from tests.environments import bin_of, version_of

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SEED = "1"
DIALECTS = ("v8", "v9")
ROUNDS = {
    "togglwrapper": "togglwrapper_v8",
    "togglpy": "togglpy_v8",
    "toggl-python": "toggl_python_v9",
    "toggl-api-wrapper": "toggl_api_wrapper_v9",
    "togglcli": "togglcli_v9",
}
CLIENTS, PROJECTS_EACH = 6, 4
ROUND_WITHIN_S = 120


class Row(NamedTuple):
    """A line of the closing table."""

    what: str
    dialect: str
    counted: str
    outcome: str


def main() -> int:
    rows = []
    with tempfile.TemporaryDirectory(prefix="contract-") as name:
        directory = Path(name)
        rows += [_conformance(dialect, directory) for dialect in DIALECTS]
        rows += [_round(package, script, directory) for package, script in ROUNDS.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0 if all(row.outcome == "ok" for row in rows) else 1


def _conformance(dialect: str, directory: Path) -> Row:
    """Every operation of a document, called with what fits it and with what does not."""
    report = directory / f"{dialect}.json"
    what = f"schemathesis {version_of('schemathesis', 'contract/schemathesis')}"
    with emulated(directory, "--tags", "3", "--api", dialect, "--workspaces", "2", "--clients", "5") as server:
        command: list[str | Path] = [
            *(bin_of("contract/schemathesis") / "st", "--config-file", HERE / "schemathesis.toml", "run"),
            *(ROOT / "docs" / "api" / f"toggl-{dialect}.json", "--url", f"{server.url}/api/{dialect}"),
            *("--auth", f"{server.token}:api_token", "--seed", SEED, "--generation-database", "none"),
            *("--report", "json", "--report-json-path", report, "--no-color"),
        ]
        told = {"SCHEMATHESIS_HOOKS": "tests.contract.hooks", "CONTRACT_WORKSPACE": str(server.workspace)}
        done = subprocess.run(command, cwd=ROOT, env=os.environ | told, capture_output=True, text=True, check=False)
    if done.returncode or not report.exists():
        print(done.stdout, done.stderr, sep="\n")
        return Row(what, dialect, "", "differs")
    facts = json.loads(report.read_text())
    tested, total = facts["operations"]["tested"], facts["operations"]["total"]
    counted = f"{tested} of {total} operations, {facts['test_cases']['generated']} cases"
    whole = tested == total and facts["complete"]
    return Row(what, dialect, counted, "ok" if whole else "incomplete")


def _round(package: str, script: str, directory: Path) -> Row:
    """One library lists, creates, updates and deletes, sent to the vendor's address through the emulator's proxy."""
    dialect, environment = script.rpartition("_")[2], f"contract/{package}"
    sizes = ("--workspaces", "1", "--clients", str(CLIENTS), "--projects", str(PROJECTS_EACH))
    with emulated(directory, "--proxy", "--api", dialect, *sizes) as server:
        done = subprocess.run(
            [bin_of(environment) / "python", HERE / "rounds" / f"{script}.py"],
            env=_environment(server, directory),
            capture_output=True,
            text=True,
            timeout=ROUND_WITHIN_S,
            check=False,
        )
    steps = sum(line.startswith("ok ") for line in done.stdout.splitlines())
    if done.returncode:
        print(f"{package}:", done.stdout, done.stderr, sep="\n")
    what = f"{package} {version_of(package, environment)}"
    return Row(what, dialect, f"{steps} steps", "failed" if done.returncode else "ok")


def _environment(server: Emulated, home: Path) -> dict[str, str]:
    """All that a round gets to know. Nothing of the caller's, least of all a token of theirs."""
    about = {
        "ROUND_TOKEN": server.token,
        "ROUND_WORKSPACE": str(server.workspace),
        "ROUND_CLIENTS": str(CLIENTS),
        "ROUND_PROJECTS": str(CLIENTS * PROJECTS_EACH),
    }
    return {"PATH": os.environ["PATH"], "HOME": str(home), **about, **server.surroundings()}


if __name__ == "__main__":
    sys.exit(main())
