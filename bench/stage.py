"""Where contestants meet: one PostgreSQL, a load server, and a way to run a process and see what it cost."""

import asyncio
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.bodies import Shape, State
from syncd.postgres.data_dir import DataDir
from syncd.postgres.embedded import EmbeddedPostgres
from syncd.postgres.migrate import migrate
from syncd.postgres.server import read_postmaster

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venv"
MIGRATED, KEYLESS, BARE = "migrated", "keyless", "bare"
"""Databases to be copied: syncd's own, the same without foreign keys, and the same without what only reports need."""

DROP_KEYS = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint WHERE contype = 'f' AND connamespace = 'toggl'::regnamespace
UNION ALL
SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass)
FROM pg_trigger WHERE tgfoid IN ('syncd.hold_parents'::regproc, 'syncd.keep_parent'::regproc)
"""
DROP_INDEX = "SELECT 'DROP INDEX toggl.projects_client_id_idx'"
"""The others are syncd's own way to the rows of a workspace: without them it would read whole tables."""

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took. Whole processes, from before the first is started until the last has ended.

    `cpu_s` and `peak_mb` are those of the contestant's own processes (and of what they waited for), not of
    PostgreSQL; of several processes `peak_mb` is the sum. `postgres_cpu_s` (0 where there is no /proc) and
    `wal_bytes`: what all of PostgreSQL took and wrote meanwhile.
    `readers`: what readers saw meanwhile, see `bench.readers`.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    postgres_cpu_s: float = 0.0
    wal_bytes: int = 0
    requests: int = 0
    readers: Mapping[str, float] | None = None


class Failed(Exception):
    """A contestant did not do its work; the text is the end of what it said."""


