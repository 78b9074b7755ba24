"""Fixtures of all tests, and what all tests are held to."""

from tests.log_lines import pytest_configure, pytest_runtest_call
from tests.postgres_fixture import cluster, data_dir, database_url, migrated_template, migrated_url

__all__ = [
    "cluster", "data_dir", "database_url", "migrated_template", "migrated_url", "pytest_configure",
    "pytest_runtest_call",
]  # fmt: skip
