"""A new configuration for a running daemon: SIGHUP ─▶ read and check ─▶ register in the database ─▶ swap.

Any mistake, and nothing changes. Pulls at work end with what they began with; the next ones see the new settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from syncd.config import Settings
from syncd.errors import ConfigError
from syncd.service.reporting import Reporter
from syncd.service.runtime import Runtime, register
from syncd.service.sd_notify import ServiceManager
from syncd.telemetry import events

_FIXED: dict[str, tuple[str, ...]] = {
    "database": ("url", "data_dir", "pool_size", "connect_timeout", "migrate"),
    "service": ("listen", "dispatcher"),
    "log": ("format",),
}
"""Tables and keys that are read at the start only."""


def fixed_changes(old: Settings, new: Settings) -> list[str]:
    """Keys whose new value needs a restart, as "[table] key"."""
    return [
        f"[{table}] {key}"
        for table, keys in _FIXED.items()
        for key in keys
        if getattr(getattr(old, table), key) != getattr(getattr(new, table), key)
    ]


def in_force(old: Settings, new: Settings) -> Settings:
    """`new`, but with the values of `old` for what needs a restart."""
    log = new.log.model_copy(update={"format": old.log.format})
    return replace(new, database=old.database, service=old.service, log=log)


def rotated(old: Settings, new: Settings) -> list[str]:
    """Names of tokens that stay and have another secret."""
    secrets = {token.name: token.secret for token in old.tokens}
    return [token.name for token in new.tokens if secrets.get(token.name, token.secret) != token.secret]


class Reload:
    """The settings in force, and those that wait for the database to hear of them."""

    def __init__(
        self, settings: Settings, load: Callable[[], Settings], reporter: Reporter, manager: ServiceManager
    ) -> None:
        """`load` raises ConfigError."""
        self.settings = settings
        self._load = load
        self._reporter = reporter
        self._log = reporter.log
        self._manager = manager
        self._next: Settings | None = None

    def request(self) -> None:
        """Read and check now; what is good is taken over by the next `apply`."""
        self._manager.reloading()
        status = "running"
        try:
            settings = self._load()
        except ConfigError as error:
            self._log.emit(events.CONFIG_INVALID, error=error)
            status = "running on the former configuration: the new one has mistakes, see the log"
        else:
            for token in settings.tokens:
                self._log.redactor.add_secret(token.secret.get_secret_value())
            self._next = settings
        self._manager.ready(status)

    async def apply(self, runtime: Runtime) -> None:
        """Take over what `request` found good, if anything.

        Raises:
            DatabaseError: nothing has changed; the next call tries again.
        """
        wanted, before = self._next, self.settings
        if wanted is None:
            return
        settings = in_force(before, wanted)
        await register(runtime.registry, settings)
        if self._next is wanted:  # else a later signal has brought yet another one
            self._next = None
        self.settings = settings
        runtime.adopt(settings, forget=rotated(before, settings))
        self._log.level = settings.log.level
        self._tell(before, settings, fixed_changes(before, wanted))

    def _tell(self, before: Settings, settings: Settings, fixed: Sequence[str]) -> None:
        names, known = {token.name for token in settings.tokens}, {token.name for token in before.tokens}
        fields: dict[str, Any] = {
            "syncd.config.source": settings.source,
            "syncd.config.fingerprint": settings.fingerprint(),
            "syncd.token_count": len(settings.tokens),
            "syncd.interval_seconds": settings.sync.interval.total_seconds(),
            "syncd.tokens_added": sorted(names - known) or None,
            "syncd.tokens_removed": sorted(known - names) or None,
            "syncd.tokens_rotated": rotated(before, settings) or None,
            "syncd.config.restart": ", ".join(fixed) or None,
        }
        self._log.emit(events.CONFIG_RELOADED, fields, level="warning" if fixed else None)
