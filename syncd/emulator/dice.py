"""Chance with a seed: the same seed gives the same world on every machine and every version of Python."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")

_MASK = 2**64 - 1


class Rng(Protocol):
    """The part of `random.Random` that the emulator asks for."""

    def randrange(self, stop: int, /) -> int:
        """An integer in [0, stop)."""
        ...


class Dice:
    """splitmix64 (Steele, Lea, Flood 2014). Good enough for made-up rows, and for nothing else."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def randrange(self, stop: int, /) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return (mixed ^ (mixed >> 31)) % stop


def pick(rng: Rng, choices: Sequence[T]) -> T:
    """One of `choices`, which are not empty."""
    return choices[rng.randrange(len(choices))]
