"""The pytest plugin, in a run of its own over a test file that knows nothing but the plugin."""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[3]

OUTSIDE = '''
import subprocess
import sys
from datetime import datetime, timezone

import pytest
import requests

FIXED = "https://api.track.toggl.com/api/v9/me/clients"
PROGRAM = """
import requests, sys
print(len(requests.get(sys.argv[1], auth=(sys.argv[2], "api_token")).json()))
"""


def names(toggl):
    answer = requests.get(f"{toggl.url}/api/v9/me/clients", auth=(toggl.token, "api_token"))
    answer.raise_for_status()
    return [row["name"] for row in answer.json()]


@pytest.mark.toggl_emulator(clients=3, tokens=2, seed=5)
def test_sync_code_runs_against_it(toggl_emulator):
    assert len(names(toggl_emulator)) == 3
    assert list(toggl_emulator.tokens) == ["t0", "t1"]
    assert toggl_emulator.requests == {"/api/v9/me/clients": 1}
    assert toggl_emulator.log[0].token == "t0"
    assert toggl_emulator.env == {}


def test_world_is_changed_from_this_thread_and_reset(toggl_emulator):
    before = names(toggl_emulator)
    assert len(before) == 20

    def rename(world, name):
        return world.update_client(next(iter(world.clients)), name=name)

    at = datetime(2040, 1, 1, tzinfo=timezone.utc)
    toggl_emulator.set_clock(at)
    toggl_emulator.advance(60)
    assert toggl_emulator.call(rename, "Renamed").at.year == 2040 == toggl_emulator.now().year
    assert "Renamed" in names(toggl_emulator)
    with pytest.raises(Exception, match="blank"):
        toggl_emulator.call(rename, "")
    toggl_emulator.reset()
    assert names(toggl_emulator) == before
    assert toggl_emulator.now().year < 2040


def test_faults_strike(toggl_emulator):
    from syncd.emulator import mishaps

    toggl_emulator.faults.add(mishaps.status(503), path="/api/v9/me", first=2)
    names(toggl_emulator)
    with pytest.raises(requests.HTTPError):
        names(toggl_emulator)
    assert toggl_emulator.faults.fired == {"status 503": 1}
    toggl_emulator.faults.add(mishaps.status(500), times=None)
    toggl_emulator.faults.clear()
    names(toggl_emulator)


@pytest.mark.toggl_emulator(documented=True)
def test_fixed_url_is_led_here(toggl_proxy, monkeypatch):
    for name, value in toggl_proxy.env.items():
        monkeypatch.setenv(name, value)
    assert len(requests.get(FIXED, auth=(toggl_proxy.token, "api_token")).json()) == 2
    program = [sys.executable, "-c", PROGRAM, FIXED, toggl_proxy.token]
    assert subprocess.run(program, capture_output=True, text=True, check=True).stdout == "2\\n"


@pytest.mark.toggl_emulator(api="v8")
def test_api_can_be_chosen(toggl_emulator):
    urls = [f"{toggl_emulator.url}/api/{path}" for path in ("v8/clients", "v9/me/clients")]
    auth = (toggl_emulator.token, "api_token")
    assert [requests.get(url, auth=auth).status_code for url in urls] == [200, 404]


@pytest.mark.toggl_emulator(plan="free")
def test_quota_runs_out_and_comes_back(toggl_emulator):
    for _ in range(30):
        names(toggl_emulator)
    with pytest.raises(requests.HTTPError, match="402"):
        names(toggl_emulator)
    toggl_emulator.advance(3601)
    names(toggl_emulator)


@pytest.mark.toggl_emulator(client=3)
def test_misspelt(toggl_emulator):
    pass
'''


def run(tmp_path: Path, *arguments: str) -> str:
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower() and "PYTEST" not in name}
    # As it is loaded by its entry point, but whatever else is installed here.
    plugin = ["-p", "syncd.emulator.pytest_plugin", "-p", "no:cacheprovider", "-W", "error"]
    command = [sys.executable, "-m", "pytest", *plugin, *arguments]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def test_outside_tests_use_it(tmp_path: Path) -> None:
    """All pass but the one with a slip in its marker, which gets one line."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (tmp_path / "test_outside.py").write_text(OUTSIDE)
    printed = run(tmp_path, "-q")
    assert "1 error" in printed, printed
    assert "6 passed" in printed, printed
    assert "documented, api, plan, rate; not client\n" in printed
    assert "Traceback" not in printed


def test_it_costs_nothing_until_it_is_used(tmp_path: Path) -> None:
    """Loading it loads no server: pytest loads it for everybody who has syncd installed."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_nothing.py").write_text(
        "import sys\ndef test(): assert not {'aiohttp', 'msgspec', 'syncd.emulator.server'} & sys.modules.keys()\n"
    )
    assert "1 passed" in run(tmp_path, "-q")
    assert "@pytest.mark.toggl_emulator(seed=1, tokens=1," in run(tmp_path, "--markers")


def test_entry_point_names_it() -> None:
    """As the package declares it."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["pytest11"]
    assert declared == {"toggl_emulator": "syncd.emulator.pytest_plugin"}
    plugin = import_module(declared["toggl_emulator"])
    assert {"toggl_emulator", "toggl_proxy"} <= vars(plugin).keys()
