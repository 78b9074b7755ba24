"""The colours of projects: v8 names one of a palette by its number, v9 writes any as #rrggbb. Pure."""

from functools import lru_cache

# In the order of their numbers. That v8's numbers are these colours is assumed; #0b83d9 is seen in v9 answers.
PALETTE = (
    "#0b83d9", "#9e5bd9", "#d94182", "#e36a00", "#bf7000", "#2da608", "#06a893", "#c9806b",
    "#465bb3", "#990099", "#c7af14", "#566614", "#d92b2b", "#525266", "#991102",
)  # fmt: skip


def hex_of(color: str | None) -> str:
    """A stored colour as v9 writes it; the first of the palette for none and for numbers beyond it."""
    if color is not None and color.startswith("#"):
        return color
    return PALETTE[int(color)] if color is not None and color in _NUMBERS else PALETTE[0]


def knows(number: str) -> bool:
    """Whether the palette has a colour of that number."""
    return number in _NUMBERS


@lru_cache(maxsize=1024)
def id_of(color: str | None) -> str | None:
    """A stored colour as v8 writes it: the number of the palette's nearest to one that was written by v9."""
    if color is None or not color.startswith("#"):
        return color
    wanted = _channels(color)
    return str(min(range(len(PALETTE)), key=lambda nth: _distance(_channels(PALETTE[nth]), wanted)))


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


_NUMBERS = {str(nth) for nth in range(len(PALETTE))}
