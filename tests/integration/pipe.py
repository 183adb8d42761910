"""The parent's end of a worker's named pipe on Windows, with the methods of a connected socket.

It has nothing in common with the pipes of the package, which are what is tested.
"""

from __future__ import annotations

import _winapi
import time
from contextlib import suppress
from typing import Self

__all__ = ["Pipe"]

BUSY_PAUSE = 10
"""Milliseconds to wait for a pipe to be offered again."""


class Pipe:
    """What the tests need of a connected :class:`socket.socket`.

    What has timed out goes on: nothing that was taken from the pipe, or given to it, is lost. One
    thread may receive while another one sends.
    """

    def __init__(self, handle: int, timeout: float | None) -> None:
        self._handle = handle
        self._timeout = timeout
        self._incoming: _winapi.Overlapped | None = None
        self._outgoing: _winapi.Overlapped | None = None
        self._received = b""
        self._closed = False

    @classmethod
    def open(cls, address: str, patience: float) -> Self:
        """Connect to a pipe, which may take a while when many do so.

        Raises:
            TimeoutError: it is there, and nobody is let in.
        """
        access = _winapi.GENERIC_READ | _winapi.GENERIC_WRITE
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                handle = _winapi.CreateFile(
                    address, access, 0, 0, _winapi.OPEN_EXISTING, _winapi.FILE_FLAG_OVERLAPPED, 0
                )
                return cls(handle, patience)
            except OSError as error:
                if error.winerror != _winapi.ERROR_PIPE_BUSY:
                    raise
            try:
                _winapi.WaitNamedPipe(address, BUSY_PAUSE)
            except OSError as error:
                if error.winerror != _winapi.ERROR_SEM_TIMEOUT:
                    raise
        raise TimeoutError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Its handle."""
        return self._handle

    def settimeout(self, seconds: float | None) -> None:
        """Raise :class:`TimeoutError` when nothing comes, or goes, for so long."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """How long is waited."""
        return self._timeout

    def setblocking(self, blocking: bool) -> None:
        """Wait for ever, or not at all."""
        self._timeout = None if blocking else 0

    def recv(self, size: int) -> bytes:
        """What has come, and nothing at the end."""
        if not self._received:
            if self._incoming is None:
                try:
                    self._incoming, _ = _winapi.ReadFile(self._handle, 65536, overlapped=True)
                except BrokenPipeError:
                    return b""
            self._wait(self._incoming)
            done, self._incoming = self._incoming, None
            try:
                done.GetOverlappedResult(True)
            except BrokenPipeError:
                return b""
            self._received = bytes(done.getbuffer() or b"")
        data, self._received = self._received[:size], self._received[size:]
        return data

    def send(self, data: bytes | memoryview) -> int:
        """Give the pipe some bytes, which it may not have taken yet; those before it has."""
        self._finish_sending()
        if len(data):
            # It keeps them until they are taken.
            self._outgoing, _ = _winapi.WriteFile(self._handle, bytes(data), overlapped=True)
        return len(data)

    def sendall(self, data: bytes | memoryview) -> None:
        """Send all of it."""
        self.send(data)
        self._finish_sending()

    def takes_more(self) -> bool:
        """Whether all that was sent has been taken."""
        return self._outgoing is None or self._is_done(self._outgoing, 0)

    def close(self) -> None:
        """Hang up; what the pipe has taken can still be received."""
        if not self._closed:
            self._closed = True
            for going_on in (self._incoming, self._outgoing):
                if going_on is not None:
                    going_on.cancel()
                    with suppress(OSError):
                        going_on.GetOverlappedResult(True)
            _winapi.CloseHandle(self._handle)

    def _finish_sending(self) -> None:
        if self._outgoing is not None:
            self._wait(self._outgoing)
            done, self._outgoing = self._outgoing, None
            # Whoever has hung up is an error, as it is with a socket.
            done.GetOverlappedResult(True)

    def _wait(self, going_on: _winapi.Overlapped) -> None:
        milliseconds = _winapi.INFINITE if self._timeout is None else int(self._timeout * 1000)
        if not self._is_done(going_on, milliseconds):
            raise TimeoutError if self._timeout else BlockingIOError

    @staticmethod
    def _is_done(going_on: _winapi.Overlapped, milliseconds: int) -> bool:
        waited = _winapi.WaitForMultipleObjects([going_on.event], False, milliseconds)
        return waited != _winapi.WAIT_TIMEOUT
