"""Requests per second of the emulator beside a bare aiohttp handler that returns the same bytes.

    python bench/emulator.py [--seconds 2] [--runs 5] [--connections 16] [--clients 50] [--projects 4]

Each server runs in a process of its own. The load is raw HTTP over kept-alive connections, from this process, as
cheap as it can be made, so that it measures servers and not a client. The two take turns; printed are minimum and
median of the runs, and the ratio of the medians. Exit code 1 if the emulator serves less than half of the bare one.
"""

import argparse
import asyncio
import base64
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from syncd.emulator import seed
from syncd.emulator.model import World
from syncd.emulator.server import Emulator

FLOOR = 0.5


def world(args: argparse.Namespace) -> World:
    return seed.generate(
        seed=1,
        tokens=4,
        workspaces=1,
        clients=args.clients,
        projects=args.projects,
        now=lambda: datetime.now(UTC),
    )


async def serve_emulator(args: argparse.Namespace) -> None:
    async with Emulator(world(args)) as emulator:
        print(emulator.url, flush=True)
        await asyncio.Event().wait()


async def serve_bare(_: argparse.Namespace) -> None:
    """One handler in a plain aiohttp application. It learns by POST what to return to every GET."""
    kept = b""

    async def learn(request: web.Request) -> web.Response:
        nonlocal kept
        kept = await request.read()
        return web.Response()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=kept, content_type="application/json")

    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/", learn)
    app.router.add_get("/api/v8/{rest:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("http://{}:{}".format(*runner.addresses[0][:2]), flush=True)
    await asyncio.Event().wait()


SERVERS: dict[str, Callable[[argparse.Namespace], Coroutine[Any, Any, None]]] = {
    "emulator": serve_emulator,
    "bare": serve_bare,
}


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """One request on a kept-alive connection; returns the body."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    return await reader.readexactly(length) if length else b""


async def load(url: str, requests: list[bytes], connections: int, seconds: float) -> float:
    """Requests per second with so many connections, each asking for all pages in turn."""
    address = urlsplit(url)
    deadline = time.monotonic() + seconds

    async def worker(offset: int) -> int:
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 22)
        done = 0
        while time.monotonic() < deadline:
            await exchange(reader, writer, requests[(offset + done) % len(requests)])
            done += 1
        writer.close()
        await writer.wait_closed()
        return done

    began = time.monotonic()
    counts = await asyncio.gather(*(worker(n) for n in range(connections)))
    return sum(counts) / (time.monotonic() - began)


def head(method: str, path: str, token: str = "", length: int = 0) -> bytes:
    credentials = base64.b64encode(f"{token}:api_token".encode()).decode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Basic {credentials}"]
    lines += ["Accept-Encoding: gzip, deflate", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


async def fetch(url: str, request: bytes) -> bytes:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 22)
    body = await exchange(reader, writer, request)
    writer.close()
    await writer.wait_closed()
    return body


async def compare(args: argparse.Namespace, urls: dict[str, str]) -> float:
    """Print the figures of three pages that the service asks for; returns the worst ratio."""
    made = world(args)
    (workspace_id,) = made.user("t0").access
    clients = [client.id for client in made.clients_of(workspace_id)]
    pages = {
        "GET /clients": ["/api/v8/clients"],
        "GET /clients/{id}/projects": [f"/api/v8/clients/{key}/projects?active=both" for key in clients],
        "GET /workspaces/{wid}/projects": [f"/api/v8/workspaces/{workspace_id}/projects?active=both"],
    }
    ratios = []
    for label, paths in pages.items():
        requests = [head("GET", path, made.tokens["t0"]) for path in paths]
        body = await fetch(urls["emulator"], requests[0])
        await fetch(urls["bare"], head("POST", "/", length=len(body)) + body)
        rates: dict[str, list[float]] = {server: [] for server in SERVERS}
        for _ in range(args.runs):
            for server, found in rates.items():
                found.append(await load(urls[server], requests, args.connections, args.seconds))
        ratios.append(statistics.median(rates["emulator"]) / statistics.median(rates["bare"]))
        print(f"{label}: {len(body):,} bytes, {len(json.loads(body))} rows")
        for server, found in rates.items():
            print(f"  {server:9} min {min(found):8,.0f}  median {statistics.median(found):8,.0f} requests/s")
        print(f"  ratio {ratios[-1]:.2f}")
    return min(ratios)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=2.0)
    for option, default in (("runs", 5), ("connections", 16), ("clients", 50), ("projects", 4)):
        parser.add_argument(f"--{option}", type=int, default=default)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(SERVERS[args.serve](args))
        return 0
    processes = {}
    urls = {}
    try:
        for name in SERVERS:
            command = [sys.executable, __file__, "--serve", name, *sys.argv[1:]]
            processes[name] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            output = processes[name].stdout
            urls[name] = output.readline().strip() if output else ""
        worst = asyncio.run(compare(args, urls))
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    print(f"worst ratio {worst:.2f} (floor {FLOOR})")
    return 0 if worst >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
