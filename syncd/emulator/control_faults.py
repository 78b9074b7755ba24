"""Faults as JSON: what is ordered over the control plane, and what is told of it. Pure."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct

from syncd.emulator import mishaps
from syncd.emulator.faults import Fault, Faults, Mishap

MISHAPS: dict[str, Callable[..., Mishap]] = {
    make.__name__: make
    for make in (
        mishaps.status,
        mishaps.html,
        mishaps.redirect,
        mishaps.disconnect,
        mishaps.reset,
        mishaps.garbage,
        mishaps.hang,
        mishaps.huge,
        mishaps.gzip_bomb,
        mishaps.wrong_type,
        mishaps.truncate,
        mishaps.cut_chunked,
        mishaps.unframed,
        mishaps.slow,
        mishaps.gzip_truncated,
        mishaps.gzip_without_trailer,
    )
}

_Line = Annotated[str, Meta(pattern=r"\A[\t\x20-\x7e]*\Z")]
# The length and the framing are the server's own business.
_Name = Annotated[str, Meta(pattern=r"\A(?i:(?!(content-length|transfer-encoding)\Z))[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")]
_BOUNDS: dict[str, Any] = {
    "code": Annotated[int, Meta(ge=200, le=599)],
    "headers": dict[_Name, _Line] | None,
    "location": _Line,
    "content_type": _Line,
    "size_bytes": Annotated[int, Meta(ge=2, le=4 << 30)],
    "share": Annotated[float, Meta(ge=0, le=1)],
    "pieces": Annotated[int, Meta(ge=1, le=100_000)],
    "pause_s": Annotated[float, Meta(ge=0, le=3600)],
    "body": Any,
    "data": Any,
}
_Count = Annotated[int, Meta(ge=1)]


class _Order(Struct, forbid_unknown_fields=True):
    mishap: str
    parameters: dict[str, Any] = {}
    name: str | None = None
    method: str | None = None
    path: str | None = None
    token: str | None = None
    first: _Count = 1
    times: _Count | None = 1


def describe() -> dict[str, str]:
    """Each mishap with its parameters and their defaults, as one reads a signature."""
    return {
        name: ", ".join(_described(parameter) for parameter in inspect.signature(make).parameters.values())
        for name, make in MISHAPS.items()
    }


def arm(faults: Faults, body: object, names: Mapping[str, str]) -> Fault:
    """Add the fault that `body` orders. `names` are the users by name -> token; the order may give either.

    Raises msgspec.ValidationError with a sentence that says what is wrong.
    """
    order = msgspec.convert(body, _Order)
    if order.token and order.token not in names:
        owner = next((name for name, token in names.items() if token == order.token), None)
        if owner is None:
            raise msgspec.ValidationError(f"There is no user and no token {order.token!r} - at `$.token`")
        order.token = owner
    return faults.add(
        _mishap(order),
        name=order.name or None,
        method=order.method and order.method.upper(),
        path=order.path,
        token=order.token,
        first=order.first,
        times=order.times,
    )


def told(number: int, fault: Fault, *, is_armed: bool) -> dict[str, object]:
    """A fault as it stands. `id` is for taking it back; `seen` counts requests that matched while it was armed."""
    return {
        "id": number,
        "name": fault.name,
        "mishap": fault.mishap.label,
        "method": fault.method,
        "path": fault.path,
        "token": fault.token,
        "first": fault.first,
        "times": fault.times,
        "seen": fault.seen,
        "fired": fault.fired,
        "armed": is_armed,
    }


def _mishap(order: _Order) -> Mishap:
    if order.mishap not in MISHAPS:
        raise msgspec.ValidationError(f"There is no mishap {order.mishap!r}: take one of {', '.join(MISHAPS)}")
    make = MISHAPS[order.mishap]
    given = msgspec.to_builtins(msgspec.convert(order.parameters, _PARAMETERS[order.mishap]))
    for name in ("body", "data"):
        if name in given:
            value = given[name]
            given[name] = value.encode() if isinstance(value, str) else msgspec.json.encode(value)
    return make(**given)


def _parameters(make: Callable[..., Mishap]) -> type[Struct]:
    """A struct of what `make` takes."""
    hints = get_type_hints(make)
    fields: list[Any] = []
    for name, parameter in inspect.signature(make).parameters.items():
        hint = _BOUNDS.get(name, hints[name])
        is_required = parameter.default is inspect.Parameter.empty
        fields.append((name, hint) if is_required else (name, hint | msgspec.UnsetType, UNSET))
    return msgspec.defstruct("parameters", fields, forbid_unknown_fields=True, kw_only=True)


def _described(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return parameter.name
    if isinstance(parameter.default, bytes):
        return f"{parameter.name}=…"
    return f"{parameter.name}={msgspec.json.encode(parameter.default).decode()}"


_PARAMETERS = {name: _parameters(make) for name, make in MISHAPS.items()}
