"""How commands look on a terminal of 80 columns: a progress bar, lines for people, nothing cut off."""

import asyncio
import fcntl
import os
import re
import struct
import sys
import termios

from tests.integration.cli.stage import CANARY_TOKEN
from tests.processes import Syncd, spellings

COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ERASED = "\x1b[2K"


async def on_terminal(syncd: Syncd, *arguments: str) -> tuple[int, list[str]]:
    """Run a command on a terminal: its exit code, and the lines that remain to be seen, in order."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *syncd.program,
        *arguments,
        cwd=syncd.home,
        env=syncd.environment({"TERM": "xterm", "LC_ALL": "C.UTF-8"}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    text = await asyncio.to_thread(_read_all, ours)
    exit_code = await process.wait()
    for secret in syncd.secrets:
        assert not [spelling for spelling in spellings(secret) if spelling in text]
    return exit_code, [COLOURS.sub("", line.rpartition(ERASED)[2]).strip("\r") for line in text.split("\n")]


def _read_all(terminal: int) -> str:
    """What is written to a terminal until its last writer has gone, which Linux tells as an error."""
    pieces = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:
        pass
    finally:
        os.close(terminal)
    return b"".join(pieces).decode()


async def test_progress_bar_makes_way_for_lines(configured: Syncd) -> None:
    """No line of the log runs into the bar, and at the end the bar is gone."""
    configured.configure(tokens={"acme": CANARY_TOKEN, "globex": "canary-7f3b9-wrong"}, log={"level": "debug"})
    exit_code, lines = await on_terminal(configured, "once")
    assert exit_code == 1
    logged = [line for line in lines if re.match(r"\d\d:\d\d:\d\d (info|error) ", line)]
    assert any("pull of acme: changed" in line for line in logged)
    assert any("Toggl rejects the token globex" in line for line in logged)
    assert not [line for line in lines if "pulling" in line and "pull of" in line]
    assert "│ 2 tokens │" in "".join(lines)
    assert "globex: /api/v9/me: HTTP 403; replace the token: the API refuses it" in lines


async def test_status_fits(configured: Syncd) -> None:
    """Every word of it can be read, whole or folded, and instants are not cut."""
    configured.configure(sync={"interval": "5m"})  # or it is late as soon as the machine is
    await configured("once")
    exit_code, lines = await on_terminal(configured, "status")
    assert exit_code == 0
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert re.search(r"│ acme +│ ok +│ \d{4}-\d\d-\d\d ", "\n".join(lines))
