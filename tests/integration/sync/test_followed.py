"""docs/follow-one-client.md walks the code as it is."""

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import aiohttp
import pytest

from syncd.clock import Clock
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.service.reporting import Reporter
from syncd.service.runtime import Runtime
from syncd.sync.pull import Subject
from syncd.telemetry import logs
from syncd.toggl import v9
from tests.docs.pages import ROOT, blocks, named_blocks, read
from tests.integration.sync.conftest import Mirror, mirror_of

PAGE = "docs/follow-one-client.md"
STEPS: list[tuple[str, str]] = re.findall(r"\[`([\w/.]+)`\]\(\.\./\1\)\s+`([\w.]+)`", read(PAGE))
SQL = named_blocks(PAGE, "sql")
LINES = blocks(PAGE, "json")
STARTUP = 1239456


@contextmanager
def followed() -> Iterator[list[tuple[str, str]]]:
    """Every function of syncd that is called, as (file, qualified name), in the order of their first calls."""
    calls: dict[tuple[str, str], None] = {}
    home = f"{ROOT}/"

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(f"{home}syncd/"):
            calls.setdefault((frame.f_code.co_filename.removeprefix(home), frame.f_code.co_qualname))

    found: list[tuple[str, str]] = []
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(before)
        found += calls


@pytest.fixture
async def mirror(database: Database, session: aiohttp.ClientSession, emulator: Emulator, world: World) -> Mirror:
    return await mirror_of(database, session, emulator.url, dict(world.tokens), v9.DIALECT)


def test_every_query_is_where_the_page_says() -> None:
    """By its name, in its file."""
    queries = [step for step in STEPS if step[0].endswith(".sql")]
    assert queries
    assert [step for step in queries if f"-- name: {step[1]}\n" not in (ROOT / step[0]).read_text("utf-8")] == []


async def test_one_client_goes_the_way_that_the_page_tells(mirror: Mirror, world: World) -> None:
    """Renamed at Toggl, then pulled: every function is called, in this order, and ends in the line and rows shown."""
    stream = io.StringIO()
    log = logs.configure(format="json", level="info", stream=stream, clock=Clock(), run_id="r", instance_id="i")
    subjects = {name: Subject(name, secret) for name, secret in mirror.tokens.items()}
    runtime = Runtime(mirror.database, mirror.registry, mirror.puller, Reporter(log, Clock()), subjects)
    await runtime.pull("t0")
    world.update_client(STARTUP, name="Small Startup Ltd")
    with followed() as calls:
        await runtime.pull("t0")
    log.close()
    functions = [step for step in STEPS if step[0].endswith(".py")]
    assert functions == [call for call in calls if call in functions]
    shown, line = json.loads(LINES[-1]), json.loads(stream.getvalue().splitlines()[-1])
    assert shown == {name: line[name] for name in shown}
    assert await mirror.rows(SQL["current"]) == [(STARTUP, "Small Startup Ltd")]
    assert [_row(*row) for row in await mirror.rows(SQL["history"])] == re.findall(
        r"^\| Small.*$", read(PAGE), re.MULTILINE
    )


def _row(name: str, change_kind: str, end_kind: str | None, is_current: bool) -> str:
    """As the page shows it."""
    return f"| {name} | {change_kind} | {end_kind or ''} | {str(is_current).lower()} |"
