"""What a process of the pool does: it runs one call after the other, and ends with its worker."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from procwire._core import hold_lifeline
from procwire.failures import describe

__all__ = ["dump", "serve"]


def dump(value: Any) -> bytes:
    """A value on its way to another process.

    Raises:
        Exception: whatever the value's own code raises; often :class:`pickle.PicklingError`,
            :class:`TypeError` or :class:`AttributeError`.
    """
    buffer = io.BytesIO()
    ForkingPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


def serve(connection: Connection) -> None:
    """Run the calls that the worker sends; returns when it sends no more."""
    worker = multiprocessing.parent_process()
    assert worker is not None
    # A pipe that is held open by the worker alone.
    hold_lifeline(worker.sentinel)
    # A terminal sends it to all processes; it is the worker that decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # It is standard error: a line must not be lost when the process is killed.
        sys.stdout.reconfigure(line_buffering=True)
    connection.send_bytes(b"ready")
    while True:
        try:
            payload = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(_answer(payload))


def _answer(payload: bytes) -> bytes:
    """The result and ``None``, or ``None`` with an exception and its traceback."""
    try:
        function, data = pickle.loads(payload)
        return dump((function(data), None))
    except BaseException as error:
        text = "".join(traceback.format_exception(error))
        try:
            failure = dump((None, (error, text)))
            # Some exceptions can be packed and not unpacked.
            pickle.loads(failure)
        except Exception:
            failure = dump((None, (RuntimeError(describe(error)), text)))
        return failure
