"""syncd run"""

import os
import sys

import click

from syncd.cli.setup import open_reporter, run_async, settings_of
from syncd.clock import Clock
from syncd.config import load_settings
from syncd.service.daemon import Daemon
from syncd.service.sd_notify import ServiceManager


@click.command("run")
@click.pass_context
def command(context: click.Context) -> None:
    """Keep all tokens fresh until SIGTERM or Ctrl-C; logs go to stdout. SIGHUP reads the configuration anew."""
    settings, clock = settings_of(context), Clock()
    reporter = open_reporter(settings, sys.stdout, clock)
    manager = ServiceManager(os.environ, clock)
    daemon = Daemon(settings, reporter, clock, manager, load=lambda: load_settings(context.obj, os.environ))
    run_async(reporter, daemon.run())
