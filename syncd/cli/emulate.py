"""syncd emulate"""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from syncd.clock import Clock, fresh_rng
from syncd.emulator import limits
from syncd.emulator import seed as seeds
from syncd.emulator.api import Version
from syncd.emulator.life import live
from syncd.emulator.model import World
from syncd.emulator.stand import Begin, Stand, Wanted, standing
from syncd.errors import ConfigError, reason_of


@click.command("emulate")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--seed", default=1, show_default=True, help="Equal seeds and sizes give equal data.")
@click.option("--tokens", default=1, show_default=True, type=click.IntRange(1), help="Users, each with an account.")
@click.option("--workspaces", default=1, show_default=True, type=click.IntRange(1), help="Per token.")
@click.option("--clients", default=20, show_default=True, type=click.IntRange(0), help="Per workspace.")
@click.option("--projects", default=4, show_default=True, type=click.IntRange(0), help="Per client.")
@click.option("--tags", default=0, show_default=True, type=click.IntRange(0), help="Per workspace.")
@click.option(
    "--api", default="both", show_default=True, type=click.Choice(["v8", "v9", "both"]), help="What it speaks."
)
@click.option("--plan", default="none", show_default=True, type=click.Choice([*limits.PLANS, "none"]), help="Whose "
              "hourly quotas apply: beyond them calls get 402.")  # fmt: skip
@click.option(
    "--rate", type=click.FloatRange(0.001), metavar="PER_SECOND", help="Requests a second of a token; more get 429."
)
@click.option("--documented", is_flag=True, help="Exactly the examples of the API documentation, whatever the sizes.")
@click.option("--live", "live_s", type=click.FloatRange(0.1), metavar="SECONDS", help="Change some data this often.")
@click.option("--proxy", is_flag=True, help="Be a forward proxy, too, for programs with the vendor's URL built in.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="With --proxy: where to write the certificate that "
              "clients must trust; else a temporary file.")  # fmt: skip
@click.option("--control/--no-control", default=True, help="Whether to serve the control plane under /_emulator/.")
@click.option(
    "--control-token",
    metavar="TEXT",
    envvar="TOGGL_EMULATOR_CONTROL_TOKEN",
    help="What must be sent to use it; else this machine may, as it is.",
)
@click.option("--json", "as_json", is_flag=True, help="Announce URL and tokens as one JSON line.")
def command(  # noqa: PLR0913, PLR0917 - one argument per option
    host: str,
    port: int,
    seed: int,
    tokens: int,
    workspaces: int,
    clients: int,
    projects: int,
    tags: int,
    api: Version,
    plan: str,
    rate: float | None,
    documented: bool,
    live_s: float | None,
    proxy: bool,
    ca_file: Path | None,
    control: bool,
    control_token: str | None,
    as_json: bool,
) -> None:
    """Serve made-up Toggl accounts until Ctrl-C. The first line of output names the URL and the tokens."""
    if ca_file is not None and not proxy:
        raise click.UsageError("--ca-file is for --proxy")

    def begin(now: Callable[[], datetime]) -> World:
        if documented:
            return seeds.documented(now)
        return seeds.generate(
            seed=seed, tokens=tokens, workspaces=workspaces, clients=clients, projects=projects, tags=tags, now=now
        )

    wanted = Wanted(
        host,
        port,
        proxy=proxy,
        ca_path=ca_file,
        control=control,
        control_token=control_token or None,
        api=api,
        limits=_limits(plan, rate),
    )
    asyncio.run(_serve(begin, wanted, live_s, as_json=as_json))


def _limits(plan: str, rate: float | None) -> limits.Limits | None:
    if plan in limits.PLANS:
        return limits.plan(plan, per_second=rate)
    return limits.Limits(per_second=rate) if rate else None


async def _serve(begin: Begin, wanted: Wanted, live_s: float | None, *, as_json: bool) -> None:
    stopped = _set_by_signals()  # before anybody can know that we are here
    async with contextlib.AsyncExitStack() as stack:
        try:
            stand = await stack.enter_async_context(standing(begin, Clock().now, wanted))
        except OSError as error:
            option = f"--ca-file {wanted.ca_path}" if error.filename else f"--host {wanted.host} --port {wanted.port}"
            raise ConfigError([f"{option}: {reason_of(error)}; choose another one"]) from None
        except ImportError as error:
            raise ConfigError([f"--proxy needs {error.name}; pip install 'syncd[emulate]'"]) from None
        click.echo(json.dumps(stand.announcement()) if as_json else _line(stand))
        sys.stdout.flush()
        await _live_on(stand, live_s, stopped)


def _line(stand: Stand) -> str:
    """The announcement for people."""
    emulator = stand.emulator
    tokens = " ".join(f"{name}={token}" for name, token in emulator.world.tokens.items())
    line = f"Toggl emulator ({', '.join(emulator.api.versions)}) at {emulator.url}  tokens: {tokens}"
    return line if stand.ca_path is None else f"{line}  proxy: {emulator.url}  CA: {stand.ca_path}"


def _set_by_signals() -> asyncio.Event:
    """An event that SIGTERM and Ctrl-C set."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _live_on(stand: Stand, live_s: float | None, stopped: asyncio.Event) -> None:
    """Until `stopped`; with `live_s` the data changes meanwhile."""
    rng = fresh_rng()
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), live_s)
        if not stopped.is_set():
            live(stand.emulator.world, rng)
