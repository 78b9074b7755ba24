"""One PostgreSQL as a direct child process: who it runs as, how it starts, when it is ready, how it ends.

Theory of operation. `postgres` is our own child, without pg_ctl between, so its exit is seen at once. It is ready when
`postmaster.pid` says so under the child's own number; nothing is guessed from the log. It stops by SIGINT ("fast":
open transactions roll back, a checkpoint is written), and only if that hangs by harder means. The child has a session
of its own, so that a terminal's Ctrl-C reaches the parent alone, which stops its database last. If the parent is
killed, the kernel sends the child its SIGINT (Linux only); elsewhere the next start ends what it finds.
"""

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from syncd.errors import DatabaseUnavailable, DatabaseUnusable
from syncd.postgres.binaries import Binaries

POLL_S = 0.01
# Crash recovery may have gigabytes of log to read; a server that is still at it is not stuck.
START_S = 600.0
# How a server is asked to end, and how many seconds each step may take. 30 s is more than a checkpoint needs.
STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Account:
    """The user that PostgreSQL runs as where syncd runs as root, which PostgreSQL refuses for itself."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What a running server says of itself in `postmaster.pid`. `is_ready`: it takes connections."""

    pid: int
    port: int
    is_ready: bool


def account_for(*places: Path) -> Account | None:
    """Who the server runs as: None for ourselves, else the owner of the first of *places* that is not root's.

    So a data directory stays with its user for ever, even if a user `postgres` appears on the machine later. Where
    root owns them all: `postgres`, else `nobody`.

    Raises:
        DatabaseUnusable: root, and there is nobody to become.
    """
    if os.geteuid() != 0:
        return None
    for place in places:
        with contextlib.suppress(FileNotFoundError):
            owner = place.stat()
            if owner.st_uid != 0:
                return Account(owner.st_uid, owner.st_gid, user_name(owner.st_uid))
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, name)
    raise DatabaseUnusable(
        "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody: "
        "run syncd as an ordinary user, or set [database] url"
    )


