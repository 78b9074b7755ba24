"""What a command takes before it begins: it is run from cron, for one token as for thousands."""

import json
import subprocess
import sys

import pytest

SERVING = ("aiohttp.web", "apscheduler", "jinja2", "pgqueuer", "prometheus_client", "syncd.emulator")
ON_A_TERMINAL = ("rich.progress", "rich.traceback")

LOAD = """
import gc, json, sys
import click
from syncd.cli.main import cli
assert cli.get_command(click.Context(cli), sys.argv[1]) is not None
print(json.dumps([sorted(sys.modules), gc.isenabled(), gc.get_freeze_count()]))
"""


@pytest.mark.parametrize("name", ["once", "check", "status"])
def test_a_command_loads_what_it_needs(name: str) -> None:
    """Nothing that serves or decorates; and no garbage is looked for in what it loads, now or later."""
    loading = subprocess.run([sys.executable, "-c", LOAD, name], check=True, capture_output=True)
    modules, collects, frozen = json.loads(loading.stdout)
    assert sorted({"syncd.cli.main", *SERVING, *ON_A_TERMINAL}.intersection(modules)) == ["syncd.cli.main"]
    assert collects
    assert frozen > 0
