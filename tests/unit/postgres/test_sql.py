"""A file of SQL, taken apart into its statements."""

import pytest

from syncd.postgres.sql import migrations, statements


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("SELECT 1; SELECT 2;\n", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1", ["SELECT 1"]),
        ("-- one; and the same\nSELECT 1;", ["-- one; and the same\nSELECT 1"]),
        ("SELECT 'a;b', 'it''s; so', \"c;d\"; SELECT 2", ["SELECT 'a;b', 'it''s; so', \"c;d\"", "SELECT 2"]),
        ("DO $x$ BEGIN; $$ ; $$; END $x$; SELECT $1;", ["DO $x$ BEGIN; $$ ; $$; END $x$", "SELECT $1"]),
        ("SELECT 1 - 2; -- it's done", ["SELECT 1 - 2", "-- it's done"]),
        ("  \n", []),
    ],
    ids=["two", "no semicolon", "comment", "quotes", "dollar quotes", "a lone quote in a comment", "nothing"],
)
def test_a_semicolon_ends_a_statement_unless_it_is_quoted(text: str, parts: list[str]) -> None:
    """In text, names, bodies of functions and comments it does not."""
    assert statements(text) == parts


def test_nothing_of_a_migration_is_lost() -> None:
    """But semicolons and the white space around them."""
    for migration in migrations():
        squeezed = ["".join(text.split()) for text in (migration.text, *statements(migration.text))]
        assert squeezed[0].replace(";", "") == "".join(squeezed[1:]).replace(";", "")
