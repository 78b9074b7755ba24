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


def brief(length: timedelta) -> str:
    """*length* for a glance, rounded down: "12 s", "5 min", "3 h 20 min", "4 d 2 h"; the two largest units at most."""
    seconds = max(0, int(length.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return _of_two(days, "d", hours % 24, "h")
    if hours:
        return _of_two(hours, "h", minutes % 60, "min")
    return f"{minutes} min" if minutes else f"{seconds} s"


def _of_two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"
