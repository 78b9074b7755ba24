"""What an event is. Those that there are stand in `events`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from syncd.telemetry.fields import FIELDS, Field

Level = Literal["debug", "info", "warning", "error", "fatal"]
_PLACEHOLDER = re.compile(r"\{([a-z_.]+)\}")
_OPTIONAL = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of line.

    text: its message, with {field} for values; what stands in [brackets] is left out where a value is missing.
    fields: the names it may have beyond those that every line has.
    """

    name: str
    level: Level
    text: str
    meaning: str
    on_call: str
    fields: frozenset[str]

    def message(self, values: Mapping[str, object]) -> str:
        """The text with its values."""

        def optional(part: re.Match[str]) -> str:
            return part[1] if all(values.get(name) is not None for name in _PLACEHOLDER.findall(part[1])) else ""

        return _PLACEHOLDER.sub(lambda match: _shown(values.get(match[1], "?")), _OPTIONAL.sub(optional, self.text))


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class NotInCatalogue(ValueError):
    """A line that the catalogue does not know. A mistake in the program, never of its surroundings."""


DEFINED: dict[str, Event] = {}
"""Every event, by name, as soon as the module that defines it is loaded; to be read as `events.CATALOGUE`."""


def define(name: str, level: Level, text: str, meaning: str, on_call: str, fields: Iterable[Field | str] = ()) -> Event:
    """A new event of the catalogue, with fields out of `fields`."""
    names = frozenset(FIELDS[field].name if isinstance(field, str) else field.name for field in fields)
    DEFINED[name] = Event(name, level, text, meaning, on_call, names)
    return DEFINED[name]
