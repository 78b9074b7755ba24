"""syncd emulate"""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from syncd.clock import Clock, fresh_rng
from syncd.emulator import seed as seeds
from syncd.emulator.api import Version
from syncd.emulator.life import live
from syncd.emulator.model import World
from syncd.emulator.server import Emulator, Listener, announcement, plain_listener
from syncd.errors import ConfigError, reason_of


@click.command("emulate")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--seed", default=1, show_default=True, help="Equal seeds and sizes give equal data.")
@click.option("--tokens", default=1, show_default=True, type=click.IntRange(1), help="Users, each with an account.")
@click.option("--workspaces", default=1, show_default=True, type=click.IntRange(1), help="Per token.")
@click.option("--clients", default=20, show_default=True, type=click.IntRange(0), help="Per workspace.")
@click.option("--projects", default=4, show_default=True, type=click.IntRange(0), help="Per client.")
@click.option(
    "--api", default="both", show_default=True, type=click.Choice(["v8", "v9", "both"]), help="What it speaks."
)
@click.option("--documented", is_flag=True, help="Exactly the examples of the API documentation, whatever the sizes.")
@click.option("--live", "live_s", type=click.FloatRange(0.1), metavar="SECONDS", help="Change some data this often.")
@click.option("--proxy", is_flag=True, help="Be a forward proxy, too, for programs with the vendor's URL built in.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="With --proxy: where to write the certificate that "
              "clients must trust; else a temporary file.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Announce URL and tokens as one JSON line.")
def command(  # noqa: PLR0913, PLR0917 - one argument per option
    host: str,
    port: int,
    seed: int,
    tokens: int,
    workspaces: int,
    clients: int,
    projects: int,
    api: Version,
    documented: bool,
    live_s: float | None,
    proxy: bool,
    ca_file: Path | None,
    as_json: bool,
) -> None:
    """Serve made-up Toggl accounts until Ctrl-C. The first line of output names the URL and the tokens."""
    if ca_file is not None and not proxy:
        raise click.UsageError("--ca-file is for --proxy")
    now = Clock().now
    if documented:
        world = seeds.documented(now)
    else:
        world = seeds.generate(
            seed=seed, tokens=tokens, workspaces=workspaces, clients=clients, projects=projects, now=now
        )
    with _listening(ca_file, proxy=proxy) as (listener, trusted):
        emulator = Emulator(world, host=host, port=port, api=api, listener=listener)
        asyncio.run(_serve(emulator, f"--host {host} --port {port}", live_s, trusted, as_json=as_json))


@contextlib.contextmanager
def _listening(ca_file: Path | None, *, proxy: bool) -> Iterator[tuple[Listener, Path | None]]:
    """How to listen, and the file of the CA that clients of the proxy must trust."""
    if not proxy:
        yield plain_listener, None
        return
    try:
        from syncd.emulator import authority
        from syncd.emulator import proxy as proxies
    except ImportError as error:
        raise ConfigError([f"--proxy needs {error.name}; pip install 'syncd[emulate]'"]) from None
    ca = authority.Authority(proxies.HOSTS)
    with contextlib.ExitStack() as stack:
        try:
            trusted = stack.enter_context(authority.ca_file(ca.pem, ca_file))
        except OSError as error:
            raise ConfigError([f"--ca-file {ca_file}: {reason_of(error)}; choose another one"]) from None
        yield partial(proxies.Proxy, authority=ca), trusted


async def _serve(emulator: Emulator, where: str, live_s: float | None, trusted: Path | None, *, as_json: bool) -> None:
    stopped = _set_by_signals()  # before anybody can know that we are here
    try:
        await emulator.start()
    except OSError as error:
        raise ConfigError([f"{where}: {reason_of(error)}; choose another one"]) from None
    try:
        click.echo(_announced(emulator, trusted, as_json=as_json))
        sys.stdout.flush()
        await _live_on(emulator.world, live_s, stopped)
    finally:
        await emulator.stop()


def _announced(emulator: Emulator, trusted: Path | None, *, as_json: bool) -> str:
    facts = announcement(emulator)
    tokens = " ".join(f"{name}={token}" for name, token in emulator.world.tokens.items())
    line = f"Toggl emulator ({', '.join(emulator.api.versions)}) at {emulator.url}  tokens: {tokens}"
    if trusted is not None:
        facts |= {"proxy": emulator.url, "ca_file": str(trusted)}
        line += f"  proxy: {emulator.url}  CA: {trusted}"
    return json.dumps(facts) if as_json else line


def _set_by_signals() -> asyncio.Event:
    """An event that SIGTERM and Ctrl-C set."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _live_on(world: World, live_s: float | None, stopped: asyncio.Event) -> None:
    """Until `stopped`; with `live_s` the data changes meanwhile."""
    rng = fresh_rng()
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), live_s)
        if not stopped.is_set():
            live(world, rng)
