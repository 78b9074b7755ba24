"""The daemon: `tick ─▶ lead? ─▶ dispatch what is due`, a heartbeat, and a clean way out."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial

from syncd.clock import Clock
from syncd.config import Settings
from syncd.errors import DatabaseError, DatabaseUnavailable
from syncd.postgres.embedded import EmbeddedPostgres
from syncd.postgres.registry import Registry
from syncd.service.database import database_url, sqlstate_field
from syncd.service.dispatcher import Dispatcher, dispatcher_of
from syncd.service.heartbeat import Heartbeat
from syncd.service.housekeeping import expire_history
from syncd.service.measuring import MeasuringReporter
from syncd.service.pages import serve_pages
from syncd.service.reload import Reload
from syncd.service.runtime import Runtime, open_runtime
from syncd.service.sd_notify import ServiceManager
from syncd.service.ticking import ticking
from syncd.service.vitals import Vitals
from syncd.telemetry import events

TICK_S = 1.0
HEARTBEAT_S = 60.0
STALL_S = 5.0
"""An event loop that stood still for so long is worth a line."""


class Daemon:
    """One process that keeps all tokens fresh until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        reporter: MeasuringReporter,
        clock: Clock,
        manager: ServiceManager | None = None,
        load: Callable[[], Settings] | None = None,
    ) -> None:
        """`manager`: who is told of our states; None: nobody. `load`: reads the settings anew; None: they stay."""
        self._settings = settings
        self._reporter = reporter
        self._log = reporter.log
        self._clock = clock
        self._manager = manager or ServiceManager({}, clock)
        self._reload = Reload(settings, load or (lambda: settings), reporter, self._manager)
        self._tick = asyncio.Event()
        self._stop = asyncio.Event()
        self._signal: signal.Signals | None = None
        self._away_since: float | None = None
        self._embedded: EmbeddedPostgres | None = None
        self._vitals = Vitals(clock, settings.tokens)

    def stop(self, number: signal.Signals | None = None) -> None:
        """Finish what is at work and leave. A second signal means: now, whatever is open is rolled back."""
        if self._stop.is_set() and number is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._signal = number
        self._stop.set()

    async def run(self) -> None:
        """Until a signal.

        Raises:
            DatabaseUnusable: a person must act first.
            ConfigError: [service] listen cannot be had.
        """
        started = self._clock.monotonic()
        in_flight = 0
        failure: Exception | None = None
        async with self._signals():
            self._log_start()
            try:
                in_flight = await self._open_and_serve()
            except Exception as error:
                failure = error
                raise
            finally:
                duration = round((self._clock.monotonic() - started) * 1e9)
                code = 0 if failure is None else getattr(failure, "exit_code", 1)
                self._log.emit(
                    events.STOP_FINISH,
                    {"event.duration": duration, "syncd.in_flight": in_flight, "syncd.exit_code": code},
                    level="fatal" if failure else None,
                    error=failure,
                )

    async def _open_and_serve(self) -> int:
        """From the first wait to the last; how many pulls had to be rolled back."""
        listen = self._settings.service.listen
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(serve_pages(listen, self._vitals, self._reporter, self._clock))
            await stack.enter_async_context(self._watched_over())
            heartbeat = Heartbeat(self._reporter, self._clock)
            beating = asyncio.create_task(heartbeat.beat_every(HEARTBEAT_S))
            opening = asyncio.create_task(self._open(stack))
            stopping = asyncio.create_task(self._stop.wait())
            for task in (beating, opening, stopping):
                stack.callback(task.cancel)
            await asyncio.wait({opening, stopping, beating}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                runtime, url = opening.result()
                heartbeat.open(runtime)
                return await self._serve(runtime, url, beating)
            self._log_stop(0)  # told to stop while the database was still away
            opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await opening
            if beating.done():
                beating.result()  # it never ends by itself: a mistake of ours
            return 0

    @asynccontextmanager
    async def _watched_over(self) -> AsyncIterator[None]:
        """The service manager knows that we are up, and hears from this event loop for as long as it turns.

        Ready comes before the database does: whoever orders services after us must not fail over it.
        """
        self._manager.ready("waiting for the database")
        tasks = [asyncio.create_task(self._show_life()), asyncio.create_task(self._look_for_ailments())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def _show_life(self) -> None:
        """Feed the watchdog, unless a restart would help."""
        if self._manager.watchdog_s is None:
            return
        while True:
            if self._vitals.ailment() is None:
                self._manager.alive()
            await asyncio.sleep(self._manager.watchdog_s / 3)

    async def _look_for_ailments(self) -> None:
        """Measure how late the event loop is; say once what a restart would help against, or that it stood still."""
        was_ailing = False
        while True:
            asked = self._clock.monotonic()
            await asyncio.sleep(TICK_S)
            late_s = self._clock.monotonic() - asked - TICK_S
            self._reporter.metrics.service.timer_late(late_s)
            if late_s > STALL_S:
                stall = f"the event loop stood still for {late_s:.0f} s"
                self._log.emit(events.WEDGED, {"syncd.ailment": stall}, level="warning")
            ailment = self._vitals.ailment()
            if ailment is not None and not was_ailing:
                self._log.emit(events.WEDGED, {"syncd.ailment": ailment})
            was_ailing = ailment is not None

    def _log_start(self) -> None:
        settings = self._settings
        self._log.emit(
            events.START,
            {
                "syncd.config.source": settings.source,
                "syncd.config.fingerprint": settings.fingerprint(),
                "syncd.token_count": len(settings.tokens),
                "syncd.interval_seconds": settings.sync.interval.total_seconds(),
                "syncd.python_version": sys.version.split()[0],
            },
        )

    async def _log_ready(self, runtime: Runtime) -> None:
        schema, server = None, None
        with contextlib.suppress(DatabaseUnavailable):  # the next turn says so
            schema, server = await runtime.registry.versions()
        self._log.emit(
            events.READY,
            {
                "syncd.token_count": len(runtime.subjects),
                "syncd.schema_version": schema,
                "syncd.server_version": server,
                "server.address": runtime.database.where,
            },
        )
        self._manager.status(f"mirroring {len(runtime.subjects)} token(s) into {runtime.database.where}")

    def _log_stop(self, in_flight: int) -> None:
        self._manager.stopping()
        name = self._signal.name if self._signal else None
        self._log.emit(events.STOP_BEGIN, {"syncd.signal": name, "syncd.in_flight": in_flight})

    async def _open(self, stack: AsyncExitStack) -> tuple[Runtime, str]:
        """Everything that may have to wait: for another owner of the data directory, or for the database."""
        settings = self._settings
        server = database_url(settings, exclusive=True, on_embedded=self._tend)
        url = await stack.enter_async_context(server)
        while True:
            runtime = open_runtime(settings, url, self._reporter, self._clock, patient=True)
            try:
                return await stack.enter_async_context(runtime), url
            except DatabaseUnavailable as error:  # it came, and went before all was read
                self._note_away(error)
                await asyncio.sleep(TICK_S)

    def _tend(self, server: EmbeddedPostgres) -> None:
        self._embedded = server

    async def _serve(self, runtime: Runtime, url: str, beating: "asyncio.Task[None]") -> int:
        """Dispatch until told to stop, or until the heartbeat fails; how many pulls had to be rolled back."""
        dispatcher = dispatcher_of(self._settings, runtime, url, self._clock)
        async with self._ticking(runtime):
            await self._log_ready(runtime)
            self._vitals.open(runtime.registry)
            turning = asyncio.create_task(self._turn_for_ever(runtime, dispatcher))
            stopping = asyncio.create_task(self._stop.wait())
            try:
                done, _ = await asyncio.wait({turning, beating, stopping}, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {stopping}:  # neither ends by itself: a mistake of ours, and no reason to idle on
                    task.result()
            finally:
                for task in (turning, beating, stopping):
                    task.cancel()
                self._log_stop(dispatcher.workers.in_flight)
                rolled_back = await dispatcher.close()
        return rolled_back

    async def _turn_for_ever(self, runtime: Runtime, dispatcher: Dispatcher) -> None:
        """A turn per tick. The scheduler goes by the wall clock, which may be put back: then we go by our own."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * TICK_S):
                    await self._tick.wait()
            self._tick.clear()
            self._vitals.ticked()
            await self._turn(runtime, dispatcher)
            self._vitals.turned(leads=dispatcher.leads, in_flight=dispatcher.workers.in_flight)

    async def _turn(self, runtime: Runtime, dispatcher: Dispatcher) -> None:
        try:
            if self._embedded is not None and await self._embedded.revive():
                self._log.emit(events.DB_RESTARTED)
            await self._reload.apply(runtime)
            self._vitals.configure(self._reload.settings.tokens)
            dispatcher.workers.limit = self._reload.settings.sync.max_concurrent_pulls
            await dispatcher.turn()
        except DatabaseError as error:
            self._reporter.metrics.service.database_failed()
            self._note_away(error)
        else:
            if self._away_since is not None:
                duration = round((self._clock.monotonic() - self._away_since) * 1e9)
                self._log.emit(events.DB_RECOVERED, {"event.duration": duration})
            self._away_since = None

    def _note_away(self, error: DatabaseError) -> None:
        """Once, until a turn has found it back."""
        if self._away_since is None:
            self._away_since = self._clock.monotonic()
            self._log.emit(events.DB_UNAVAILABLE, sqlstate_field(error), error=error)

    def _ticking(self, runtime: Runtime) -> AbstractAsyncContextManager[None]:
        return ticking(self._tick, TICK_S, partial(self._keep_house, runtime.registry))

    async def _keep_house(self, registry: Registry) -> None:
        await expire_history(registry, self._reload.settings.sync.history.retention, self._log)

    @asynccontextmanager
    async def _signals(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, self.stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload.request)
        try:
            yield
        finally:
            for number in (*numbers, signal.SIGHUP):
                loop.remove_signal_handler(number)
