"""Where a debugger connects: a Unix socket of this user's alone, for the first one."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from procwire import unix_listener
from procwire.credentials import refusal

__all__ = ["Offer", "connect", "offered", "waiting"]

PREFIX = "procwire-debug"
"""What the names of such sockets, or of the directories made for them, begin with."""


class Offer:
    """A socket that waits for a debugger.

    Attributes:
        address: Its path.
    """

    def __init__(self, address: str, sock: socket.socket) -> None:
        self.address = address
        self._socket = sock

    def accept(self) -> socket.socket:
        """The connection of the first one who may connect; blocks."""
        while True:
            connection, _ = self._socket.accept()
            if refusal(connection) is None:
                return connection
            connection.close()


@contextmanager
def offered() -> Iterator[Offer]:
    """Wait for a debugger, in the first directory where that is safe.

    Raises:
        OSError: there is none.
    """
    path, directory = _make_path()
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
            os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
            sock.listen(1)
            yield Offer(path, sock)
    finally:
        with suppress(OSError):
            os.unlink(path)
        if directory is not None:
            with suppress(OSError):
                os.rmdir(directory)


def _make_path() -> tuple[str, str | None]:
    for base in unix_listener.candidates():
        with suppress(OSError):
            return unix_listener.make_path(base, PREFIX)
    raise OSError("there is no directory for its socket")


def waiting(process: int | None = None) -> list[str]:
    """The addresses where workers, or one, wait for a debugger, the oldest first."""
    pattern = f"{PREFIX}-{'*' if process is None else process}-*"
    found = []
    for base in unix_listener.candidates():
        for path in (*Path(base).glob(f"{pattern}.sock"), *Path(base).glob(f"{pattern}/s")):
            with suppress(OSError):
                status = path.lstat()
                # Somebody else could have put one there, to hear what is typed.
                if stat.S_ISSOCK(status.st_mode) and os.geteuid() in (0, status.st_uid):
                    found.append((status.st_mtime_ns, str(path)))
    return [path for _, path in sorted(found)]


def connect(address: str) -> socket.socket | None:
    """A connection to the worker that waits there; ``None`` when it was killed.

    Raises:
        OSError: it lets nobody in.
        ValueError: this is no socket.
    """
    path = Path(address)
    if not path.is_socket():
        raise ValueError(address)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
    except ConnectionRefusedError:
        connection.close()
        with suppress(OSError):
            path.unlink()
        if path.name == "s":
            with suppress(OSError):
                path.parent.rmdir()
        return None
    except BaseException:
        connection.close()
        raise
    return connection
