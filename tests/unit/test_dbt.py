"""The dbt package says of the mirror what the contract says."""

from syncd.postgres.contract import Column, Relation
from tests.bi.sources import SOURCES, described, published

SMALL = """\
sources:
  - name: toggl
    tables:
      - name: gone
      - name: rows
        columns:
          - name: id
            description: What it was.
            data_tests: [unique]
          - name: gone
"""
MADE = """\
sources:
  - name: toggl
    tables:
      - name: rows
        description: 'Rows: all.'
        columns:
          - name: at
            description: When.
          - name: id
            description: Which.
            data_tests: [unique]
"""


def test_sources_of_dbt_are_up_to_date() -> None:
    """Else: make docs."""
    assert described(SOURCES.read_text("utf-8"), published()) == SOURCES.read_text("utf-8")


def test_what_is_new_is_added_and_what_is_gone_goes() -> None:
    """And what was written by hand stays."""
    columns = [Column("at", "date", True, "When.", None), Column("id", "bigint", False, "Which.", None)]
    assert described(SMALL, [Relation("rows", "table", "Rows: all.", ["id"], columns)]) == MADE
