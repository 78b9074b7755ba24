"""What monitoring asks over HTTP: `/livez`, `/readyz`, `/metrics`. Off unless [service] listen is set."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from syncd.errors import ConfigError, DatabaseError, reason_of
from syncd.postgres.registry import Registry
from syncd.telemetry.metrics import CONTENT_TYPE, Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serve_pages(
    listen: tuple[str, int] | None, registry: Callable[[], Registry | None], metrics: Metrics
) -> AsyncIterator[None]:
    """Serve as long as the block. `registry` gives None while the database has not come yet.

    Raises:
        ConfigError: the address is taken or not ours.
    """
    if listen is None:
        yield
        return
    host, port = listen
    runner = web.AppRunner(_app(registry, metrics), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            problem = f"[service] listen = {host}:{port}: {reason_of(error)}; free the port or choose another one"
            raise ConfigError([problem]) from None
        yield
    finally:
        await runner.cleanup()


def _app(registry: Callable[[], Registry | None], metrics: Metrics) -> web.Application:
    app = web.Application()
    app.router.add_get("/livez", _live)
    app.router.add_get("/readyz", _ready(registry))
    app.router.add_get("/metrics", _metrics(metrics))
    return app


async def _live(_request: web.Request) -> web.Response:
    """The event loop turns. Says nothing about the database: restarting us would not mend it."""
    return web.Response(text="ok\n")


def _ready(registry: Callable[[], Registry | None]) -> Handler:
    async def ready(_request: web.Request) -> web.Response:
        """The database is there, with our schema, and answers."""
        known = registry()
        try:
            if known is not None:
                await known.health()
                return web.Response(text="ok\n")
        except DatabaseError:
            pass
        return web.Response(status=503, text="the database does not answer\n")

    return ready


def _metrics(metrics: Metrics) -> Handler:
    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    return show
