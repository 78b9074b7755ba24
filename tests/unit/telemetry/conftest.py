"""A log that writes into memory, at an instant that stands still."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from syncd.clock import Clock
from syncd.telemetry import logs
from syncd.telemetry.event import Level
from syncd.telemetry.logs import Format, Log

RUN_ID = "0b8a1c9e-1111-2222-3333-444455556666"


class StoppedClock(Clock):
    """Always the same instant."""

    def now(self) -> datetime:
        """Six seconds and 54 microseconds past."""
        return datetime(2024, 5, 6, 7, 8, 9, 54, tzinfo=UTC)


@dataclass
class Capture:
    """A log and what it wrote."""

    log: Log
    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def text(self) -> str:
        """Everything that was written."""
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Everything that was written, line by line; each must be one JSON object."""
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def capture() -> Iterator[Callable[..., Capture]]:
    """Makes a log into memory; the last one made is in force."""
    made: list[Log] = []

    def capture(
        format: Format = "json",  # noqa: A002 - as the function under test has it
        level: Level = "info",
        *,
        strict: bool = True,
        stream: io.StringIO | None = None,
    ) -> Capture:
        stream = stream or io.StringIO()
        logging.getLogger().handlers.clear()  # pytest's own fail on a record that cannot be formatted
        log = logs.configure(
            format=format,
            level=level,
            stream=stream,
            clock=StoppedClock(),
            run_id=RUN_ID,
            instance_id="host-1",
            strict=strict,
        )
        made.append(log)
        return Capture(log, stream)

    yield capture
    for log in made:
        log.close()
