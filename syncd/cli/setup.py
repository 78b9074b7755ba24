"""What most commands begin with: the settings, and a log that knows the secrets it must not show."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from syncd import config
from syncd.clock import Clock, fresh_id
from syncd.config import Settings, load_settings
from syncd.errors import ConfigError
from syncd.service.reporting import Reporter
from syncd.telemetry import crash, events, logs
from syncd.telemetry.logs import Log

T = TypeVar("T")


def settings_of(context: click.Context, *, require_tokens: bool = True) -> Settings:
    """Raises ConfigError with all mistakes."""
    path: Path | None = context.obj
    return load_settings(path, os.environ, require_tokens=require_tokens)


def open_reporter(settings: Settings, stream: TextIO, clock: Clock) -> Reporter:
    """A reporter that logs to `stream` and knows every secret of `settings`."""
    log = open_log(settings.log, stream, clock)
    hide_secrets(log, settings)
    return Reporter(log, clock)


def hide_secrets(log: Log, settings: Settings) -> None:
    """Let no secret of `settings` through."""
    for token in settings.tokens:
        log.redactor.add_secret(token.secret.get_secret_value())
    if settings.database.url is not None:
        log.redactor.add_url(settings.database.url.get_secret_value())


def report_problems(error: ConfigError, stream: TextIO, clock: Clock) -> None:
    """Say on the log, too, why the service does not start: whoever watches it may see nothing else."""
    log = open_log(config.Log(), stream, clock)
    log.emit(events.CONFIG_INVALID, level="fatal", error=error)
    log.close()


def for_a_person(settings: Settings, stream: TextIO) -> Settings:
    """The same, but on a terminal only warnings and worse, unless another level is set: the result says the rest."""
    if settings.log.level != "info" or not stream.isatty():
        return settings
    return replace(settings, log=settings.log.model_copy(update={"level": "warning"}))


def ask(context: click.Context, question: Callable[[Settings, Log], Coroutine[Any, Any, T]]) -> T:
    """The answer to a question that needs a database but no token. Logs go to stderr."""
    settings = settings_of(context, require_tokens=False)
    reporter = open_reporter(settings, sys.stderr, Clock())
    return run_async(reporter, question(settings, reporter.log))


def open_log(how: config.Log, stream: TextIO, clock: Clock, on_event: Callable[[str], None] = lambda _: None) -> Log:
    """A log on `stream` that knows secrets by their looks only, and that takes what nobody catches."""
    log = logs.configure(
        format=how.format,
        level=how.level,
        stream=stream,
        clock=clock,
        run_id=fresh_id(),
        instance_id=fresh_id(),
        on_event=on_event,
    )
    crash.install(log)
    return log


def run_async(reporter: Reporter, main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a loop whose stray exceptions become log lines; uvloop where it is installed."""

    async def watched() -> T:
        crash.watch_loop(reporter.log, asyncio.get_running_loop())
        return await main

    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        return runner.run(watched())


def _fast_loop() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
