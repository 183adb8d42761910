"""A named pipe as a program that knows nothing of this library serves it: blocking, on Windows."""

from __future__ import annotations

import _winapi
from typing import Any

_INSTANCES = 64
_SIZE = 65536


class Listener:
    """What the tests need of a listening :class:`socket.socket`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._strangers: list[int] = []
        self._offered = self._offer(_winapi.FILE_FLAG_FIRST_PIPE_INSTANCE)

    def _offer(self, flags: int = 0) -> int:
        return _winapi.CreateNamedPipe(
            self.address,
            _winapi.PIPE_ACCESS_DUPLEX | flags,
            _winapi.PIPE_WAIT,
            _INSTANCES,
            _SIZE,
            _SIZE,
            0,
            0,
        )

    def accept(self) -> tuple[Connection, None]:
        """The next one who connects."""
        handle = self._offered
        try:
            _winapi.ConnectNamedPipe(handle, overlapped=False)
        except OSError as error:
            # It is the one who was faster than that.
            if error.winerror != _winapi.ERROR_PIPE_CONNECTED:
                raise
        self._offered = self._offer()
        return Connection(handle), None

    def fill(self) -> None:
        """Have a stranger take what is offered: others find the pipe busy until one is accepted."""
        access = _winapi.GENERIC_READ | _winapi.GENERIC_WRITE
        stranger = _winapi.CreateFile(self.address, access, 0, 0, _winapi.OPEN_EXISTING, 0, 0)
        self._strangers.append(stranger)

    def close(self) -> None:
        """Be there no more."""
        _winapi.CloseHandle(self._offered)


class Connection:
    """What the tests need of a connected one."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def recv(self, size: int) -> bytes:
        """What has come, and nothing at the end."""
        read: Any = _winapi.ReadFile
        try:
            data: bytes = read(self._handle, size)[0]
        except BrokenPipeError:
            return b""
        return data

    def close(self) -> None:
        """Hang up."""
        _winapi.CloseHandle(self._handle)
