"""A browser for tests that need one. Only `make browser` collects them: it says in $SYNCD_BROWSER where Chromium is."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium

EXECUTABLE = os.environ.get("SYNCD_BROWSER")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """`make test` needs no browser."""
    return True if EXECUTABLE is None and collection_path.name.startswith("test_") else None


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One for all tests. Where it cannot be had, all are reported as skipped, after a line that says so aloud."""
    if not EXECUTABLE:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with Chromium(EXECUTABLE, tmp_path_factory.mktemp("chromium")) as chromium:
        yield chromium
