"""What systemd is told of a `Type=notify-reload` service: the protocol of sd_notify(3), without its library.

One message is one datagram of `NAME=value` lines to the socket that $NOTIFY_SOCKET names; without it all is silent.
"""

import contextlib
import socket
from collections.abc import Mapping

from syncd.clock import Clock


class ServiceManager:
    """systemd, as seen from the service. Nothing here waits or raises: a manager that is gone is no reason to fall."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._watchdog_usec = environ.get("WATCHDOG_USEC", "")
        self._clock = clock

    @property
    def watchdog_s(self) -> float | None:
        """Without `alive` for so many seconds, systemd kills and restarts us; None: it does not watch."""
        return int(self._watchdog_usec) / 1e6 if self._address and self._watchdog_usec.isdecimal() else None

    def ready(self, status: str) -> None:
        """The start is over, or the reload that `reloading` began."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload begins; `systemctl reload` waits until `ready`. The time tells it from an earlier reload."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={round(self._clock.monotonic() * 1e6)}")

    def stopping(self) -> None:
        """The way out begins."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """We still work; due well within `watchdog_s`."""
        self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the NUL byte of Linux's abstract namespace.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.sendto("\n".join(assignments).encode(), socket.MSG_DONTWAIT, address)