def user_name(uid: int) -> str:
    """The name of a user for messages, the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def first_barrier(path: Path, account: Account) -> Path | None:
    """The outermost directory on the way to *path* (and *path* itself) that *account* may not enter, None if it may.

    Judged by mode bits. They are never changed here: opening a parent would open everything else in it.
    """
    real = path.resolve()
    for place in (*reversed(real.parents), real):
        state = place.stat()
        bit = 0o100 if state.st_uid == account.uid else 0o010 if state.st_gid == account.gid else 0o001
        if not state.st_mode & bit:
            return place
    return None


def runs_as(binaries: Binaries, account: Account) -> bool:
    """True if *account* can read the programs and their libraries; blocks for some milliseconds."""
    for name in ("postgres", "initdb"):
        try:
            program = spawn([str(binaries.bindir / name), "--version"], account, output=subprocess.DEVNULL)
        except PermissionError:
            return False
        if program.wait(timeout=30) != 0:
            return False
    return True


def spawn(
    argv: Sequence[str], account: Account | None, *, output: int, death_signal: signal.Signals | None = None
) -> subprocess.Popen[bytes]:
    """Start a program of PostgreSQL as *account*, its output into the file descriptor *output*.

    Call it in the thread that lives as long as the program shall: *death_signal* comes when the forking *thread* ends,
    so a pool's worker would take its server along. The environment is not passed on: it may hold tokens, and PG*
    variables of the user's would change what the server does.

    Raises:
        DatabaseUnusable: root may not become another user here (dropped capabilities).
        PermissionError: *account* may not run the program.
    """
    try:
        return subprocess.Popen(  # noqa: S603  # fixed arguments, no shell
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=_environment(),
            umask=0o077,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=_tie_to_parent(death_signal),  # noqa: PLW1509  # one system call, looked up before the fork
        )
    except PermissionError as error:
        if account is None or error.errno != 1:  # EPERM is about becoming the user, EACCES about the file
            raise
        raise DatabaseUnusable(
            f"this root may not become the user {account.name}, as whom PostgreSQL would run: "
            "run syncd as an ordinary user, or set [database] url"
        ) from error


async def ended(program: subprocess.Popen[bytes], patience_s: float) -> bool:
    """True once *program* has ended, False if it still runs after *patience_s* seconds."""
    return await until(lambda: program.poll() is not None, patience_s)


async def until(condition: Callable[[], bool], patience_s: float) -> bool:
    """Ask *condition* every 10 ms; False if it did not come true within *patience_s* seconds."""
    try:
        async with asyncio.timeout(patience_s):
            while True:
                if condition():
                    return True
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return False


def read_postmaster(data: Path) -> Postmaster | None:
    """What `postmaster.pid` in *data* says; None if there is none or it is still being written.

    Source: PostgreSQL's miscadmin.h, LOCK_FILE_LINE_*: 1 process, 4 port, 8 status, padded with blanks.
    """
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        return Postmaster(abs(int(lines[0])), int(lines[3]), len(lines) > 7 and lines[7].strip() == "ready")
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return None


async def start(
    binaries: Binaries, data: Path, port: int, account: Account | None, *, output: int, settings: Mapping[str, str]
) -> subprocess.Popen[bytes] | None:
    """Start the server on 127.0.0.1:*port* and wait until it takes connections; None if it ended instead.

    A server that a cancelled start leaves is stopped before the cancellation goes on.

    Raises:
        DatabaseUnavailable: it is still not ready after 10 minutes.
    """
    options = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",  # a path limit of 107 bytes and a directory to guard, for nothing TCP cannot do
        "timezone": "UTC",
        "log_timezone": "UTC",
        "wal_compression": "on",  # a page that changes goes into the WAL whole after each checkpoint
        "log_checkpoints": "off",  # else a line every five minutes, for ever, in a log that nobody rotates
        **settings,
    }
    argv = [str(binaries.bindir / "postgres"), "-D", str(data), "-p", str(port)]
    for name, value in options.items():
        argv += ["-c", f"{name}={value}"]
    server = spawn(argv, account, output=output, death_signal=signal.SIGINT)

    def is_decided() -> bool:
        state = read_postmaster(data)
        return server.poll() is not None or (state is not None and state.pid == server.pid and state.is_ready)

    try:
        is_in_time = await until(is_decided, START_S)
    except BaseException:
        await stop(server)
        raise
    if not is_in_time:
        await stop(server)
        raise DatabaseUnavailable(f"PostgreSQL in {data} is still not ready after {START_S:.0f} s")
    return None if server.returncode is not None else server


async def stop(server: subprocess.Popen[bytes]) -> None:
    """End our own server and return when it is gone."""
    for step, patience_s in STOP_STEPS:
        server.send_signal(step)  # does nothing to a process that has ended
        if await ended(server, patience_s):
            return


async def stop_leftover(data: Path) -> None:
    """End a server whose parent died without it. The caller holds the data directory's lock, so nobody uses it.

    A `postmaster.pid` that names a living process which is no PostgreSQL (numbers are used again, in containers
    soon) would keep the next server from starting: it goes. One that names a dead process is PostgreSQL's to judge.

    Raises:
        DatabaseUnavailable: it does not end.
    """
    for step, patience_s in STOP_STEPS:
        running = processes_in(data)
        if not running:
            break
        named = read_postmaster(data)
        for pid in {named.pid} if named and named.pid in running else running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, step)
        if await until(lambda: not processes_in(data), patience_s):
            break
    else:
        raise DatabaseUnavailable(f"a PostgreSQL of an earlier run on {data} does not end: stop it by hand")
    named = read_postmaster(data)
    if named and is_alive(named.pid):
        (data / "postmaster.pid").unlink(missing_ok=True)


def processes_in(data: Path) -> set[int]:
    """Process numbers of the PostgreSQL processes that work in *data*, the server and its children."""
    if not Path("/proc/self/cwd").exists():
        return _named_process(data)
    home = str(data.resolve())
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            # Processes of other users cannot be looked into, nor can one of them be a server on our directory.
            with contextlib.suppress(OSError):
                if str((process / "cwd").readlink()) == home and (process / "comm").read_text().strip() == "postgres":
                    found.add(int(process.name))
    return found


def is_alive(pid: int) -> bool:
    """True if a process of this number exists, whoever it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _named_process(data: Path) -> set[int]:
    """`processes_in` for systems without /proc: the process that `postmaster.pid` names, if it is a server there."""
    named = read_postmaster(data)
    if named is None:
        return set()
    argv = ["ps", "-o", "command=", "-p", str(named.pid)]
    command = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False).stdout  # noqa: S603
    return {named.pid} if f"-D {data} " in command else set()


def _environment() -> dict[str, str]:
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


def _tie_to_parent(death_signal: signal.Signals | None) -> Callable[[], None] | None:
    """What the child does last before it becomes the program: ask for a signal when its parent dies.

    It has to come after the change of user, which clears the wish; `Popen` calls it there.
    """
    if death_signal is None or sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    number, parent = int(death_signal), os.getpid()

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it died in between: the signal will never come
            os._exit(1)

    return in_child
