"""Reading one row of a list at a time: a malformed row becomes a `Reject` with its reason, its neighbours are kept.

What PostgreSQL cannot store (U+0000, lone surrogates) is replaced by U+FFFD and the row marked `_sanitized`; what is
longer than a column may be is cut and marked the same way. Fields without a column of their own go to `extra`.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar, cast

import msgspec

from syncd.records import Extra, Reject

Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
"""Ids fit a bigint; 0 and negative ones are never an id."""

Code = Annotated[str, msgspec.Meta(max_length=64)]
"""A currency, a colour, a status: short, and never cut."""

Hours = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""An instant without offset is refused rather than guessed."""

TEXT_LIMIT = 65_536
"""Characters that a text column of the mirror holds."""

REJECT_BODY_LIMIT = 8_192
"""Characters of a rejected row that are kept for a person to look at."""

AT_ONCE_BYTES = 2**20
"""A longer list is not read at once: its rows would take their room twice."""

_MONEY_LIMIT = Decimal("1e12")
_MONEY_STEP = Decimal("0.0001")
_SECRET_KEY = re.compile(r"token|secret|password|authorization|ical_url", re.IGNORECASE)
_SECRET_PAIR = re.compile(
    r'("[^"]*(?:token|secret|password|authorization|ical_url)[^"]*"\s*:\s*)"[^"]*"', re.IGNORECASE
)
_ESCAPES = re.compile(
    rb"\\\\"  # an escaped backslash: what follows is plain text
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a proper surrogate pair
    rb"|(\\u0000|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # what cannot be stored
)

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a body, or a part of it, fails with that is no JSON, no UTF-8, or nested too deep."""

W = TypeVar("W", bound=msgspec.Struct)
T_co = TypeVar("T_co", covariant=True)


class Unstorable(Exception):
    """A row decodes but cannot be stored. `reason`: a code for grouping; the text says which field."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class RowReader(Generic[W, T_co]):
    """Reads rows of one resource: bytes to a wire struct, and by `record` from that and `extra` to what it means.

    A plain row has only fields that `W` knows, and no text that must be cut. A list of such rows is read at once; any
    other row costs a second decoding, and one such row that its list is read row by row.
    """

    def __init__(self, resource: Any, wire: type[W], record: Callable[[W, Extra], T_co]) -> None:
        plain = _plain(wire)
        self._resource = resource
        self._plain = msgspec.json.Decoder(plain)
        self._plain_list: msgspec.json.Decoder[list[W] | None] = msgspec.json.Decoder(list[plain] | None)  # type: ignore[valid-type]
        self._lenient = msgspec.json.Decoder(wire)
        self._known = frozenset(field.encode_name for field in msgspec.structs.fields(wire))
        self._record = record

    def read_list(self, body: bytes) -> "list[T_co] | None":
        """All rows of a list that needed no repair, at once; None: one is not plain, so take them one by one."""
        if len(body) > AT_ONCE_BYTES:
            return None
        try:
            return [self._record(wire, None) for wire in self._plain_list.decode(body) or []]
        except (Unstorable, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def read(self, raw: msgspec.Raw, *, repaired: bool = False) -> T_co | Reject:
        """One row. `repaired`: `repair` changed the body it stands in, so the row may need its mark."""
        try:
            try:
                wire, extra = self._plain.decode(raw), None
            except msgspec.ValidationError:
                wire, extra = self._lenient.decode(raw), self._extra(raw)
            if repaired or len(raw) > TEXT_LIMIT:
                wire, extra = _sanitized(wire, extra, raw)
            return self._record(wire, extra)
        except Unstorable as error:
            return self._reject(raw, error.reason, str(error))
        except msgspec.ValidationError as error:
            return self._reject(raw, "malformed", str(error))
        except UNREADABLE as error:
            return self._reject(raw, "unreadable", type(error).__name__)

    def reject(self, raw: msgspec.Raw, reason: str, detail: str) -> Reject:
        """Put aside a row that reads well but does not belong here."""
        return self._reject(raw, reason, detail)

    def _extra(self, raw: msgspec.Raw) -> Extra:
        fields = msgspec.json.decode(raw, type=dict[str, Any])
        unknown = {k: v for k, v in fields.items() if k not in self._known}
        return _storable(unknown) or None

    def _reject(self, raw: msgspec.Raw, reason: str, detail: str) -> Reject:
        body = bytes(raw)
        text = _SECRET_PAIR.sub(r'\1"***"', body.decode("utf-8", "replace")).replace("\0", "\ufffd")
        address = _address(body)
        key = str(address.id) if address.id else "digest:" + hashlib.blake2b(body, digest_size=8).hexdigest()
        return Reject(self._resource, key, address.wid, reason, detail, text[:REJECT_BODY_LIMIT])


class _Address(msgspec.Struct):
    """What little may be readable of a malformed row."""

    id: Id | None = None
    wid: Id | None = None


def _address(body: bytes) -> _Address:
    """Id and workspace of a malformed row, each None where it cannot be read."""
    found = _Address()
    for name in ("id", "wid"):
        only = msgspec.defstruct("Only", [(name, Id)])
        try:
            setattr(found, name, getattr(msgspec.json.decode(body, type=only), name))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return found


def _plain(wire: type[W]) -> type[W]:
    """The wire type of plain rows."""
    short = Annotated[str, msgspec.Meta(max_length=TEXT_LIMIT)]
    kinds: dict[Any, Any] = {str: short, str | None: short | None}
    texts = [field for field in msgspec.structs.fields(wire) if field.type in kinds]
    fields = [(field.name, kinds[field.type], msgspec.field(default=field.default)) for field in texts]
    name = f"Plain{wire.__name__}"
    return cast("type[W]", msgspec.defstruct(name, fields, bases=(wire,), forbid_unknown_fields=True, kw_only=True))


def repair(body: bytes) -> tuple[bytes, bool]:
    """Replace escapes that no PostgreSQL text can hold by `\\ufffd`; whether there was any.

    Measured: NUL fails an insert with SQLSTATE 22021, a lone surrogate makes the JSON decoder refuse the whole body.
    """
    if b"\\" not in body or (b"\\u0000" not in body and b"\\ud" not in body and b"\\uD" not in body):
        return body, False
    fixed = _ESCAPES.sub(lambda match: b"\\ufffd" if match[1] else match[0], body)
    return fixed, fixed != body


def money(amount: Decimal | None, field: str) -> Decimal | None:
    """An amount as numeric(18,4) stores it, so that it compares equal to what is read back.

    Raises:
        Unstorable: NaN, infinite, negative or 1e12 and more.
    """
    if amount is None:
        return None
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -4 and amount.copy_abs() < _MONEY_LIMIT:
        amount = amount.quantize(_MONEY_STEP)
    if not (amount.is_finite() and 0 <= amount < _MONEY_LIMIT):
        raise Unstorable("amount_out_of_range", f"{field} is not an amount between 0 and 1e12")
    return amount


def instant(at: datetime, field: str) -> datetime:
    """An instant that PostgreSQL and every BI driver can hold.

    Raises:
        Unstorable: before 1970 or after 9998.
    """
    if not 1970 <= at.year <= 9998:
        raise Unstorable("instant_out_of_range", f"{field} is in the year {at.year}")
    return at


def _sanitized(wire: W, extra: Extra, raw: msgspec.Raw) -> tuple[W, Extra]:
    """Cut what is too long, and mark the row if anything in it had to be changed."""
    cut = {}
    for field in msgspec.structs.fields(wire):
        text = getattr(wire, field.name)
        if isinstance(text, str) and len(text) > TEXT_LIMIT:
            cut[field.name] = text[:TEXT_LIMIT]
    if not cut and b"\\ufffd" not in bytes(raw):
        return wire, extra
    return msgspec.structs.replace(wire, **cut), {**(extra or {}), "_sanitized": True}


def _storable(value: Any) -> Any:
    """A decoded JSON value without the secrets that the API echoes."""
    if isinstance(value, dict):
        return {k: _storable(v) for k, v in value.items() if not _SECRET_KEY.search(k)}
    if isinstance(value, list):
        return [_storable(v) for v in value]
    return value
