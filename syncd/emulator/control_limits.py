"""Limits and switches as JSON: what is ordered over the control plane, and what is told of them. Pure."""

from dataclasses import asdict, fields, replace
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from syncd.emulator.limits import PLANS, Limits, plan
from syncd.emulator.server import Emulator
from syncd.emulator.switches import Switches

_PerHour = Annotated[int, Meta(ge=0, le=10**9)]


class Order(Struct, forbid_unknown_fields=True):
    """Limits: those of a plan (free, starter, premium), or one by one; null is no limit."""

    plan: str | None = None
    organization_per_hour: _PerHour | UnsetType | None = UNSET
    user_per_hour: _PerHour | UnsetType | None = UNSET
    by_organization: dict[int, _PerHour] | UnsetType = UNSET
    per_second: Annotated[float, Meta(gt=0)] | UnsetType | None = UNSET
    burst: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


SWITCHES = tuple(switch.name for switch in fields(Switches))


def limits_of(body: object) -> Limits:
    """The limits that `body` orders. Raises msgspec.ValidationError with a sentence that says what is wrong."""
    order = msgspec.convert(body, Order, str_keys=True)
    if order.plan is not None and order.plan not in PLANS:
        raise msgspec.ValidationError(f"There is no plan {order.plan!r}: take one of {', '.join(PLANS)}")
    given = {
        name: value for name, value in msgspec.structs.asdict(order).items() if name != "plan" and value is not UNSET
    }
    return replace(Limits() if order.plan is None else plan(order.plan), **given)


def switches_of(switches: Switches, body: object) -> Switches:
    """The switches with those of `body` changed. Raises msgspec.ValidationError."""
    given = msgspec.convert(body, dict[str, Any])
    if unknown := given.keys() - set(SWITCHES):
        raise msgspec.ValidationError(f"There is no switch {min(unknown)!r}: take one of {', '.join(SWITCHES)}")
    return msgspec.convert({**asdict(switches), **given}, Switches)


def told(emulator: Emulator) -> dict[str, object]:
    """The limits that hold, and how the hours stand that have begun: one row per user and organization (null: the
    calls that belong to none)."""
    limits = None if emulator.limits is None else asdict(emulator.limits)
    quota = [
        {"user": user.name, **msgspec.to_builtins(row)}
        for user in emulator.world.users.values()
        for row in emulator.api.quota(user)
    ]
    return {"limits": limits, "quota": quota}
