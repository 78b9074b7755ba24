"""Many records in little room: what a large account costs between its first page and its transaction."""

import zlib
from collections.abc import Iterator, Mapping, MutableMapping

import msgspec

from syncd.records import R

BLOCK = 2_500
"""Records that are packed, and taken out again, together: about 3 MB while they are unpacked."""

SMALL_BLOCK = 500
"""The same, of what comes page by page: many pulls at once hold what has come so far while they wait for the next."""


class Packed(MutableMapping[int, R]):
    """Records of one resource by id; the latest few at hand, the rest compressed to a twentieth of their size.

    Made to be filled, and then read in the order in which it was filled: that unpacks every block once. Reading at
    random costs a block each time.
    """

    def __init__(self, records: Mapping[int, R], block: int = BLOCK) -> None:
        """Start with at least one record, whose type is that of all."""
        self._block_size = block
        self._type = type(next(iter(records.values())))
        self._open: dict[int, R] = {}
        self._blocks: list[bytes] = []
        self._places: dict[int, int] = {}
        self._unpacked: tuple[int, Mapping[int, R]] = (-1, {})
        self.update(records)

    def __getitem__(self, id_: int) -> R:
        return self._open[id_] if id_ in self._open else self._block(self._places[id_])[id_]

    def __setitem__(self, id_: int, record: R) -> None:
        self._places.pop(id_, None)
        self._open[id_] = record
        if len(self._open) >= self._block_size:
            self._pack()

    def __delitem__(self, id_: int) -> None:
        del (self._open if id_ in self._open else self._places)[id_]

    def __contains__(self, id_: object) -> bool:
        return id_ in self._open or id_ in self._places

    def __iter__(self) -> Iterator[int]:
        yield from self._places
        yield from self._open

    def __len__(self) -> int:
        return len(self._places) + len(self._open)

    def _pack(self) -> None:
        """JSON, for it keeps whole numbers of any size, which a field that we do not know may hold."""
        self._places.update(dict.fromkeys(self._open, len(self._blocks)))
        self._blocks.append(zlib.compress(msgspec.json.encode(list(self._open.values())), level=1))
        self._open = {}

    def _block(self, place: int) -> Mapping[int, R]:
        if self._unpacked[0] != place:
            records = msgspec.json.decode(zlib.decompress(self._blocks[place]), type=list[self._type])  # type: ignore[name-defined]
            self._unpacked = place, {record.id: record for record in records}
        return self._unpacked[1]
