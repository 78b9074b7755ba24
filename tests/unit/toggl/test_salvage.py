"""Rows are found where the list around them is whole, and nowhere else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.toggl.salvage import LIMIT_BYTES, split_rows

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.lists(values, min_size=1, max_size=6), st.sampled_from([b"", b" ", b"\r\n\t"]))
def test_rows_of_proper_lists_are_found_as_they_stand(rows: list[object], space: bytes) -> None:
    encoded = [msgspec.json.encode(row) for row in rows]
    body = space + b"[" + space + (space + b"," + space).join(encoded) + space + b"]" + space
    assert split_rows(body) == encoded


@given(st.lists(st.dictionaries(st.text(), values, min_size=1), min_size=1, max_size=4), st.data())
def test_a_list_that_is_cut_is_no_list(rows: list[object], data: st.DataObject) -> None:
    """Wherever it is cut: a part must never pass for the whole."""
    body = msgspec.json.encode(rows)
    assert split_rows(body[: data.draw(st.integers(0, len(body) - 1))]) is None


def test_an_unreadable_row_does_not_hide_its_neighbours() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    for odd in (b"NaN", b'{"a":-Infinity}', b"{]}"[:1] + b'"a":nonsense}', deep):
        assert split_rows(b'[{"a":1},' + odd + b',{"b":"],\\"["}]') == [b'{"a":1}', odd, b'{"b":"],\\"["}']


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"]", b"[]", b"[1,]", b"[,1]", b"[1,,2]", b"[1][2]", b"[1]]", b"[[1]", b"[{]}]", b'["]', b'{"a":[1]}',
     b"<html>", b"[1]x", b"[" + b"1," * LIMIT_BYTES + b"1]"],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_what_is_no_list(body: bytes) -> None:
    assert split_rows(body) is None
