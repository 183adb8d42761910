"""Where a debugger connects on Windows: a named pipe of this user's alone, for the first one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from procwire import pipe_listener
from procwire._named_pipe import NamedPipe
from procwire.named_pipe import make_bell

__all__ = ["Offer", "PipeConnection", "connect", "offered", "waiting"]

PREFIX = "procwire-debug"
"""What the names of such pipes begin with."""
_DIRECTORY = "\\\\.\\pipe\\"
_WRITE_PAUSE = 0.01
"""Seconds between looks at what is being written; a line fits into the pipe at once."""


class PipeConnection:
    """A pipe for threads that wait: what a debugger needs of :class:`socket.socket`.

    One thread may receive while another one sends.
    """

    def __init__(self) -> None:
        self._bell, self._ringing = make_bell()
        self._pipe: NamedPipe

    @classmethod
    def open(cls, address: str) -> PipeConnection:
        """Connect to a pipe."""
        connection = cls()
        try:
            connection._pipe = NamedPipe.open(address, connection._ringing.fileno())
        except BaseException:
            connection._close_bell()
            raise
        return connection

    def offer(self, address: str) -> None:
        """Let the first one connect who comes."""
        try:
            self._pipe = NamedPipe.offer(address, True, self._ringing.fileno())
        except BaseException:
            self._close_bell()
            raise

    def accept(self) -> None:
        """Wait for whoever connects."""
        self._pipe.begin_accept()
        self._wait()

    def recv(self, size: int) -> bytes:
        """What has come, and nothing at the end."""
        buffer = bytearray(size)
        try:
            while True:
                self._pipe.begin_wait()
                self._wait()
                count = self._pipe.read_into(buffer)
                if count:
                    return bytes(buffer[:count])
        except EOFError:
            return b""

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._pipe.begin_write(data)
        while not self._pipe.written():
            time.sleep(_WRITE_PAUSE)

    def shutdown(self, _how: int) -> None:
        """Say that nothing else is sent, which a pipe can only do in words."""
        self.sendall(b"quit\n")

    def close(self) -> None:
        """Hang up; what has been sent can still be received."""
        self._pipe.close()
        self._close_bell()

    def __enter__(self) -> PipeConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self) -> None:
        while not self._pipe.waited():
            self._bell.recv(4096)

    def _close_bell(self) -> None:
        self._bell.close()
        self._ringing.close()


class Offer:
    """A pipe that waits for a debugger.

    Attributes:
        address: Its name.
    """

    def __init__(self) -> None:
        self.address = pipe_listener.make_address(PREFIX)
        self._connection = PipeConnection()
        self._connection.offer(self.address)

    def accept(self) -> PipeConnection:
        """The connection of the first one who connects; blocks."""
        self._connection.accept()
        return self._connection


@contextmanager
def offered() -> Iterator[Offer]:
    """Wait for a debugger.

    Raises:
        OSError: the system gives no pipe.
    """
    # Whoever has connected has the only instance: there is nothing to be closed.
    yield Offer()


def waiting(process: int | None = None) -> list[str]:
    """The addresses where workers, or one, wait for a debugger."""
    beginning = PREFIX if process is None else f"{PREFIX}-{process}-"
    names: list[str] = []
    with suppress(OSError):
        names = [name for name in os.listdir(_DIRECTORY) if name.startswith(beginning)]
    return [_DIRECTORY + name for name in sorted(names)]


def connect(address: str) -> PipeConnection | None:
    """A connection to the worker that waits there; ``None`` when it does so no more.

    Raises:
        OSError: it lets nobody in.
        ValueError: this is no pipe.
    """
    if not address.lower().startswith(_DIRECTORY):
        raise ValueError(address)
    try:
        return PipeConnection.open(address)
    except FileNotFoundError:
        return None
