"""syncd run"""

import os
import sys

import click

from syncd.cli.setup import open_reporter, report_problems, run_async, settings_of
from syncd.clock import Clock
from syncd.config import load_settings
from syncd.errors import ConfigError
from syncd.service.daemon import Daemon
from syncd.service.sd_notify import ServiceManager


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
    reporter = open_reporter(settings, sys.stdout, clock)
    manager = ServiceManager(os.environ, clock)
    daemon = Daemon(settings, reporter, clock, manager, load=lambda: load_settings(context.obj, os.environ))
    run_async(reporter, daemon.run())
