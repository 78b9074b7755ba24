"""One pull of every token, or of some."""

import asyncio
from collections.abc import Callable, Sequence

from syncd.clock import Clock
from syncd.config import Settings
from syncd.errors import ConfigError, RateLimited
from syncd.service.database import database_url
from syncd.service.reporting import Reporter
from syncd.service.runtime import Runtime, open_runtime
from syncd.sync.report import PullReport


def select(settings: Settings, names: Sequence[str]) -> list[str]:
    """The named tokens, or all. Raises ConfigError for a name that is not configured."""
    known = [token.name for token in settings.tokens]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError([f"--token {name}: no such token; configured are {', '.join(known)}" for name in unknown])
    return list(dict.fromkeys(names)) or known


async def pull_once(
    settings: Settings,
    reporter: Reporter,
    clock: Clock,
    names: Sequence[str],
    *,
    full: bool,
    on_report: Callable[[PullReport], None] = lambda _: None,
) -> list[PullReport]:
    """Pull `names`, at most [sync] max_concurrent_pulls at once; their reports in the same order.

    A token that may not send a request yet (Retry-After, quota) is not pulled: its report says so and counts as
    failed.

    Raises:
        DatabaseUnavailable, DatabaseUnusable: no pull was made.
    """
    async with (
        database_url(settings, exclusive=False) as url,
        open_runtime(settings, url, reporter, clock, patient=False) as runtime,
    ):
        return await pull_all(runtime, names, settings.sync.max_concurrent_pulls, full=full, on_report=on_report)


async def pull_all(
    runtime: Runtime,
    names: Sequence[str],
    limit: int,
    *,
    full: bool = False,
    on_report: Callable[[PullReport], None] = lambda _: None,
) -> list[PullReport]:
    """See `pull_once`; on a runtime that is open already."""
    held = await runtime.registry.held(names)
    room = asyncio.Semaphore(limit)

    async def pull(name: str) -> PullReport:
        async with room:
            try:
                if name in held:
                    report = PullReport(name, reason="parked", error=held_back(held[name]))
                else:
                    report = await runtime.pull(name, full=full)
            except asyncio.CancelledError:
                runtime.reporter.skipped(name, "shutdown")
                raise
        on_report(report)
        return report

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pull(name)) for name in names]
    return [task.result() for task in tasks]


def held_back(wait_s: float) -> RateLimited:
    """Why a token is not asked that may send nothing for so many seconds."""
    return RateLimited("Toggl asked to wait", retry_after_s=wait_s)
