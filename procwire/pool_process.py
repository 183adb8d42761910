"""What a process of the pool does: it runs one call after the other, and ends with its worker."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
import warnings
from multiprocessing.context import get_spawning_popen
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, TypeAlias

from procwire import forks, logs
from procwire._core import hold_lifeline
from procwire.failures import describe

if TYPE_CHECKING:
    # What a Pipe() of two directions is on this platform.
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection

        Connection: TypeAlias = PipeConnection[Any, Any]
    else:
        from multiprocessing import connection

        Connection: TypeAlias = connection.Connection[Any, Any]

__all__ = ["Handover", "dump", "serve"]


class Handover:
    """What a process is given at its start.

    On Windows multiprocessing would keep a second handle of the connection here until the process
    comes and takes it; of one that dies before that nobody would notice. This one is the process's
    from its beginning, and is gone with it.

    Attributes:
        connection: Where it is sent calls.
        lifeline: What is at its end when the worker is; ``None`` on Windows, where that is a handle
            of the worker's process.
    """

    def __init__(self, connection: Connection, lifeline: Connection | None) -> None:
        self.connection = connection
        self.lifeline = lifeline

    def __getstate__(self) -> Any:
        if sys.platform == "win32":
            spawning = get_spawning_popen()
            assert spawning is not None
            return spawning.duplicate_for_child(self.connection.fileno())
        else:  # noqa: RET505 - mypy looks at one of the two
            return self.connection, self.lifeline

    def __setstate__(self, state: Any) -> None:
        if sys.platform == "win32":
            from multiprocessing.connection import PipeConnection

            state = PipeConnection(state), None
        self.connection, self.lifeline = state


def dump(value: Any) -> bytes:
    """A value on its way to another process.

    Raises:
        Exception: whatever the value's own code raises; often :class:`pickle.PicklingError`,
            :class:`TypeError` or :class:`AttributeError`.
    """
    buffer = io.BytesIO()
    ForkingPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


def serve(handover: Handover) -> None:
    """Run the calls that the worker sends; returns when it sends no more."""
    logs.speak_up()
    connection = handover.connection
    pid = os.getpid()
    # The next call must not be read, nor answered, by a child that the handler of one has forked.
    pipes = forks.Pipes(connection)
    if sys.platform == "win32":
        worker = multiprocessing.parent_process()
        assert worker is not None
        hold_lifeline(worker.sentinel)
    else:
        assert handover.lifeline is not None
        hold_lifeline(handover.lifeline.fileno())
        # multiprocessing has made it so, for this process; no program that is started from here is
        # to hold it.
        os.set_inheritable(connection.fileno(), False)
    # A terminal sends these to all processes; it is the worker that decides.
    for name in ("SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # It is standard error: a line must not be lost when the process is killed.
        sys.stdout.reconfigure(line_buffering=True)
    connection.send_bytes(b"ready")
    while True:
        try:
            payload = connection.recv_bytes()
        except EOFError:
            pipes.close()
            return
        answer = _answer(payload)
        forks.end_if_child(pid)
        connection.send_bytes(answer)


def _answer(payload: bytes) -> bytes:
    """The result and ``None``, or ``None`` with an exception and its traceback."""
    try:
        function, data = pickle.loads(payload)
        return dump((function(data), None))
    except BaseException as error:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            # Python 3.15 warns of the module that a process of multiprocessing has for a script,
            # and where warnings are errors the answer would be lost.
            text = "".join(traceback.format_exception(error))
        try:
            failure = dump((None, (error, text)))
            # Some exceptions can be packed and not unpacked.
            pickle.loads(failure)
        except Exception:
            failure = dump((None, (RuntimeError(describe(error)), text)))
        return failure
