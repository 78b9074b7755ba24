"""syncd's commands as processes: what they say, when they say it, and the promises that hold for all of them.

Whatever a test is about, each of its processes is held to this: what it logs are events of the catalogue, numbered
without a gap; the rest of stderr is one-line messages; nothing anywhere is a traceback, a stray exception, or a
secret in any spelling.

    syncd = Syncd(directory, secrets)
    outcome = await syncd("once", "--json")                     # runs to its end
    async with syncd.running("run") as daemon:                  # killed at the end, if it is still there
        await daemon.event("syncd.pull.finish")                 # waits for a line, not for a time
        assert (await daemon.stop(signal.SIGTERM)).exit_code == 0
"""

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

import syncd
from tests.log_lines import fault_in

T = TypeVar("T")

PATIENCE_S = 60.0
"""Bounds what would else hang for ever; a test that passes never waits that long."""

OURS = Path(syncd.__file__).resolve().parents[1]
"""Where this syncd lies: processes run the code that is under test, whatever is installed."""

LINE_LIMIT_BYTES = 1 << 20
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYNCD_PG_BINDIR", "LANG")
"""What a process keeps of the tester's environment; most of all none of the tester's settings and tokens."""


SURPRISES = ("syncd.unhandled.exception", "syncd.log.foreign")
"""Events that stand for a mistake of syncd, or for a library that speaks where syncd should have."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A process that has ended. `exit_code` is negative if a signal ended it."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def answer(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.stdout)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log, on whichever stream it is."""
        return [*events_in(self.stdout), *events_in(self.stderr)]

    @property
    def messages(self) -> list[str]:
        """The lines of stderr that are no log; an empty one, such as follows a Ctrl-C, says nothing."""
        return [line for line in self.stderr.splitlines() if line and not _is_event(line)]

    @property
    def names(self) -> list[str]:
        """The names of the events, in order."""
        return [event["event.action"] for event in self.events]

    def event(self, name: str) -> dict[str, Any]:
        """The only event of that name."""
        (found,) = [event for event in self.events if event["event.action"] == name]
        return found

    def pull(self) -> dict[str, Any]:
        """The canonical line of the only pull."""
        return self.event("syncd.pull.finish")


class Process:
    """A process that runs. Lines are read as they come, so that it never waits for us."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdout: list[str] = []
        self._stderr: list[str] = []
        self._news = asyncio.Event()
        self._unread_events = 0
        self._readers = [
            asyncio.create_task(self._collect(process.stdout, self._stdout)),
            asyncio.create_task(self._collect(process.stderr, self._stderr)),
        ]

    @property
    def pid(self) -> int:
        return self._process.pid

    async def line(self, start: str = "") -> str:
        """The first line of stdout that begins with *start*."""
        return await self._wait(lambda: next((line for line in self._stdout if line.startswith(start)), None))

    async def event(self, name: str, fields: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The next event of that name with these fields; the ones before it are passed over for good."""
        wanted = {"event.action": name, **(fields or {})}

        def find() -> dict[str, Any] | None:
            events = self.events
            for event in events[self._unread_events :]:
                self._unread_events += 1
                if wanted.items() <= event.items():
                    return event
            return None

        return await self._wait(find)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in [*self._stdout, *self._stderr] if _is_event(line)]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        self._process.send_signal(number)

    async def stop(self, number: signal.Signals) -> Outcome:
        """Send a signal and wait for the end."""
        self.send(number)
        return await self.ended()

    async def ended(self) -> Outcome:
        """Wait for the end, and for the end of both streams."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*self._readers)
            exit_code = await self._process.wait()
        return Outcome(exit_code, "".join(self._stdout), "".join(self._stderr))

    async def kill(self) -> Outcome:
        """End it without a chance to clean up, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        return await self.ended()

    async def _collect(self, stream: asyncio.StreamReader, lines: list[str]) -> None:
        while line := await stream.readline():
            lines.append(line.decode())
            self._news.set()
        self._news.set()

    async def _wait(self, find: Callable[[], T | None]) -> T:
        """Ask *find* after every line, until it finds something."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                is_over = all(reader.done() for reader in self._readers)
                self._news.clear()
                found = find()
                if found is not None:
                    return found
                if is_over:
                    raise AssertionError("it ended too early:\n" + "".join(self._stdout + self._stderr))
                await self._news.wait()


@dataclass
class Syncd:
    """Runs `python -m syncd` in a directory of its own, which is its home, too, in an environment of its own.

    Attributes:
        home: where it runs; `config.toml` there is the configuration.
        secrets: what must not be in any output, unless a process is started as `tells_secrets`.
        environ: what is added to the environment.
        program: what Python is told to run.
    """

    home: Path
    secrets: Sequence[str]
    environ: dict[str, str] = field(default_factory=dict)
    program: Sequence[str] = ("-m", "syncd")
    _tables: dict[str, Mapping[str, object]] = field(default_factory=dict)
    _tokens: Sequence[Mapping[str, object]] = ()

    async def __call__(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Outcome:
        """Run a command to its end."""
        async with self.running(*arguments, environ=environ) as process:
            return await process.ended()

    @asynccontextmanager
    async def running(
        self, *arguments: str, environ: Mapping[str, str] | None = None, tells_secrets: bool = False
    ) -> AsyncIterator[Process]:
        """Start a command. At the end of the block it is killed, if need be, and its output is judged."""
        process = Process(
            await asyncio.create_subprocess_exec(
                sys.executable,
                *self.program,
                *arguments,
                cwd=self.home,
                env=self.environment(environ or {}),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                limit=LINE_LIMIT_BYTES,
            )
        )
        try:
            yield process
        finally:
            outcome = await process.kill()
        judge(outcome, () if tells_secrets else self.secrets)

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of a process."""
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {**kept, "HOME": str(self.home), "PYTHONPATH": str(OURS), **self.environ, **more}

    def configure(
        self,
        *,
        tokens: Mapping[str, str] | Sequence[Mapping[str, object]] | None = None,
        **tables: Mapping[str, object],
    ) -> None:
        """Write `config.toml`; called again, change the keys given and keep the rest.

        Tokens are name -> secret, which is then in the environment, or [[tokens]] as they are.
        """
        for name, keys in tables.items():
            self._tables[name] = {**self._tables.get(name, {}), **keys}
        if isinstance(tokens, Mapping):
            variables = {name: f"TOKEN_OF_{name.upper()}" for name in tokens}
            self.environ |= {variables[name]: secret for name, secret in tokens.items()}
            tokens = [{"name": name, "token_env": variable} for name, variable in variables.items()]
        self._tokens = self._tokens if tokens is None else tokens
        lines = [line for name, table in self._tables.items() for line in _toml(f"[{name}]", table)]
        lines += [line for token in self._tokens for line in _toml("[[tokens]]", token)]
        (self.home / "config.toml").write_text("\n".join(lines) + "\n")


