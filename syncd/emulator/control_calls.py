"""The calls of the control plane: a table of what there is, and what each does. No I/O."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from syncd.emulator import control_faults, seed
from syncd.emulator.control_limits import SWITCHES, Order, limits_of, switches_of, told
from syncd.emulator.control_rows import KINDS, Kind, described
from syncd.emulator.model import World
from syncd.emulator.rows import Missing, User
from syncd.emulator.server import CONTROL_PREFIX, Emulator, announcement
from syncd.emulator.timepiece import Timepiece

_Size = Annotated[int, Meta(ge=0, le=1_000_000)]


class Given(NamedTuple):
    """What a request brings: what its path has in the place of braces, its query, its body ({} for none)."""

    keys: tuple[str, ...]
    query: Mapping[str, str]
    body: Any = None


class Call(NamedTuple):
    """One call. `body` and `query` name what can be sent, a * at what must be."""

    method: str
    path: str
    does: str
    run: Callable[[Given], object]
    body: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


class _Clock(Struct, forbid_unknown_fields=True):
    set: Annotated[datetime, Meta(tz=True)] | None = None
    advance_s: Annotated[float, Meta(ge=-4e9, le=4e9)] = 0.0
    running: bool | None = None


class _Sizes(Struct, forbid_unknown_fields=True):
    seed: int = 1
    tokens: Annotated[int, Meta(ge=1, le=10_000)] = 1
    workspaces: Annotated[int, Meta(ge=1, le=1000)] = 1
    clients: _Size = 20
    projects: _Size = 4
    loose_projects: _Size = 0
    tags: _Size = 0


class _NewUser(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    token: Annotated[str, Meta(pattern=r"\A[\x21-\x39\x3b-\x7e]+\Z")] | None = None


class _Membership(Struct, forbid_unknown_fields=True):
    admin: bool = False


class _Restored(Struct, forbid_unknown_fields=True):
    projects: list[int] | None = []


class _Track(Struct, forbid_unknown_fields=True):
    seconds: Annotated[int, Meta(ge=1, le=10**9)]


def fields_of(form: type[Struct]) -> tuple[str, ...]:
    """What can be sent in such a body."""
    return tuple(described(form))


def start_over(emulator: Emulator, timepiece: Timepiece, begin: Callable[[], World]) -> None:
    """As in the beginning: the true present, the world that `begin` makes, and all of `Emulator.start_over`."""
    timepiece.reset()
    emulator.start_over(begin())


class Calls:
    """What the calls of one control plane are done with; the arguments are those of `Control`."""

    def __init__(self, emulator: Emulator, timepiece: Timepiece, begin: Callable[[], World]) -> None:
        self._emulator = emulator
        self._timepiece = timepiece
        self._begin = begin

    def table(self) -> list[Call]:
        """All calls, in the order in which one reads about them."""
        sizes = fields_of(_Sizes)
        restored = fields_of(_Restored)
        fault = ("mishap*", "parameters", "name", "method", "path", "token", "first", "times")
        return [
            Call("GET", "/", "what there is, and how it is called", self._describe),
            Call(
                "POST",
                "/reset",
                "as in the beginning: world, clock, limits, switches, faults, counts, log",
                self._reset,
            ),
            Call("POST", "/seed", "a new made-up world in place of this one", self._seed, sizes),
            Call("GET", "/faults", "all faults, with seen and fired", self._list_faults),
            Call("POST", "/faults", "arm a fault", self._arm, fault),
            Call("DELETE", "/faults", "disarm and forget all faults", self._forget_faults),
            Call("DELETE", "/faults/{id}", "disarm one fault; its counts stay", self._disarm),
            Call("GET", "/clock", "the present", self._clock),
            Call("POST", "/clock", "set it, then move it, then stop or start it", self._move_clock, fields_of(_Clock)),
            Call("DELETE", "/clock", "the true present again", self._reset_clock),
            Call("GET", "/limits", "quotas and rate limit, and how the quotas stand", self._limits),
            Call("PUT", "/limits", "other limits; all begin to count anew", self._limit, fields_of(Order)),
            Call("DELETE", "/limits", "no limits", self._lift_limits),
            Call("GET", "/switches", "how it behaves where nobody knows how the API does", self._switches),
            Call("PUT", "/switches", "change the switches sent", self._switch, SWITCHES),
            Call("GET", "/stats", "requests by path template, times faults struck by name", self._stats),
            Call("DELETE", "/stats", "count requests from 0; empty the log", self._forget_requests),
            Call("GET", "/log", "the latest requests, oldest first", self._log, query=("last",)),
            Call("GET", "/users", "users with tokens and workspaces", self._list_users),
            Call("POST", "/users", "a new user, who sees nothing yet", self._add_user, fields_of(_NewUser)),
            Call("DELETE", "/users/{name}", "revoke the user's token for good", self._revoke),
            Call("PUT", "/users/{name}/workspaces/{id}", "share a workspace", self._share, fields_of(_Membership)),
            Call("DELETE", "/users/{name}/workspaces/{id}", "take the user out of it", self._unshare),
            *(call for kind in KINDS.values() for call in self._row_calls(kind)),
            Call("POST", "/clients/{id}/archive", "archive it and its active projects; their ids", self._archive),
            Call("POST", "/clients/{id}/restore", "and those of its projects; null: all", self._restore, restored),
            Call(
                "POST", "/projects/{id}/track", "add tracked time; `at` does not move", self._track, fields_of(_Track)
            ),
        ]

    def _row_calls(self, kind: Kind) -> list[Call]:
        many, one, name = f"/{kind.name}s", f"/{kind.name}s/{{id}}", kind.name
        filters = () if name == "workspace" else ("workspace_id",)
        made = f"a new {name}, or many for a list of such objects"
        return [
            Call("GET", many, f"all {name}s", partial(self._list_rows, kind), query=filters),
            Call("POST", many, made, partial(self._create_row, kind), fields_of(kind.made_of)),
            Call("GET", one, f"one {name}", partial(self._get_row, kind)),
            Call("PUT", one, "change the fields sent", partial(self._update_row, kind), fields_of(kind.changes)),
            Call("DELETE", one, f"delete the {name}", partial(self._delete_row, kind)),
        ]

    # The whole ----------------------------------------------------------------------------------------------

    def _describe(self, _: Given) -> object:
        calls = [
            {"method": call.method, "path": CONTROL_PREFIX + call.path, "does": call.does}
            | ({"body": call.body} if call.body else {})
            | ({"query": call.query} if call.query else {})
            for call in self.table()
        ]
        about = "Control plane of a Toggl emulator. Bodies are JSON objects; fields with a * must be sent."
        return {"about": about, **self._announcement(), "calls": calls, "mishaps": control_faults.describe()}

    def _announcement(self) -> dict[str, object]:
        return announcement(self._emulator)

    def _reset(self, _: Given) -> object:
        start_over(self._emulator, self._timepiece, self._begin)
        return self._announcement()

    def _seed(self, given: Given) -> object:
        sizes = msgspec.convert(given.body, _Sizes)
        self._emulator.load(seed.generate(**msgspec.structs.asdict(sizes), now=self._timepiece.now))
        return self._announcement()

    # Faults -------------------------------------------------------------------------------------------------

    def _list_faults(self, _: Given) -> object:
        faults = self._emulator.faults
        return [
            control_faults.told(number, fault, is_armed=fault in faults.script)
            for number, fault in enumerate(faults.added, 1)
        ]

    def _arm(self, given: Given) -> object:
        faults = self._emulator.faults
        names = {user.name: user.token for user in self._emulator.world.users.values()}
        fault = control_faults.arm(faults, given.body, names)
        return control_faults.told(len(faults.added), fault, is_armed=True)

    def _forget_faults(self, _: Given) -> object:
        self._emulator.faults.forget()
        return []

    def _disarm(self, given: Given) -> object:
        number, faults = _number(given.keys[0]), self._emulator.faults
        if not 1 <= number <= len(faults.added):
            raise Missing("fault", number)
        fault = faults.added[number - 1]
        faults.disarm(fault)
        return control_faults.told(number, fault, is_armed=False)

    # Clock and counts ---------------------------------------------------------------------------------------

    def _clock(self, _: Given) -> object:
        watch = self._timepiece
        return {"now": watch.now(), "ahead_s": watch.ahead_s, "running": watch.is_running}

    def _move_clock(self, given: Given) -> object:
        order, watch = msgspec.convert(given.body, _Clock), self._timepiece
        if order.set is not None:
            watch.set(order.set)
        watch.advance(order.advance_s)
        if order.running is not None:
            (watch.run if order.running else watch.stop)()
        return self._clock(given)

    def _reset_clock(self, given: Given) -> object:
        self._timepiece.reset()
        return self._clock(given)

    def _stats(self, _: Given) -> object:
        requests = self._emulator.requests
        return {"total": requests.total(), "requests": requests, "fired": self._emulator.faults.fired}

    def _forget_requests(self, given: Given) -> object:
        self._emulator.forget_requests()
        return self._stats(given)

    def _log(self, given: Given) -> object:
        lines = [line._asdict() for line in self._emulator.log]
        return lines[max(0, len(lines) - _number(given.query["last"])) :] if "last" in given.query else lines

    # Limits and switches ------------------------------------------------------------------------------------

    def _limits(self, _: Given) -> object:
        return told(self._emulator)

    def _limit(self, given: Given) -> object:
        self._emulator.configure(limits_of(given.body), self._emulator.switches)
        return told(self._emulator)

    def _lift_limits(self, _: Given) -> object:
        self._emulator.configure(None, self._emulator.switches)
        return told(self._emulator)

    def _switches(self, _: Given) -> object:
        return self._emulator.switches

    def _switch(self, given: Given) -> object:
        switches = switches_of(self._emulator.switches, given.body)
        self._emulator.configure(self._emulator.limits, switches)
        return switches

    # The world ----------------------------------------------------------------------------------------------

    def _list_users(self, _: Given) -> object:
        return [_user(user) for user in self._emulator.world.users.values()]

    def _add_user(self, given: Given) -> object:
        order, world = msgspec.convert(given.body, _NewUser), self._emulator.world
        return _user(world.add_user(order.name, order.token or seed.token(1, len(world.users) + 1_000_000)))

    def _revoke(self, given: Given) -> object:
        self._emulator.world.revoke(given.keys[0])
        return _user(self._emulator.world.user(given.keys[0]))

    def _share(self, given: Given) -> object:
        name, workspace_id = given.keys
        admin = msgspec.convert(given.body, _Membership).admin
        self._emulator.world.share(name, _number(workspace_id), admin=admin)
        return _user(self._emulator.world.user(name))

    def _unshare(self, given: Given) -> object:
        name, workspace_id = given.keys
        self._emulator.world.unshare(name, _number(workspace_id))
        return _user(self._emulator.world.user(name))

    def _list_rows(self, kind: Kind, given: Given) -> object:
        rows = [row for _, row in sorted(kind.rows(self._emulator.world).items())]
        if "workspace_id" in given.query:
            workspace_id = _number(given.query["workspace_id"])
            rows = [row for row in rows if row.workspace_id == workspace_id]
        return rows

    def _create_row(self, kind: Kind, given: Given) -> object:
        return kind.add(self._emulator.world, given.body)

    def _get_row(self, kind: Kind, given: Given) -> object:
        row_id = _number(given.keys[0])
        try:
            return kind.rows(self._emulator.world)[row_id]
        except KeyError:
            raise Missing(kind.name, row_id) from None

    def _update_row(self, kind: Kind, given: Given) -> object:
        return kind.change(self._emulator.world, _number(given.keys[0]), given.body)

    def _delete_row(self, kind: Kind, given: Given) -> object:
        row = self._get_row(kind, given)
        kind.delete(self._emulator.world, _number(given.keys[0]))
        return row

    def _archive(self, given: Given) -> object:
        return self._emulator.world.archive_client(_number(given.keys[0]))

    def _restore(self, given: Given) -> object:
        projects = msgspec.convert(given.body, _Restored).projects
        return self._emulator.world.restore_client(_number(given.keys[0]), projects)

    def _track(self, given: Given) -> object:
        seconds = msgspec.convert(given.body, _Track).seconds
        return self._emulator.world.track(_number(given.keys[0]), seconds)


def _user(user: User) -> dict[str, object]:
    workspaces = [{"id": workspace_id, "admin": admin} for workspace_id, admin in sorted(user.access.items())]
    return {"name": user.name, "token": user.token, "revoked": user.is_revoked, "workspaces": workspaces}


def _number(text: str) -> int:
    """An id or a count out of a path or a query."""
    if text.isascii() and text.isdigit() and len(text) <= 19:
        return int(text)
    raise msgspec.ValidationError(f"{text!r} is no number")
