"""A pytest plugin for whatever talks to Toggl: `toggl_emulator` and `toggl_proxy`, a made-up Toggl per test.

Loaded by pytest itself wherever syncd is installed, so nothing but pytest is imported until a fixture is used.

    @pytest.mark.toggl_emulator(clients=3, api="v9")
    def test_my_tool(toggl_emulator):
        assert len(my_tool.clients(toggl_emulator.url, toggl_emulator.token)) == 3
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from syncd.emulator.background import Running

SIZES = {"seed": 1, "tokens": 1, "workspaces": 1, "clients": 20, "projects": 4, "loose_projects": 0, "tags": 0}
"""What the marker can say of the world, and what holds if it does not."""

OPTIONS = {"documented": False, "api": "both", "plan": None, "rate": None}
"""What it can say beyond: whether to serve the examples of the API's documentation, which versions to speak, whose
hourly quotas apply (free, starter, premium), and how many requests a second of a token are let through."""


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker, so that --strict-markers knows it."""
    takes = ", ".join(f"{name}={value!r}" for name, value in (SIZES | OPTIONS).items())
    config.addinivalue_line("markers", f"toggl_emulator({takes}): the Toggl that the fixtures of this test serve")


@pytest.fixture
def toggl_emulator(request: pytest.FixtureRequest) -> "Iterator[Running]":
    """A running Toggl emulator: `.url`, `.token`, `.tokens`, `.call`, `.faults`, `.requests`, `.log`, `.reset()`."""
    yield from _running(request, proxy=False)


@pytest.fixture
def toggl_proxy(request: pytest.FixtureRequest) -> "Iterator[Running]":
    """The same as a forward proxy, for programs with the vendor's URL built in: `.env` leads them here."""
    yield from _running(request, proxy=True)


def _running(request: pytest.FixtureRequest, *, proxy: bool) -> "Iterator[Running]":
    from syncd.emulator import limits, seed
    from syncd.emulator.background import running
    from syncd.emulator.stand import Wanted

    options = _options(request)
    sizes = {name: options[name] for name in SIZES}
    plan, rate = options["plan"], options["rate"]
    allowed = limits.plan(plan, per_second=rate) if plan else limits.Limits(per_second=rate)
    wanted = Wanted(proxy=proxy, api=options["api"], limits=allowed if plan or rate else None)
    try:
        with running(
            seed.documented if options["documented"] else lambda now: seed.generate(**sizes, now=now), wanted
        ) as toggl:
            yield toggl
    except ImportError as error:
        pytest.fail(f"toggl_proxy needs {error.name}: pip install 'syncd[emulate]'", pytrace=False)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the nearest marker says, over what holds without."""
    marker = request.node.get_closest_marker("toggl_emulator")
    options = SIZES | OPTIONS
    if marker is not None:
        if marker.args or (unknown := marker.kwargs.keys() - options.keys()):
            wrong = f"{marker.args[0]!r} without a name" if marker.args else min(unknown)
            pytest.fail(f"toggl_emulator takes {', '.join(options)}; not {wrong}", pytrace=False)
        options |= marker.kwargs
    return options