def _toml(heading: str, table: Mapping[str, object]) -> Iterator[str]:
    """A table in TOML, which writes texts, numbers and booleans as JSON does."""
    yield heading
    yield from (f"{key} = {json.dumps(value)}" for key, value in table.items())


async def together(*runs: Coroutine[Any, Any, T]) -> list[T]:
    """What they return, in their order; if one fails, the others end before the failure is told."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run) for run in runs]
    return [task.result() for task in tasks]


async def eventually(question: Callable[[], Awaitable[bool]]) -> None:
    """Return once the answer is yes. For what tells nobody when it happens; everything else is waited for."""
    async with asyncio.timeout(PATIENCE_S):
        while not await question():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def judge(outcome: Outcome, secrets: Sequence[str]) -> None:
    """Raise AssertionError if an ended process broke a promise that all commands give."""
    whole = outcome.stdout + outcome.stderr
    assert "Traceback" not in whole, whole
    for secret in secrets:
        for spelling in spellings(secret):
            assert spelling not in whole, f"a secret, as {spelling}, in:\n{whole}"
    for message in outcome.messages:
        assert message.startswith("syncd: "), f"neither log nor message: {message}"
    for log in (events_in(outcome.stdout), events_in(outcome.stderr)):
        for event in log:
            assert fault_in(event) is None, fault_in(event)
        assert [event["event.sequence"] for event in log] == list(range(1, len(log) + 1))
        surprises = [event for event in log if event["event.action"] in SURPRISES]
        assert not surprises, surprises


def events_in(text: str) -> list[dict[str, Any]]:
    """The log lines among the lines of a text."""
    return [json.loads(line) for line in text.splitlines() if _is_event(line)]


def _is_event(line: str) -> bool:
    return line.startswith('{"@timestamp"')


def spellings(secret: str) -> set[str]:
    """How a secret may look in a text: as it is, for URLs, in JSON; each of these in hex, and in base64 at any place.

    Base64 writes three bytes as four characters, so a text inside another has one of three looks, but for the
    characters at its edges, which its neighbours have a part in.
    """
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    for raw in [spelling.encode() for spelling in found]:
        found.add(raw.hex())
        for shift in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                text = encode(b"\0" * shift + raw).decode().rstrip("=")
                found.add(text[-(-8 * shift // 6) : 8 * (shift + len(raw)) // 6])
    return found
