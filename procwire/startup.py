"""A worker that cannot start tells its parent why, instead of leaving it to a time limit."""

from __future__ import annotations

import sys
from types import TracebackType

from procwire import stdio
from procwire.control import ControlChannel
from procwire.failures import explain_start

__all__ = ["LINGER", "announced", "report_failure", "watch_main_module"]

LINGER = 1.0
"""Seconds to stay after a failure: the parent loses a message whose sender exits at once."""

_announced = False


def announced() -> None:
    """The parent has been told that this worker is ready; failures are no start failures now."""
    global _announced
    _announced = True


def report_failure(error: BaseException) -> None:
    """Tell the parent why this worker cannot start, and stay until it must have read that.

    Does nothing once the worker has been announced.
    """
    if _announced:
        return
    announced()
    message = f"{explain_start(error)} (Python interpreter: {sys.executable})"
    control = ControlChannel(stdio.take())
    control.send_error(message)
    control.wait_ended(LINGER)


def watch_main_module() -> None:
    """Report an exception that ends the main module before the worker has been announced."""
    previous = sys.excepthook

    def report(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        previous(kind, error, traceback)
        report_failure(error)

    sys.excepthook = report
