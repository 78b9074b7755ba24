"""The net below everything: an exception that nobody caught becomes one redacted line, never Python's own output."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from syncd.telemetry.events import UNHANDLED_EXCEPTION
from syncd.telemetry.logs import Log


def install(log: Log) -> Callable[[], None]:
    """Catch what reaches the edge of the main thread, of other threads and of finalizers; and take in warnings.

    Returns:
        A function that puts everything back as it was.
    """
    before = sys.excepthook, threading.excepthook, sys.unraisablehook

    def on_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):  # a person pressed Ctrl-C: nothing is broken
            _emit(log, "the main thread", error.with_traceback(trace))

    def on_thread_error(details: threading.ExceptHookArgs) -> None:
        if details.exc_type is not SystemExit:
            _emit(log, "a thread", details.exc_value)

    def on_finalizer_error(details: "sys.UnraisableHookArgs") -> None:
        _emit(log, "a finalizer", details.exc_value)

    def restore() -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook = before
        logging.captureWarnings(False)

    sys.excepthook, threading.excepthook, sys.unraisablehook = on_error, on_thread_error, on_finalizer_error
    logging.captureWarnings(True)
    return restore


def watch_loop(log: Log, loop: asyncio.AbstractEventLoop) -> None:
    """Catch what tasks and callbacks of *loop* leave behind."""

    def on_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        _emit(log, f"the event loop: {context.get('message', '')}", context.get("exception"))

    loop.set_exception_handler(on_loop_error)


def _emit(log: Log, where: str, error: BaseException | None) -> None:
    log.emit(UNHANDLED_EXCEPTION, {"syncd.where": where}, error=error)
