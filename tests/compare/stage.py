"""Where the comparison takes place: one PostgreSQL, one time for everybody, and an emulated account per tool.

Time is that of this machine plus the seconds in one file. The emulator, PostgreSQL and syncd are told by libfaketime;
the other tools, which keep no time of their own, only have their waiting done by it (`travel/sitecustomize.py`).
"""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from syncd.postgres import server
from syncd.postgres.embedded import EmbeddedPostgres
from tests.contract.emulated import Emulated
from tests.environments import ENVIRONMENTS
from tests.postgres_fixture import UNSAFE_BUT_FAST, make_reachable_directory

LIBRARY = "libfaketime/lib/python*/site-packages/libfaketime/vendor/libfaketime/src/libfaketime.so.1"


class Travel:
    """The time of the comparison, in seconds since its beginning, in a file that all can read."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "travel"
        self.library = directory / "libfaketime.so.1"
        shutil.copy(next((ENVIRONMENTS / "compare").glob(LIBRARY)), self.library)
        self.go_to(0)

    @property
    def now_s(self) -> float:
        return float(self.file.read_text())

    def go_to(self, seconds: float) -> None:
        self.file.write_text(f"+{seconds:.3f}\n")
        self.file.chmod(0o644)

    def env(self) -> dict[str, str]:
        """For a process that is to have the comparison's wall clock."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def waiting(self) -> dict[str, str]:
        """For a Python program whose waiting is to be done by the comparison's clock."""
        return {"PYTHONPATH": str(Path(__file__).parent / "travel"), "TRAVEL_FILE": str(self.file)}


@dataclass(frozen=True, slots=True)
class Databases:
    """Makes databases in the comparison's PostgreSQL, and looks into them."""

    url: str

    def create(self, name: str) -> str:
        """The URL of a new database."""
        self.ask(self.url, f'CREATE DATABASE "{name}"')
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    @staticmethod
    def ask(url: str, query: str) -> list[Any]:
        """The rows of a query."""

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(url)
            try:
                return await connection.fetch(query)
            finally:
                await connection.close()

        return asyncio.run(fetch())


@contextlib.contextmanager
def stage() -> Iterator[tuple[Path, Travel, Databases]]:
    """A directory, the time, and PostgreSQL; all gone at the end."""
    directory = make_reachable_directory()
    travel = Travel(directory)
    plain = server._environment
    server._environment = lambda: plain() | travel.env()
    try:
        with asyncio.Runner() as runner:
            opened = runner.run(EmbeddedPostgres.open(directory / "pg", settings=UNSAFE_BUT_FAST))
            try:
                yield directory, travel, Databases(opened.url)
            finally:
                runner.run(opened.close())
    finally:
        server._environment = plain
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Account:
    """The account that all tools get, and what will happen in it."""

    archived_clients: int
    archived_projects: int
    deleted_client: int
    deleted_project: int
    archived_project: int


def furnish(toggl: Emulated) -> Account:
    """200 projects in one workspace: 9 under each of 20 clients, 20 without; two of the clients are archived."""
    toggl.control("POST", "seed", {"seed": 1, "clients": 20, "projects": 9, "loose_projects": 20})
    clients = [row["id"] for row in toggl.control("GET", "clients")]
    for client in clients[:2]:
        toggl.control("POST", f"clients/{client}/archive")
    projects = toggl.control("GET", "projects")
    active = [row["id"] for row in projects if row["active"] and row["client_id"]]
    return Account(
        archived_clients=2,
        archived_projects=sum(not row["active"] for row in projects),
        deleted_client=clients[5],
        deleted_project=active[40],
        archived_project=active[80],
    )


def change(toggl: Emulated, account: Account) -> None:
    """What the tools are to notice. Projects of the deleted client stay, without a client."""
    toggl.control("DELETE", f"clients/{account.deleted_client}")
    toggl.control("DELETE", f"projects/{account.deleted_project}")
    toggl.control("PUT", f"projects/{account.archived_project}", {"active": False})
