"""Another process that opens a data directory: `python owner_process.py DATA_DIR daemon|command [TWIST]…`.

Prints "PID STARTED URL" when the server is ready, or "error: …", and closes when its standard input ends.
A TWIST is what is special about this process. "initdb": killed while initdb runs. "untied": the kernel does not tell
the server of our death, as on systems without that service. "user=NAME": root becomes this user, after all imports, so
that it works with an interpreter under root's home, too.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401  # else imported on first use, too late for "user=NAME"
import os
import pwd
import signal
import sys
from pathlib import Path

from syncd.errors import DatabaseError
from syncd.postgres import server
from syncd.postgres.embedded import EmbeddedPostgres


async def main(data_dir: Path, kind: str, twists: list[str]) -> None:
    """One life of the process."""
    for twist in twists:
        if twist == "initdb":
            server.ended = die  # type: ignore[assignment]
        if twist == "untied":
            server._tie_to_parent = lambda death_signal: None
        if twist.startswith("user="):
            become(twist.removeprefix("user="))
    try:
        postgres = await EmbeddedPostgres.open(data_dir, exclusive=kind == "daemon", settings={"fsync": "off"})
    except DatabaseError as error:
        print(f"error: {error}", flush=True)
        return
    print(os.getpid(), postgres.started, postgres.url, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await postgres.close()


def become(name: str) -> None:
    """Drop all privileges for good."""
    entry = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


async def die(*_: object) -> bool:
    """As a machine that is switched off."""
    os.kill(os.getpid(), signal.SIGKILL)
    return False


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a daemon has plans of its own for it
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
