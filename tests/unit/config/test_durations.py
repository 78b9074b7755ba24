"""Durations as people write them."""

from datetime import timedelta

import pytest

from syncd.durations import brief, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("24h", timedelta(hours=24)),
        ("2d", timedelta(days=2)),
        ("0s", timedelta(0)),
        ("500ms", timedelta(milliseconds=500)),
        ("1h30m", timedelta(minutes=90)),
        ("1d2h3m4s5ms", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
        ("3m5ms", timedelta(minutes=3, milliseconds=5)),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, expected: timedelta) -> None:
    """Numbers with units, the largest first."""
    assert expected == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    ["", "5", "m", "5 m", " 5m", "5m\n", "-5m", "+5m", "5M", "5min", "30m1h", "5m5m", "1.5h", "1m30", "٣m", "P1D"],
)  # fmt: skip
def test_anything_else_is_refused_with_examples(text: str) -> None:
    """Nobody has to guess what a bare number or another order means."""
    with pytest.raises(ValueError, match=r'^must be a duration in quotes, like "90s"'):
        parse_duration(text)


@pytest.mark.parametrize("text", ["3651d", "999999d999999999h", "999999999h"])
def test_a_duration_of_more_than_ten_years_is_refused(text: str) -> None:
    """A slip of the finger; and sums of instants must stay within what a calendar holds."""
    with pytest.raises(ValueError, match="ten years"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (5460, "1 h 31 min"),
        (86399, "23 h 59 min"), (86400, "1 d"), (86400 + 7200, "1 d 2 h"), (400 * 86400 + 59, "400 d"),
    ],
)  # fmt: skip
def test_a_length_for_a_glance(seconds: float, words: str) -> None:
    """The two largest units, rounded down."""
    assert brief(timedelta(seconds=seconds)) == words
