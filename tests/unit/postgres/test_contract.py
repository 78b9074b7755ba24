"""Which changes of the contract break somebody's report."""

import xml.etree.ElementTree as ET

import msgspec
import pytest

from syncd.postgres.contract import Column, Relation, breaches
from syncd.postgres.reference import key, page, picture, words

ID = Column("id", "bigint", False, "Id of it. API: id.")
NAME = Column("name", "text", True, "Name of it. NULL: a stub. API: name.")
PARENT = Column("parent_id", "bigint", True, "Its parent. NULL: none.", references="parents")
THINGS = Relation("things", "table", "One row per thing.", ["id"], [ID, NAME, PARENT])
VIEW = Relation("things_history", "view", "One row per version. Key: id, at.", [], [ID, NAME])


def changed(relation: Relation, **changes: object) -> list[Relation]:
    """The relation alone, with something else about it."""
    return [msgspec.structs.replace(relation, **changes)]


def with_column(column: Column, **changes: object) -> list[Relation]:
    """The table, one of whose columns is another."""
    other = msgspec.structs.replace(column, **changes)
    return changed(THINGS, columns=[other if old == column else old for old in THINGS.columns])


@pytest.mark.parametrize(
    "found",
    [
        [THINGS, VIEW],
        changed(THINGS, columns=[*THINGS.columns, Column("added", "date", True, "")]),
        changed(THINGS, comment="Better words."),
        with_column(NAME, comment="Better words.", nullable=False, references="names"),
    ],
    ids=["a relation", "a column at the end", "words", "a stricter column"],
)
def test_what_only_adds_breaks_nothing(found: list[Relation]) -> None:
    """Reports go on as before."""
    assert breaches([THINGS], found) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([VIEW], "toggl.things is gone"),
        (changed(THINGS, kind="view"), "toggl.things was a table and is a view"),
        (changed(THINGS, primary_key=[]), "toggl.things has another primary key"),
        (changed(THINGS, columns=[ID, PARENT]), "toggl.things.name is gone"),
        (changed(THINGS, columns=[NAME, ID, PARENT]), "toggl.things has new columns before its old ones"),
        (with_column(ID, type="text"), "toggl.things.id was bigint and is text"),
        (with_column(ID, nullable=True), "toggl.things.id may be NULL now"),
        (with_column(PARENT, references=None), "toggl.things.parent_id no longer references parents"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_report_would_miss_is_told(found: list[Relation], said: str) -> None:
    """In one sentence."""
    assert breaches([THINGS], found) == [said]


def test_a_renamed_column_is_one_that_is_gone() -> None:
    """Whatever it is called now."""
    assert breaches([THINGS], with_column(NAME, name="title")) == ["toggl.things.name is gone"]


@pytest.mark.parametrize(
    ("comment", "read"),
    [
        ("Just this.", ("Just this.", None, None)),
        ("That. API: cid (v8), client_id (v9).", ("That.", None, "cid (v8), client_id (v9)")),
        ("That. NULL: live; x.y = 0 there.", ("That.", "live; x.y = 0 there", None)),
        ("It. More of it. NULL: none. API: at.", ("It. More of it.", "none", "at")),
    ],
)
def test_a_comment_is_read_by_its_parts(comment: str, read: tuple[str, str | None, str | None]) -> None:
    """Meaning, when NULL, the API's name."""
    assert words(Column("x", "text", True, comment)) == read


def test_the_key_of_a_view_is_what_its_comment_says() -> None:
    """A view has none of its own."""
    assert (key(THINGS), key(VIEW)) == (["id"], ["id", "at"])


def test_the_page_shows_columns_and_keys() -> None:
    """And escapes what would break a table."""
    odd = Column("odd", "text", False, "Left | right.")
    text = page([THINGS, msgspec.structs.replace(VIEW, columns=[*VIEW.columns, odd])])
    for expected in (
        "| [`things`](#things) | table | One row per thing |",
        "| `id` (key) | bigint | Id of it. | never | id |",
        "| `parent_id` (→ [`parents`](#parents)) | bigint | Its parent. | none |  |",
        "| `odd` | text | Left &#124; right. | never |  |",
        '<img src="images/schema.svg"',
    ):
        assert expected in text


def test_the_picture_joins_children_to_parents_and_views_to_their_tables() -> None:
    """Each end says how many rows it may have."""
    parents = Relation("parents", "table", None, ["id"], [ID])
    lines = [line for line in ET.fromstring(picture([parents, THINGS, VIEW])).iter() if "marker-end" in line.attrib]
    assert [(line.attrib["class"], line.attrib["marker-start"], line.attrib["marker-end"]) for line in lines] == [
        ("line solid", "url(#none-or-one)", "url(#none-or-many)"),
        ("line dotted", "url(#one)", "url(#none-or-many)"),
    ]
