"""syncd run"""

import os
import sys

import click

from syncd.cli.setup import open_reporter, run_async, settings_of
from syncd.clock import Clock
from syncd.service.daemon import Daemon
from syncd.service.sd_notify import ServiceManager


@click.command("run")
@click.pass_context
def command(context: click.Context) -> None:
    """Keep all tokens fresh until SIGTERM or Ctrl-C; logs go to stdout."""
    settings, clock = settings_of(context), Clock()
    reporter = open_reporter(settings, sys.stdout, clock)
    run_async(reporter, Daemon(settings, reporter, clock, ServiceManager(os.environ, clock)).run())
