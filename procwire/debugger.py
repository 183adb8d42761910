"""A debugger for a worker: :mod:`pdb` over a connection that ``procwire attach`` makes.

The thread that comes to a breakpoint waits for it; on the event loop's thread that is the whole
worker. Meanwhile the watcher answers the parent's pings. Who may connect is this user alone, as
with the data plane, and only the first one does.
"""

from __future__ import annotations

import os
import pdb
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

from procwire._core import watcher_set_liveness

if sys.platform == "win32":
    from procwire import debug_pipes as meeting

    Connection = meeting.PipeConnection
else:
    import socket

    from procwire import debug_sockets as meeting

    Connection = socket.socket

__all__ = ["Connection", "meeting", "stop"]


READ_SIZE = 64 * 1024


class _Pause:
    """How many threads stand still for a debugger: as long as there are any, pings are answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    @contextmanager
    def __call__(self, answers_pings: bool) -> Iterator[None]:
        with self._lock:
            self._count += 1
            watcher_set_liveness(True)
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
                watcher_set_liveness(answers_pings or self._count > 0)


_paused = _Pause()
# Debuggers that are connected, by thread: a breakpoint comes to the one that its thread has.
_debuggers: dict[int, _Debugger] = {}


def stop(frame: FrameType, answers_pings: bool) -> None:
    """Stop in this frame, and wait for a debugger unless the thread has one.

    Args:
        frame: The frame that has called ``breakpoint()``.
        answers_pings: Whether the worker answers pings by itself, when no debugger holds it up.
    """
    debugger = _debuggers.get(threading.get_ident())
    if debugger is None:
        with _paused(answers_pings):
            connection = _wait(frame)
        if connection is None:
            return
        debugger = _Debugger(connection, answers_pings)
    debugger.set_trace(frame)


def _wait(frame: FrameType) -> Connection | None:
    """Say how to attach, and wait for whoever does."""
    where = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}()"
    try:
        with meeting.offered() as offer:
            _say(
                f"procwire: {where} waits at a breakpoint; to debug it:\n"
                f"    {sys.executable} -m procwire attach {os.getpid()}"
                f"    # or attach {offer.address}"
            )
            return offer.accept()
    except OSError as error:
        _say(f"procwire: {where}: no debugger can attach: {error}")
        return None


def _say(text: str) -> None:
    # Whoever has replaced sys.stderr, a test runner for instance, wants to know as well.
    print(text, file=sys.stderr, flush=True)


class _Terminal:
    """What pdb wants of a text file, for whoever is attached; input is at its end with him."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # What has come of lines that nobody has asked for yet.
        self._received = b""

    def readline(self) -> str:
        """A line, or nothing at the end."""
        with suppress(OSError):
            while b"\n" not in self._received:
                data = self._connection.recv(READ_SIZE)
                if not data:
                    break
                self._received += data
        line, newline, self._received = self._received.partition(b"\n")
        return (line + newline).decode(errors="replace")

    def write(self, text: str) -> int:
        """Send a text."""
        with suppress(OSError):
            self._connection.sendall(text.encode(errors="replace"))
        return len(text)

    def flush(self) -> None:
        """All has been sent."""

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class _Debugger(pdb.Pdb):
    """pdb for one thread, with whoever is attached.

    It lives until its thread goes on without breakpoints. Whoever leaves, with ``quit`` or without
    a word, takes the breakpoints with him: the request that was looked at is answered.
    """

    def __init__(self, connection: Connection, answers_pings: bool) -> None:
        self._terminal = _Terminal(connection)
        terminal: Any = self._terminal
        super().__init__(stdin=terminal, stdout=terminal, nosigint=True)
        self._answers_pings = answers_pings
        self._thread = threading.get_ident()
        _debuggers[self._thread] = self

    def interaction(
        self, frame: FrameType | None, traceback: TracebackType | BaseException | None
    ) -> None:
        """Let whoever is attached look around."""
        with _paused(self._answers_pings):
            super().interaction(frame, traceback)  # type: ignore[arg-type]

    def set_continue(self) -> None:
        """Go on; for good when there is no other breakpoint."""
        super().set_continue()
        if not self.breaks:
            _debuggers.pop(self._thread, None)
            self._terminal.close()

    def do_quit(self, arg: str) -> bool:
        """quit: let the handler go on without a debugger."""
        self.clear_all_breaks()
        self.set_continue()
        return True

    do_q = do_exit = do_EOF = do_quit  # noqa: N815

    def do_run(self, arg: str) -> None:
        """run: a worker is not started again from here."""
        self.error("a worker is not started again from here")

    do_restart = do_run
