"""Durations as people write them: "90s", "5m", "24h", "1h30m", "2d", "500ms", "0s"."""

import re
from datetime import timedelta

EXPECTED = 'a duration in quotes, like "90s", "5m", "1h30m" or "2d"'
_LIMIT = timedelta(days=3650)
_PARTS = re.compile(
    r"(?:(?P<days>[0-9]{1,6})d)?(?:(?P<hours>[0-9]{1,9})h)?(?:(?P<minutes>[0-9]{1,9})m(?!s))?"
    r"(?:(?P<seconds>[0-9]{1,9})s)?(?:(?P<milliseconds>[0-9]{1,9})ms)?"
)


def parse_duration(text: str) -> timedelta:
    """The length of time that *text* names: whole numbers with units, the largest unit first, no blanks.

    Units: d (24 h), h, m, s, ms. A number without a unit is refused, for nobody can tell what it counts.

    Raises:
        ValueError: not such a text, or longer than ten years. The message does not repeat the text.
    """
    match = _PARTS.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"must be {EXPECTED}")
    length = timedelta(**{unit: int(count) for unit, count in match.groupdict().items() if count is not None})
    if length > _LIMIT:
        raise ValueError("must be at most ten years (3650d)")
    return length
