"""Data directories and processes for the tests of the embedded PostgreSQL."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.postgres.embedded_kit import opened
from tests.postgres_fixture import make_reachable_directory


@pytest.fixture(scope="session")
def used_directory() -> Iterator[Path]:
    """A data directory that was used once; to be copied, which is quicker than making one."""
    home = make_reachable_directory()
    path = home / "data"
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(runner.run(opened(path)).close())
    (path / "port").unlink()  # copies must not all want the same
    yield path
    shutil.rmtree(home)


@pytest.fixture
def made_dir(data_dir: Path, used_directory: Path) -> Path:
    """A data directory whose cluster is there and not running; modes and owners as they were made."""
    subprocess.run(["cp", "-a", used_directory, data_dir], check=True)
    return data_dir


@pytest.fixture
def processes() -> Iterator[contextlib.ExitStack]:
    """Other processes that are gone when the test is, however it went."""
    with contextlib.ExitStack() as stack:
        yield stack
