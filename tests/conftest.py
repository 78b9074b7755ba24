"""Fixtures of all tests, and what all tests are held to."""

import signal

from tests.log_lines import pytest_configure, pytest_runtest_call
from tests.postgres_fixture import cluster, data_dir, database_url, migrated_template, migrated_url

__all__ = [
    "cluster", "data_dir", "database_url", "migrated_template", "migrated_url", "pytest_configure",
    "pytest_runtest_call",
]  # fmt: skip

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells start what they run in the background deaf to Ctrl-C, and the processes of the tests would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
