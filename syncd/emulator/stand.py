"""The emulator with all that belongs to it: a clock that can be moved, the control plane, the proxy and its CA."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from syncd.emulator.api import Version
from syncd.emulator.control import Control
from syncd.emulator.limits import Limits
from syncd.emulator.model import World
from syncd.emulator.server import Emulator, Listener, announcement, plain_listener
from syncd.emulator.switches import Switches
from syncd.emulator.timepiece import Timepiece

_PLAIN = Switches()

Begin = Callable[[Callable[[], datetime]], World]
"""Makes a world out of a clock."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to stand.

    Attributes:
        host, port, api, switches, limits: as of `Emulator`; the clock of the limits is the one that can be moved.
        proxy: whether to be a forward proxy, too.
        ca_path: where to write the proxy's CA certificate; None: a temporary file.
        control: whether to have a control plane.
        control_token: what must be sent to use it; None: nothing, but only this machine may.
    """

    host: str = "127.0.0.1"
    port: int = 0
    proxy: bool = False
    ca_path: Path | None = None
    control: bool = True
    control_token: str | None = None
    api: Version = "both"
    switches: Switches = _PLAIN
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Stand:
    """A running emulator. `ca_path` is the file that clients of the proxy must trust; None without a proxy."""

    emulator: Emulator
    timepiece: Timepiece
    begin: Callable[[], World]
    ca_path: Path | None

    def announcement(self) -> dict[str, object]:
        """What a script must know to use it."""
        facts = announcement(self.emulator)
        if self.ca_path is not None:
            facts |= {"proxy": self.emulator.url, "ca_file": str(self.ca_path)}
        return facts


@asynccontextmanager
async def standing(begin: Begin, now: Callable[[], datetime], wanted: Wanted) -> AsyncIterator[Stand]:
    """An emulator of the world that `begin` makes; `now` is the true present (aware).

    Raises OSError if the address cannot be had or, with `filename` set, if the CA file cannot be written; ImportError
    if it is to be a proxy and the extra `emulate` is not installed.
    """
    timepiece = Timepiece(now)
    again = partial(begin, timepiece.now)
    with _listening(wanted) as (listener, ca_path):
        emulator = Emulator(
            again(),
            host=wanted.host,
            port=wanted.port,
            api=wanted.api,
            switches=wanted.switches,
            limits=wanted.limits,
            listener=listener,
        )
        if wanted.control:
            emulator.control = Control(emulator, timepiece, again, token=wanted.control_token)
        async with emulator:
            yield Stand(emulator, timepiece, again, ca_path)


@contextmanager
def _listening(wanted: Wanted) -> Iterator[tuple[Listener, Path | None]]:
    """How to listen, and the file of the CA that clients of the proxy must trust."""
    if not wanted.proxy:
        yield plain_listener, None
        return
    from syncd.emulator import authority as authorities
    from syncd.emulator import proxy as proxies

    authority = authorities.Authority(proxies.HOSTS)
    with authorities.ca_file(authority.pem, wanted.ca_path) as path:
        yield partial(proxies.Proxy, authority=authority), path
