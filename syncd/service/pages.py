"""What people and monitoring ask over HTTP; off unless [service] listen is set.

`/` is one page for people, `/status` the same as JSON, `/metrics` numbers, `/livez` and `/readyz` one word. Nothing
here changes anything, names a token that is not configured, or waits for the database for longer than some seconds.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from syncd.clock import Clock
from syncd.errors import ConfigError, reason_of
from syncd.service import status_page
from syncd.service.measuring import MeasuringReporter
from syncd.service.overview import Lookout, Overview, count_states, unreadiness
from syncd.service.vitals import Vitals
from syncd.telemetry.logs import program_version

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HEADERS = {
    "Server": "syncd",
    "Cache-Control": "no-store",
    "Content-Security-Policy": status_page.SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@asynccontextmanager
async def serve_pages(
    listen: tuple[str, int] | None, vitals: Vitals, reporter: MeasuringReporter, clock: Clock
) -> AsyncIterator[None]:
    """Serve as long as the block.

    Raises:
        ConfigError: the address is taken or not ours.
    """
    if listen is None:
        yield
        return
    host, port = listen
    lookout = Lookout(vitals, clock)
    pages = Pages(vitals, lookout, reporter, clock)
    runner = web.AppRunner(pages.app(), access_log=None, shutdown_timeout=1.0)
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
        await lookout.close()


class Pages:
    """The handlers, and what they look at."""

    def __init__(self, vitals: Vitals, lookout: Lookout, reporter: MeasuringReporter, clock: Clock) -> None:
        self._vitals = vitals
        self._lookout = lookout
        self._metrics = reporter.metrics
        self._recent = reporter.recent
        self._clock = clock
        self._write_metrics: Handler = make_aiohttp_handler(self._metrics.registry)

    def app(self) -> web.Application:
        """GET and HEAD only; anything else is 405, and an unknown path 404."""
        app = web.Application()
        app.on_response_prepare.append(_harden)
        for path, handler in (
            ("/", self.page),
            ("/status", self.status),
            ("/metrics", self.metrics),
            ("/livez", self.livez),
            ("/readyz", self.readyz),
        ):
            app.router.add_get(path, handler)
        return app

    async def livez(self, _request: web.Request) -> web.Response:
        """The event loop turns, or nobody would answer; so do tick and dispatcher, or a restart would help."""
        return _verdict(self._vitals.ailment())

    async def readyz(self, _request: web.Request) -> web.Response:
        """The database answers, its schema is ours, and the mirror is fresh."""
        return _verdict(unreadiness(await self._lookout.look()))

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Gauges are of now, as far as the database answers."""
        self._measure(await self._lookout.look())
        return await self._write_metrics(request)

    async def status(self, _request: web.Request) -> web.Response:
        """What `syncd status --json` says, and what the daemon knows besides. 200 even if something is wrong."""
        overview = await self._lookout.look()
        body = json.dumps(self._status(overview), default=_plain)
        return web.Response(text=body, content_type="application/json")

    async def page(self, request: web.Request) -> web.Response:
        """For people. `?page=2` shows the next tokens, where there are many."""
        overview = await self._lookout.look()
        text = status_page.render(overview, self._vitals, self._recent, self._clock.now(), request.query.get("page"))
        return web.Response(text=text, content_type="text/html")

    def _measure(self, overview: Overview) -> None:
        vitals, metrics = self._vitals, self._metrics
        up = overview.problem is None
        metrics.service.set_state(database_up=up, leads=vitals.leads, in_flight=vitals.in_flight)
        if overview.read_at is None:
            return
        enabled = [row for row in overview.tokens if row["status"] != "disabled"]
        rows = {row["token"]: {**row, "staleness_seconds": overview.staleness_s(row)} for row in enabled}
        metrics.set_of_tokens(rows)
        for state, tokens in count_states(Counter(row["status"] for row in enabled)).items():
            metrics.set_tokens(state, tokens)
        metrics.set_quarantined(sum(row["quarantined"] for row in enabled))
        metrics.set_staleness_max(max((row["staleness_seconds"] or 0.0 for row in rows.values()), default=0.0))

    def _status(self, overview: Overview) -> dict[str, Any]:
        vitals = self._vitals
        return {
            "daemon": {
                "version": program_version(),
                "role": vitals.role,
                "started_at": vitals.started_at,
                "uptime_seconds": round(vitals.uptime_s, 1),
                "pulls_in_flight": vitals.in_flight,
                "not_alive": vitals.ailment(),
                "not_ready": unreadiness(overview),
            },
            "database": {
                "problem": overview.problem,
                "read_at": overview.read_at,
                "schema_version": overview.schema_version,
                "server_version": overview.server_version,
            },
            "tokens": overview.tokens,
            "deletes_held": overview.held,
            "quarantine": overview.quarantine,
        }


def _verdict(reason: str | None) -> web.Response:
    return web.Response(text="ok\n") if reason is None else web.Response(status=503, text=f"{reason}\n")


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
