"""The script of what goes wrong: which requests are hit, and by what. Deterministic; the blows are in `mishaps`.

emulator.faults.add(mishaps.status(503), path="/api/v8/clients", times=2)
emulator.faults.add(mishaps.truncate(), name="cut", token="t1", first=3)
...
assert emulator.faults.fired == {"status 503": 2, "cut": 1}
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from syncd.emulator.dialect import Answer


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that a fault has hit. `perform` carries it out, writes included, and gives the true answer;
    `stopping` is set when the server is about to stop, which ends every wait."""

    request: web.BaseRequest
    perform: Callable[[], Awaitable[Answer]]
    stopping: asyncio.Event


@dataclass(frozen=True, slots=True)
class Mishap:
    """What happens instead of a good answer. `send` does it; `label` names it in counts."""

    label: str
    send: Callable[[Exchange], Awaitable[web.StreamResponse]]


@dataclass(slots=True, eq=False)
class Fault:
    """A mishap and the requests it is meant for; what is None matches all. Counts of requests begin at 1.

    `path` is a prefix of the path without query, `token` a user's name ("" = no valid token). The fault is due from
    the `first` request that matches, `times` in a row (None: from then on for ever). `seen`: matches so far;
    `fired`: how often it struck.
    """

    mishap: Mishap
    name: str
    method: str | None = None
    path: str | None = None
    token: str | None = None
    first: int = 1
    times: int | None = 1
    seen: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    def matches(self, method: str, path: str, token: str) -> bool:
        return (
            (self.method is None or method == self.method)
            and (self.path is None or path.startswith(self.path))
            and (self.token is None or token == self.token)
        )

    def is_due(self) -> bool:
        """Whether the last request seen is one to strike."""
        return self.seen >= self.first and not self.is_spent(before=1)

    def is_spent(self, *, before: int = 0) -> bool:
        """Whether no request can be struck any more; with `before`=1, whether none could before the last one."""
        return self.times is not None and self.seen - before >= self.first + self.times - 1


class Faults:
    """All faults of one emulator, in the order added: the first that is due strikes, all that match count."""

    def __init__(self) -> None:
        self.script: list[Fault] = []
        """Those that may still strike; the server looks no further while it is empty."""
        self.added: list[Fault] = []
        """All since the beginning, or since `forget`."""

    def add(
        self,
        mishap: Mishap,
        *,
        name: str | None = None,
        method: str | None = None,
        path: str | None = None,
        token: str | None = None,
        first: int = 1,
        times: int | None = 1,
    ) -> Fault:
        """Arm a fault (see `Fault`). `name` is its name in `fired`, the mishap's label if left out."""
        fault = Fault(mishap, name or mishap.label, method, path, token, first, times)
        if not fault.is_spent():
            self.script.append(fault)
        self.added.append(fault)
        return fault

    @property
    def fired(self) -> dict[str, int]:
        """Name -> how often faults of that name struck; 0 for those that never did."""
        counts: dict[str, int] = {}
        for fault in self.added:
            counts[fault.name] = counts.get(fault.name, 0) + fault.fired
        return counts

    def clear(self) -> None:
        """Disarm all; the counts stay."""
        self.script.clear()

    def disarm(self, fault: Fault) -> None:
        """Let it strike no more; its counts stay."""
        if fault in self.script:
            self.script.remove(fault)

    def forget(self) -> None:
        """Disarm all and drop their counts."""
        self.script.clear()
        self.added.clear()

    def take(self, method: str, path: str, token: str) -> Mishap | None:
        """What is to befall this request; counts it with every fault that matches."""
        struck: Fault | None = None
        for fault in [fault for fault in self.script if fault.matches(method, path, token)]:
            fault.seen += 1
            if struck is None and fault.is_due():
                struck = fault
            if fault.is_spent():
                self.script.remove(fault)
        if struck is None:
            return None
        struck.fired += 1
        return struck.mishap
