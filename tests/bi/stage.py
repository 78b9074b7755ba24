"""Where the BI clients meet a mirror: an embedded PostgreSQL that `syncd once` filled, and the truth about it.

Two accounts of one emulated Toggl are in it. The first was mirrored by API v8, which tells the rates of clients, and
is configured no more; the second by v9, twice, with changes in between, so that there are versions and tombstones.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec

from syncd.postgres import binaries
from syncd.postgres.embedded import EmbeddedPostgres
from tests.bi.sources import published
from tests.contract.emulated import Emulated, emulated
from tests.postgres_fixture import UNSAFE_BUT_FAST, make_reachable_directory

READER = "syncd_reader"
PASSWORD = "of this test only"
SIZES = ("--tokens", "2", "--workspaces", "2", "--clients", "8", "--projects", "3", "--tags", "3")
BIG = 2**53 + 1
"""No float holds this id."""

CLIENT: dict[str, Any] = {
    "id": BIG,
    "name": 'Señor "Q" O\'Neill, 新星; שלום\\\t🚲',
    "notes": "first line\r\n" + "ä€😀 " * 4000 + "\nlast line",
    "at": "2024-03-10T02:30:00Z",
}
"""What drivers trip over: an id beyond floats, quotes, all of Unicode, a text longer than the limits of ODBC, and an
instant that is no time of day in New York."""

PROJECT: dict[str, Any] = {
    "id": BIG + 2,
    "client_id": BIG,
    "name": "Half past midnight",
    "at": "2024-03-10T18:59:59Z",
    "rate": 1234.5678,
    "fixed_fee": 0,
    "currency": "EUR",
    "start_date": "2024-03-10",
    "active": True,
    "billable": True,
}
"""In Kolkata it was changed a day later."""

LOOSE = {"name": "No client", "at": "2024-03-10T00:00:00Z", "estimated_seconds": 3600}


@dataclass(frozen=True, slots=True)
class Stage:
    """A filled mirror. `url` is the superuser's; `truth` a file with what the clients are to find."""

    directory: Path
    url: str
    truth: Path

    def surroundings(self) -> dict[str, str]:
        """The variables of a client: libpq's own, as the reader, and where the truth is."""
        parts = urlsplit(self.url)
        return {
            "PGHOST": str(parts.hostname),
            "PGPORT": str(parts.port),
            "PGDATABASE": parts.path.removeprefix("/"),
            "PGUSER": READER,
            "PGPASSWORD": PASSWORD,
            "BI_TRUTH": str(self.truth),
            "BI_ADMIN_URL": self.url,
            "BI_PSQL": str(binaries.find(os.environ).bindir / "psql"),
        }


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """The stage, built; all gone at the end."""
    directory = make_reachable_directory()
    try:
        with asyncio.Runner() as runner:
            server = runner.run(EmbeddedPostgres.open(directory / "pg", settings=UNSAFE_BUT_FAST))
            try:
                _fill(directory, server.url)
                truth = directory / "truth.json"
                truth.write_text(json.dumps(runner.run(_truth(server.url))))
                yield Stage(directory, server.url, truth)
            finally:
                runner.run(server.close())
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _fill(directory: Path, url: str) -> None:
    with emulated(directory, *SIZES) as toggl:
        retired, kept = toggl.control("GET", "users")
        _syncd(directory, url, toggl, "v8", retired, "once")
        workspace_id = kept["workspaces"][0]["id"]
        toggl.control("POST", "clients", {"workspace_id": workspace_id, **CLIENT})
        for project in (PROJECT, LOOSE):
            toggl.control("POST", "projects", {"workspace_id": workspace_id, **project})
        _syncd(directory, url, toggl, "v9", kept, "once")
        theirs = [row["id"] for row in toggl.control("GET", f"projects?workspace_id={workspace_id}")]
        toggl.control("PUT", f"projects/{theirs[0]}", {"name": "Renamed", "rate": 99.5, "currency": "EUR"})
        toggl.control("DELETE", f"projects/{theirs[1]}")
        (tag, *_) = toggl.control("GET", f"tags?workspace_id={workspace_id}")
        toggl.control("PUT", f"tags/{tag['id']}", {"name": "Renamed"})
        _syncd(directory, url, toggl, "v9", kept, "once")
        _syncd(directory, url, toggl, "v9", kept, "migrate", "--roles")


def _syncd(directory: Path, url: str, toggl: Emulated, api: str, user: dict[str, Any], *command: str) -> None:
    """A command of syncd's with one account configured; raises RuntimeError with what it said if it fails."""
    (directory / "config.toml").write_text(
        f'[toggl]\napi = "{api}"\nbase_url = "{toggl.url}"\nrequests_per_second = 0\n'
        '[sync]\nresources = ["clients", "projects", "tags"]\n'
        f'[[tokens]]\nname = "{user["name"]}"\ntoken_env = "ACCOUNT"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "syncd", "--config", str(directory / "config.toml"), *command],
        env={"PATH": os.environ["PATH"], "ACCOUNT": user["token"], "SYNCD_DATABASE__URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"syncd {' '.join(command)}: {done.stdout}{done.stderr}")


async def _truth(url: str) -> dict[str, Any]:
    """The published contract, how many rows there are, and the rows that were planted."""
    relations = {relation.name: msgspec.to_builtins(relation) for relation in published()}
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"ALTER ROLE {READER} PASSWORD '{PASSWORD}'")
        for name, relation in relations.items():
            relation["count"] = await connection.fetchval(f'SELECT count(*) FROM toggl."{name}"')
    finally:
        await connection.close()
    return {"relations": relations, "client": CLIENT, "project": PROJECT}
