"""syncd run"""

import os
import sys
from collections.abc import Iterable
from typing import TextIO

import click

from syncd import config
from syncd.cli.setup import hide_secrets, open_log, report_problems, run_async, settings_of
from syncd.clock import Clock
from syncd.config import load_settings
from syncd.errors import ConfigError
from syncd.records import ALWAYS, Resource
from syncd.service.daemon import Daemon
from syncd.service.measuring import MeasuringReporter
from syncd.service.sd_notify import ServiceManager
from syncd.telemetry.metrics import Metrics


@click.command("run")
@click.pass_context
def command(context: click.Context) -> None:
    """Keep all tokens fresh until SIGTERM or Ctrl-C; logs go to stdout. SIGHUP reads the configuration anew."""
    clock = Clock()
    try:
        settings = settings_of(context)
    except ConfigError as error:
        report_problems(error, sys.stdout, clock)
        raise
    reporter = measuring_reporter(settings.log, sys.stdout, clock, settings.sync.resources)
    hide_secrets(reporter.log, settings)
    manager = ServiceManager(os.environ, clock)
    daemon = Daemon(settings, reporter, clock, manager, load=lambda: load_settings(context.obj, os.environ))
    run_async(reporter, daemon.run())


def measuring_reporter(
    how: config.Log, stream: TextIO, clock: Clock, resources: Iterable[Resource] = ALWAYS
) -> MeasuringReporter:
    """A reporter that logs to `stream`, and counts what becomes of `resources`."""
    metrics = Metrics(resources)
    return MeasuringReporter(open_log(how, stream, clock, metrics.event_emitted), metrics, clock)