class Postgres:
    """The server that everybody writes to, as syncd runs it by default, and so with fsync."""

    def __init__(self, runner: asyncio.Runner, url: str, pid: int) -> None:
        self._runner = runner
        self._url = url
        self._pid = pid

    def url(self, name: str) -> str:
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    def create(self, name: str, template: str = "template1") -> str:
        """The URL of a new database of that name; an older one is dropped."""
        self.drop(name)
        self.ask("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(name)

    def drop(self, name: str) -> None:
        self.ask("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def settle(self, name: str) -> None:
        """What autovacuum and the checkpointer would do within minutes, now, so that no run pays for another's rows."""
        self.ask(name, "VACUUM (ANALYZE)")
        self.ask(name, "CHECKPOINT")

    def wal_position(self) -> int:
        """Bytes of WAL ever written."""
        return int(self.ask("postgres", "SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0])

    def cpu_s(self) -> float:
        """Seconds of CPU that all its processes ever took."""
        return cpu_s_of(self._pid)

    def ask(self, name: str, query: str) -> list[Any]:
        """The rows of a query."""

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(self.url(name), ssl=False)
            try:
                return await connection.fetch(query)
            finally:
                await connection.close()

        return self._runner.run(fetch())

    def migrate(self) -> None:
        """Make the databases that syncd's own are copied from."""

        async def bring_up() -> None:
            connection = await asyncpg.connect(self.url(MIGRATED), ssl=False)
            try:
                await migrate(connection)
            finally:
                await connection.close()

        self.create(MIGRATED)
        self._runner.run(bring_up())
        for name, statements in ((KEYLESS, DROP_KEYS), (BARE, DROP_INDEX)):
            self.create(name, MIGRATED)
            for (statement,) in self.ask(name, statements):
                self.ask(name, statement)


@contextlib.contextmanager
def postgres(directory: Path) -> Iterator[Postgres]:
    """A new cluster in *directory*, gone at the end of the block."""
    with asyncio.Runner() as runner:
        server = runner.run(EmbeddedPostgres.open(directory / "postgres"))
        try:
            postmaster = read_postmaster(DataDir(directory / "postgres").data)
            assert postmaster is not None
            opened = Postgres(runner, server.url, postmaster.pid)
            opened.migrate()
            yield opened
        finally:
            runner.run(server.close())


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory on disk that the user of a root's PostgreSQL can pass through."""
    path = Path(tempfile.mkdtemp(prefix="syncd-bench-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Source:
    """The load server, as a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def become(self, state: State) -> None:
        """Serve that state from now on."""
        self._steer("PUT", "/state", state)

    def be_late(self, latency_s: float) -> None:
        """Wait so long before every answer."""
        self._steer("PUT", "/latency", latency_s)

    def requests(self) -> int:
        """How many were answered so far."""
        return int(self._steer("GET", "/stats")["requests"])

    def _steer(self, method: str, path: str, value: object = None) -> Any:
        request = urllib.request.Request(self.url + path, json.dumps(value).encode(), method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return json.loads(answer.read())


@contextlib.contextmanager
def source(shape: Shape) -> Iterator[Source]:
    """A load server of that shape, ended with the block."""
    options = [f"--{name}={value}" for name, value in shape._asdict().items()]
    command = [sys.executable, "-m", "bench.load_server", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Source(process.stdout.readline().strip())
        finally:
            process.kill()


class Command:
    """A command line with its environment. Of the user's environment nothing is passed on but the path."""

    def __init__(self, *arguments: str | Path, environ: Mapping[str, str] | None = None) -> None:
        self.argv = [str(argument) for argument in arguments]
        self.environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **(environ or {})}


def run(pipe: Sequence[Command], directory: Path) -> Cost:
    """Run commands, each one's output into the next one's input, and tell what they cost.

    What the last one prints last is in the file `printed` of *directory* then, the rest in `log`.

    Raises:
        Failed: one of them could not be started, or ended with an error.
    """
    log = directory / "log"
    processes: list[subprocess.Popen[bytes]] = []
    began_s = time.perf_counter()
    with log.open("ab") as said, (directory / "printed").open("wb") as printed, _killed_at_the_end(processes):
        for number, command in enumerate(pipe, 1):
            given = processes[-1].stdout if processes else subprocess.DEVNULL
            process = subprocess.Popen(
                command.argv,
                env={**command.environ, "HOME": str(directory)},
                cwd=directory,
                stdin=given,
                stdout=printed if number == len(pipe) else subprocess.PIPE,
                stderr=said,
            )
            if given is not None and not isinstance(given, int):
                given.close()
            processes.append(process)
        ends = [_wait(process) for process in processes]
    wall_s = time.perf_counter() - began_s
    if any(code for code, _ in ends):
        raise Failed(f"exit codes {[code for code, _ in ends]}\n{log.read_text()[-3000:]}")
    usages = [usage for _, usage in ends]
    return Cost(
        wall_s=wall_s,
        cpu_s=sum(usage.ru_utime + usage.ru_stime for usage in usages),
        peak_mb=sum(usage.ru_maxrss for usage in usages) / 1024,
    )


@contextlib.contextmanager
def reading(readers: int, database: str) -> Iterator[list[dict[str, float]]]:
    """So many readers at work during the block; what they saw is in the list afterwards, if there were any."""
    seen: list[dict[str, float]] = []
    if not readers:
        yield seen
        return
    command = [sys.executable, "-m", "bench.readers", "--database", database, "--readers", str(readers)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield seen
            process.terminate()
            seen.append(json.loads(process.stdout.read()))
        finally:
            process.kill()


@contextlib.contextmanager
def _killed_at_the_end(processes: Sequence["subprocess.Popen[bytes]"]) -> Iterator[None]:
    """Whoever interrupts a benchmark leaves no contestant behind."""
    try:
        yield
    except FileNotFoundError as error:
        raise Failed(str(error)) from None
    finally:
        for process in processes:
            process.kill()


def cpu_s_of(pid: int) -> float:
    """Of a process, of its children that have ended, and of those that have not; 0 where there is no /proc.

    Source: proc(5), `stat`: after the name in brackets the 12th to 15th are utime, stime, cutime and cstime.
    """
    place = Path(f"/proc/{pid}")
    try:
        spent = (place / "stat").read_text().rpartition(")")[2].split()[11:15]
        children = (place / "task" / str(pid) / "children").read_text().split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, spent)) / TICKS_PER_S + sum(map(cpu_s_of, map(int, children)))


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, resource.struct_rusage]:
    """Exit code and usage of a child; `wait4` is the only way to know the usage of one child alone."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage
