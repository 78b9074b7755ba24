"""A PostgreSQL of syncd's own, for those who have none: one data directory, one server, whoever comes first runs it.

Theory of operation. The process that holds the data directory's lock owns it: it alone makes the cluster, starts the
server, and stops it when it leaves. Everybody else is a guest, who reads port and password from the directory's files;
a short-lived owner waits a while for its guests before it stops the server under them. The daemon wants to be the
owner (`exclusive`): it waits for a command that is about to end, never for another daemon.

A cluster is made under another name and renamed when it is whole, so a death in the middle leaves nothing that looks
like one. A server whose owner was killed stops itself; the next owner waits for that, or ends it.
"""

import asyncio
import errno
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

from syncd.errors import DatabaseUnavailable, DatabaseUnusable
from syncd.postgres import binaries, server
from syncd.postgres.binaries import Binaries
from syncd.postgres.data_dir import DATABASE, ROLE, DataDir, Guest, Owner, lock_holder
from syncd.postgres.server import Account

# How long a daemon waits for a command to leave, and a guest for the owner's server to get ready.
PATIENCE_S = 30.0
# How long a command that started the server lets its guests finish. The daemon does not wait: it has to leave in time.
LINGER_S = 30.0
RETRY_S = 0.05
PORT_ATTEMPTS = 5


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """`/var/lib/syncd` for root, else `syncd` under $XDG_DATA_HOME (if absolute) or `~/.local/share`."""
    if os.geteuid() == 0:
        return Path("/var/lib/syncd")
    base = Path(environ.get("XDG_DATA_HOME", ""))
    if not base.is_absolute():
        base = Path(environ.get("HOME") or Path.home()) / ".local" / "share"
    return base / "syncd"


class EmbeddedPostgres:
    """A running server on a data directory, ours to stop if we `started` it.

    Attributes:
        url: `postgresql://syncd:PASSWORD@127.0.0.1:PORT/syncd`. It holds the password: not for logs.
        started: False for a guest of a server that another process runs and may stop.
    """

    def __init__(
        self,
        url: str,
        home: DataDir,
        hold: Owner | Guest,
        process: subprocess.Popen[bytes] | None,
        settings: Mapping[str, str],
    ) -> None:
        self.url = url
        self._home = home
        self._settings = settings
        self.started = process is not None
        self._hold: Owner | Guest | None = hold
        self._process = process

    @classmethod
    async def open(
        cls, data_dir: Path, *, exclusive: bool = False, settings: Mapping[str, str] | None = None
    ) -> "EmbeddedPostgres":
        """Attach to the server on *data_dir*, or make and start one: 50 ms to 1 s, longer after a crash.

        Call it in a thread that lives as long as the process: the server ends with the thread that forked it.

        Args:
            data_dir: made if missing. For root it must be reachable for the user the server runs as.
            exclusive: the daemon's way: own the server, be nobody's guest.
            settings: more of PostgreSQL's settings, for a server that this call starts; tests give up durability.

        Raises:
            DatabaseUnusable: a person must act: no binaries, another major version, rights, already in use.
            DatabaseUnavailable: the server did not start, or its owner did not get it ready in time.
        """
        home = DataDir(data_dir)
        try:
            home.prepare()
            hold = await _turn(home, exclusive=exclusive)
            try:
                if isinstance(hold, Guest):
                    return cls(home.url(hold.port), home, hold, None, {})
                process, url = await _start(home, settings or {})
                return cls(url, home, hold, process, settings or {})
            except BaseException:
                hold.release()
                raise
        except OSError as error:
            place = error.filename or home.path
            raise DatabaseUnusable(
                f"data directory {home.path}: {error.strerror or type(error).__name__} ({place}): "
                "mend that, or give another [database] data_dir"
            ) from error

    async def revive(self) -> bool:
        """Start our server again, at the same URL, if it has ended by itself; whether it had. Cheap while it runs.

        Raises:
            DatabaseError: it does not start, or its port is taken.
        """
        if self._process is None or self._hold is None or self._process.poll() is None:
            return False
        port = self._home.remembered_port()
        if not _is_free(port):
            raise DatabaseUnavailable(f"PostgreSQL on {self._home.path} ended, and its port {port} is taken")
        self._process, self.url = await _start(self._home, self._settings)
        return True

    async def close(self) -> None:
        """Stop the server if this process started it, and leave the data directory. May be called again."""
        hold, self._hold = self._hold, None
        if hold is None:
            return
        if isinstance(hold, Owner) and self._process is not None:
            try:
                await hold.guests_gone(0.0 if hold.is_daemon else LINGER_S)
            finally:
                await server.stop(self._process)
        hold.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _turn(home: DataDir, *, exclusive: bool) -> Owner | Guest:
    """Become the owner or a guest; wait while another is about to become, or to stop being, the owner."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                owner = Owner.try_become(home, is_daemon=exclusive)
                if owner:
                    return owner
                if exclusive:
                    _refuse_second_daemon(home)
                else:
                    guest = Guest.try_become(home)
                    if guest:
                        return guest
                await asyncio.sleep(RETRY_S)
    except TimeoutError:
        holder = lock_holder(home)
        who = f"process {holder[0]}" if holder else "another process"
        if exclusive:
            raise DatabaseUnusable(_in_use(home, who)) from None
        raise DatabaseUnavailable(
            f"the PostgreSQL that {who} runs on {home.path} is not ready after {PATIENCE_S:.0f} s: "
            f"try again, or see {home.log}"
        ) from None


def _refuse_second_daemon(home: DataDir) -> None:
    holder = lock_holder(home)
    if holder and holder[1]:
        raise DatabaseUnusable(_in_use(home, f"process {holder[0]}"))


def _in_use(home: DataDir, who: str) -> str:
    return (
        f"data directory {home.path} is already in use by {who}: stop it, or give this one another [database] data_dir"
    )


async def _start(home: DataDir, settings: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], str]:
    """From the lock to a server that takes connections: (its process, its URL)."""
    found = await asyncio.to_thread(binaries.find, os.environ)
    home.refuse_other_major(found.major)
    account = server.account_for(home.data, home.path)
    if account:
        found = await asyncio.to_thread(_made_reachable, found, account, home)
    await server.stop_leftover(home.data)
    await asyncio.to_thread(home.sweep)
    if not home.cluster.exists():
        await _make_cluster(home, found, account, is_durable=settings.get("fsync") != "off")
    process, port = await _serve(home, found, account, settings)
    try:
        url = home.url(port)
        await _ensure_database(url, home)
    except BaseException:
        await server.stop(process)
        raise
    return process, url


def _made_reachable(found: Binaries, account: Account, home: DataDir) -> Binaries:
    """Programs that *account* can run, for a data directory that it can enter."""
    barrier = server.first_barrier(home.path, account)
    if barrier:
        raise DatabaseUnusable(
            f"PostgreSQL would run as the user {account.name}, who may not enter {barrier}: give a [database] data_dir "
            "that this user can reach, such as /var/lib/syncd, or run syncd as an ordinary user"
        )
    if server.runs_as(found, account):
        return found
    if found.bundle is None:
        raise DatabaseUnusable(
            f"PostgreSQL would run as the user {account.name}, who may not run {found.bindir}/postgres: "
            "set SYNCD_PG_BINDIR to one that this user can, or run syncd as an ordinary user"
        )
    return binaries.copied_beside(found, home.path)


async def _make_cluster(home: DataDir, found: Binaries, account: Account | None, *, is_durable: bool) -> None:
    """A new cluster with a new password, under its final name only when it is whole."""
    if account is None:
        _refuse_nameless_user()
    new = home.path / f"cluster-new-{secrets.token_hex(4)}"
    log = home.open_log()
    try:
        _write_password(new, account)
        argv = _initdb_arguments(found, new, is_durable=is_durable)
        # SIGTERM makes initdb clean up after itself if we are killed meanwhile.
        program = server.spawn(argv, account, output=log, death_signal=signal.SIGTERM)
        try:
            await server.ended(program, server.START_S)
        finally:
            program.kill()  # only one that was cancelled or hangs is still there
            program.wait()
        if program.returncode != 0:
            raise DatabaseUnusable(f"initdb could not make a cluster in {home.path}: its reason is in {home.log}")
        new.rename(home.cluster)
        _sync_directory(home.path)
    finally:
        os.close(log)
        shutil.rmtree(new, ignore_errors=True)


def _initdb_arguments(found: Binaries, new: Path, *, is_durable: bool) -> list[str]:
    """The C.UTF-8 of 17 and later is built in: the same on every system, whatever locales it has."""
    argv = [str(found.bindir / "initdb"), "-D", str(new / "data"), "-U", ROLE, "--auth=scram-sha-256"]
    argv += [f"--pwfile={new / 'password'}", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"]
    if found.major >= 17:
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return argv if is_durable else [*argv, "--no-sync"]


def _write_password(new: Path, account: Account | None) -> None:
    """Make *new* with a random password in it, both for the server's user alone."""
    new.mkdir(mode=0o700)
    descriptor = os.open(new / "password", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(24) + "\n")
        file.flush()
        os.fsync(descriptor)
    if account:
        for path in (new / "password", new):
            os.chown(path, account.uid, account.gid)
    _sync_directory(new)


