"""Records in the binary format of COPY, made column by column.

A row is the number of its fields and then each field as its length and its bytes. asyncpg writes the same, value by
value; here a column that is empty throughout is left out, and what all rows share is encoded once.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain, repeat
from struct import pack
from types import NoneType
from typing import Any, NamedTuple, get_args

import msgspec

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_FIRST_INSTANT, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_FIRST_DAY = date(2000, 1, 1).toordinal()

_Encode = Callable[[Sequence[Any]], list[bytes]]
"""The values of a column as fields: a call for each value would take as long as the rest."""


class Copy(NamedTuple):
    """What to send, and the columns that it fills: the others are NULL, or what their table says."""

    columns: list[str]
    body: memoryview


class CopyFormat:
    """Makes COPY bodies of records of one type: of structs whose fields are called like their columns."""

    def __init__(self, record: type[msgspec.Struct]) -> None:
        fields = msgspec.structs.fields(record)
        self._columns = [(field.name, _ENCODERS[_not_none(field.type)]) for field in fields]

    def copy(self, records: Sequence[msgspec.Struct], same: Mapping[str, Any]) -> Copy:
        """At least one record; `same`: further columns, whose value all rows share.

        Raises:
            OverflowError: a number that no bigint holds.
        """
        values = zip(*map(msgspec.structs.astuple, records), strict=True)
        columns = zip(self._columns, values, strict=True)
        filled = {name: encode(column) for (name, encode), column in columns if column.count(None) < len(column)}
        shared = b"".join(_ENCODERS[type(value)]([value])[0] for value in same.values())
        names = [*filled, *same]
        rows = zip(
            repeat(pack(">h", len(names)), len(records)), *filled.values(), repeat(shared, len(records)), strict=True
        )
        return Copy(names, memoryview(b"".join([_SIGNATURE, *chain.from_iterable(rows), _TRAILER])))


def _bigints(column: Sequence[int | None]) -> list[bytes]:
    return [_NULL if v is None else b"\0\0\0\x08" + v.to_bytes(8, "big", signed=True) for v in column]


def _texts(column: Sequence[str | None]) -> list[bytes]:
    # Half a character is the server's to refuse, as it does the rest.
    return _varying([None if v is None else v.encode("utf-8", "surrogatepass") for v in column])


def _booleans(column: Sequence[bool | None]) -> list[bytes]:
    return [_NULL if v is None else b"\0\0\0\1\1" if v else b"\0\0\0\1\0" for v in column]


def _timestamptzs(column: Sequence[datetime | None]) -> list[bytes]:
    return _bigints([None if v is None else (v - _FIRST_INSTANT) // _MICROSECOND for v in column])


def _dates(column: Sequence[date | None]) -> list[bytes]:
    return [_NULL if v is None else pack(">ii", 4, v.toordinal() - _FIRST_DAY) for v in column]


def _numerics(column: Sequence[Decimal | None]) -> list[bytes]:
    return [_NULL if v is None else _numeric(v) for v in column]


def _numeric(value: Decimal) -> bytes:
    """With four decimals, which is what amounts have: digits to the base of 10,000, the last of them the decimals."""
    digits: list[int] = []
    rest = int(abs(value).scaleb(4))
    while rest:
        rest, digit = divmod(rest, 10_000)
        digits.insert(0, digit)
    size = len(digits)
    sign = 0x4000 if value < 0 else 0
    return pack(f">ihhHH{size}H", 8 + 2 * size, size, size - 2, sign, 4, *digits)


def _jsonbs(column: Sequence[dict[str, Any] | None]) -> list[bytes]:
    return _varying([None if v is None else b"\x01" + msgspec.json.encode(v) for v in column])


def _varying(bodies: list[bytes | None]) -> list[bytes]:
    return [_NULL if body is None else len(body).to_bytes(4, "big") + body for body in bodies]


_ENCODERS: Mapping[Any, _Encode] = {
    int: _bigints,
    str: _texts,
    bool: _booleans,
    datetime: _timestamptzs,
    date: _dates,
    Decimal: _numerics,
    dict[str, Any]: _jsonbs,
}


def _not_none(hint: Any) -> Any:
    """`int` of `int | None`."""
    return next((part for part in get_args(hint) if NoneType in get_args(hint) and part is not NoneType), hint)
