"""The emulator as a process of its own, as a user starts it."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STOPPED_WITHIN_S = 15


@dataclass(frozen=True, slots=True)
class Emulated:
    """What the emulator announced. `proxy` and `ca_file` are "" unless it was started as a proxy."""

    url: str
    token: str
    workspace: int
    proxy: str
    ca_file: str

    def surroundings(self) -> dict[str, str]:
        """The variables that lead a program with a fixed URL to the emulator, and have it trust its CA."""
        trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), self.ca_file)
        return {"HTTPS_PROXY": self.proxy, "https_proxy": self.proxy, **trust}

    def control(self, method: str, path: str, body: object = None) -> Any:
        """A call on the control plane: `control("GET", "log")`. Raises urllib.error.HTTPError if it is refused."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_emulator/{path}", data=data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request) as answer:
            return json.loads(answer.read() or b"null")


@contextlib.contextmanager
def emulated(directory: Path, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Emulated]:
    """`syncd emulate` with `options`, stopped at the end; what it says on stderr goes to emulator.log in `directory`.

    `env` is added to the environment.

    Raises RuntimeError with the end of that log if it does not come up.
    """
    log = directory / "emulator.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "syncd", "emulate", "--json", *options],
            env=os.environ | dict(env or {}),
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the emulator did not start: {log.read_text()[-500:]}")
        yield _read(json.loads(line))
    finally:
        process.terminate()
        process.wait(STOPPED_WITHIN_S)
        if process.stdout is not None:
            process.stdout.close()


def _read(facts: dict[str, Any]) -> Emulated:
    first = facts["tokens"][0]
    proxied = facts.get("proxy", ""), facts.get("ca_file", "")
    return Emulated(facts["url"], first["token"], first["workspaces"][0], *proxied)