def _refuse_nameless_user() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise DatabaseUnusable(
            f"the user id {os.geteuid()} has no name on this machine, which initdb insists on: "
            "add it to /etc/passwd, run as another user, or set [database] url"
        ) from None


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _serve(
    home: DataDir, found: Binaries, account: Account | None, settings: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    """The server and its port: the one of last time if it is free, else any.

    A free port may be taken between our look and the server's, hence the attempts.
    """
    port = home.remembered_port()
    for _ in range(PORT_ATTEMPTS):
        if not _is_free(port):
            port = _free_port()
        log = home.open_log()
        try:
            process = await server.start(found, home.data, port, account, output=log, settings=settings)
        finally:
            os.close(log)
        if process:
            home.remember_port(port)
            return process, port
        if _is_free(port):
            break
    raise DatabaseUnavailable(f"PostgreSQL did not start on {home.path}: its reason is in {home.log}")


def _is_free(port: int) -> bool:
    """True if a server could listen on 127.0.0.1:*port*; the same socket option as PostgreSQL's."""
    if port == 0:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL}:
                return False
            raise
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def _ensure_database(url: str, home: DataDir) -> None:
    """Connect once, as proof that password and server belong together; make the database if it is not there yet."""
    try:
        try:
            connection = await asyncpg.connect(url, ssl=False, timeout=30)
        except asyncpg.InvalidCatalogNameError:
            connection = await asyncpg.connect(url, database="postgres", ssl=False, timeout=30)
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        await connection.close()
    except asyncpg.InvalidPasswordError as error:
        raise DatabaseUnusable(
            f"{home.cluster}/password is not the password of this cluster: restore it, "
            "or give another [database] data_dir"
        ) from error
    except (asyncpg.PostgresError, OSError) as error:
        raise DatabaseUnavailable(f"PostgreSQL on {home.path} does not take connections: see {home.log}") from error
