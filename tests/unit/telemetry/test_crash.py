"""What nobody caught becomes one redacted line on the log's stream, and Python prints nothing of its own."""

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import asyncio, sys, threading, warnings
from syncd.clock import Clock
from syncd.telemetry import crash, logs

log = logs.configure(format={format!r}, stream=sys.stdout, clock=Clock(), run_id="r", instance_id="i")
restore = crash.install(log)
canary = "".join(["can", "ary-", "secret"])     # not to stand in any source line
log.redactor.add_secret(canary)

def fail():
    local = canary
    try:
        raise KeyError(canary)
    except KeyError as cause:
        error = RuntimeError(f"broken: {{canary}}")
        error.add_note(f"note {{canary}}")
        raise error from cause

{body}
"""

THREAD = "thread = threading.Thread(target=fail); thread.start(); thread.join()"
FINALIZER = "class Broken:\n    def __del__(self): fail()\nBroken()"
TASK = """
async def main():
    crash.watch_loop(log, asyncio.get_running_loop())
    task = asyncio.create_task(asyncio.to_thread(fail))
    await asyncio.wait([task])
    del task
asyncio.run(main())
"""
CALLBACK = """
async def main():
    crash.watch_loop(log, asyncio.get_running_loop())
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(0)
asyncio.run(main())
"""


def run(body: str, log_format: str = "json") -> subprocess.CompletedProcess[str]:
    """Run *body* as a program of its own; everything that it says is checked for the planted secret."""
    program = PROGRAM.format(format=log_format, body=body)
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-c", program], check=False, capture_output=True, text=True
    )
    assert "canary-secret" not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("fail()", "the main thread"),
        (THREAD, "a thread"),
        (FINALIZER, "a finalizer"),
        (TASK, "the event loop: Task exception was never retrieved"),
        (CALLBACK, "the event loop: Exception in callback fail()"),
    ],
)
def test_an_error_that_nobody_caught_is_one_line(body: str, where: str) -> None:
    """Wherever it surfaces."""
    done = run(body)
    assert done.stderr == ""
    (line,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (line["event.action"], line["log.level"]) == ("syncd.unhandled.exception", "error")
    assert line["syncd.where"].startswith(where)
    assert (line["error.type"], line["error.message"]) == ("RuntimeError", "broken: ***")
    assert "in fail" in line["error.stack_trace"]
    assert "note ***" in line["error.stack_trace"]
    assert "KeyError" in line["error.stack_trace"]
    assert done.returncode == (1 if body == "fail()" else 0)


def test_a_trace_on_the_console_is_redacted_too() -> None:
    """People copy it into tickets."""
    done = run("fail()", "console")
    assert done.stderr == ""
    assert "RuntimeError: broken: ***" in done.stdout


def test_warnings_are_lines() -> None:
    """Also those that Python itself shows."""
    done = run("import warnings; warnings.simplefilter('always'); warnings.warn(f'careful: {canary}')")
    (line,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (line["event.action"], line["log.logger"]) == ("syncd.log.foreign", "py.warnings")
    assert "careful: ***" in line["message"]


@pytest.mark.parametrize(
    "body", ["raise KeyboardInterrupt", "raise SystemExit(3)", THREAD.replace("target=fail", "target=sys.exit")]
)
def test_an_exit_is_no_error(body: str) -> None:
    """Ctrl-C breaks nothing; and a thread may end itself."""
    done = run(body)
    assert (done.stdout, done.stderr) == ("", "")


def test_everything_can_be_put_back() -> None:
    """For tests, and for programs that use ours as a library."""
    done: Any = run("restore(); canary = 'x'; fail()")
    assert done.stdout == ""
    assert "RuntimeError" in done.stderr
