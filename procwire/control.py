"""The control plane: JSON lines with the parent over what were standard input and output.

They are read and written by the watcher, a native thread that no Python code can keep from it
(``csrc/procwire_watcher.c``).  Here messages are made, and the event loop learns what the
watcher has for it.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from procwire._core import (
    NEWS_ENDED,
    watcher_own_process,
    watcher_report_stalls,
    watcher_send,
    watcher_set_listener,
    watcher_start,
    watcher_turn,
)
from procwire.stdio import Descriptors

__all__ = ["ControlChannel", "own_process"]

_DUMP_SIGNAL: int = getattr(signal, "SIGRTMAX", 0) or getattr(signal, "SIGINFO", 0)
"""Raised by the watcher in a thread of its own: one that nobody else has a use for. 0 on Windows,
where they are printed with Python's lock instead."""

_STANDARD_ERROR = 2


def own_process(descriptors: Descriptors, exit_after: float) -> None:
    """The process is this worker's, and is ended if it does not end by itself.

    Args:
        descriptors: Where the parent is.
        exit_after: Seconds from the beginning of the end, which is when the parent says so, when
            it is gone, or ``watcher_begin_exit()``.

    Raises:
        OSError: the watcher cannot be started.
    """
    watcher_start(descriptors.input, descriptors.output)
    watcher_own_process(exit_after)


class ControlChannel:
    """What the parent and this worker say to each other.

    Args:
        descriptors: Where to read and write.

    Raises:
        OSError: the watcher cannot be started.
    """

    def __init__(self, descriptors: Descriptors) -> None:
        watcher_start(descriptors.input, descriptors.output)
        self._transport: asyncio.Transport | None = None

    async def open(self, on_end: Callable[[], object]) -> None:
        """Have ``on_end`` called on the running loop when the worker is to end.

        It may be called more than once.
        """
        # Not a descriptor that the loop watches, nor a thread that waits: a transport is what
        # every loop has on every platform, and nothing here has to wait for Python's lock twice.
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: _News(on_end), sock=_listen())

    def close(self) -> None:
        """Do not listen any more; the watcher goes on."""
        watcher_set_listener(-1)
        if self._transport is not None:
            self._transport.abort()

    def wait_ended(self, timeout: float) -> None:
        """Block until the parent is gone, for ``timeout`` seconds at most; without a loop."""
        end = time.monotonic() + timeout
        with _listen() as news:
            while not watcher_turn() & NEWS_ENDED and (left := end - time.monotonic()) > 0:
                news.settimeout(left)
                try:
                    news.recv(1)
                except TimeoutError:
                    break
            watcher_set_listener(-1)

    def report_stalls(self, seconds: float) -> None:
        """Have the stacks of all threads printed when the loop has stood still for so long."""
        if sys.platform != "win32":
            # Of the ways to print them without Python's lock this one leaves the timer of
            # faulthandler, of which a process has one, to the user.
            faulthandler.register(_DUMP_SIGNAL, file=_STANDARD_ERROR, all_threads=True)
        watcher_report_stalls(seconds, _DUMP_SIGNAL)

    def send_init(self, address: str, schema: dict[str, Any]) -> None:
        """Tell the parent where this worker listens and what it offers."""
        _send("$init", {"pipe": address, "schema": schema, "version": "1.0.0"})

    def send_error(self, message: str) -> None:
        """Tell the parent why this worker cannot start."""
        _send("$error", {"message": message})


class _News(asyncio.Protocol):
    """What the watcher has for the loop; reading it shows that the loop turns."""

    def __init__(self, on_end: Callable[[], object]) -> None:
        self._on_end = on_end

    def data_received(self, data: bytes) -> None:
        if watcher_turn():
            self._on_end()


def _listen() -> socket.socket:
    """A socket on which a byte arrives whenever there is news."""
    receiving, sending = socket.socketpair()
    sending.setblocking(False)
    if sys.platform == "win32":
        # It is a TCP connection: a byte must not wait until the one before was acknowledged.
        sending.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    watcher_set_listener(sending.detach())
    return receiving


def _send(method: str, params: dict[str, Any]) -> None:
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    # ASCII only.  An empty line ends one that was begun before the descriptors were taken, and
    # would swallow this one.
    line = json.dumps(message, separators=(",", ":")).encode("ascii")
    watcher_send(b"\n" + line + b"\n")
