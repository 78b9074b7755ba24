"""Fixtures of all tests."""

from tests.postgres_fixture import cluster, data_dir, database_url, migrated_template, migrated_url

__all__ = ["cluster", "data_dir", "database_url", "migrated_template", "migrated_url"]
