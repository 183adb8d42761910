"""Where the parent connects: the one file that knows what kind of socket the platform has."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress

from procwire._core import watcher_set_socket

__all__ = ["MAX_PATH_SIZE", "UnixListener", "listen"]

MAX_PATH_SIZE = 103
"""Bytes of a Unix socket's path: 107 fit on Linux, 103 on macOS."""

_SOCKET_MODE = stat.S_IRUSR | stat.S_IWUSR
_DIRECTORY_MODE = stat.S_IRWXU


class UnixListener:
    """A listening Unix socket that only this user can reach.

    Attributes:
        address: The socket's path, for the parent to connect to.
    """

    def __init__(self, address: str, directory: str | None) -> None:
        self.address = address
        # A directory made for this socket alone, to be removed with it.
        self._directory = directory
        self._server: asyncio.AbstractServer | None = None
        self._inode: tuple[int, int] | None = None

    async def start(self, protocol_factory: Callable[[], asyncio.BaseProtocol]) -> None:
        """Bind and listen; each connection gets a protocol of its own."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.bind(self.address)
            # Nobody can connect before listen(), so the mode is right from the start.
            os.chmod(self.address, _SOCKET_MODE)
            status = os.lstat(self.address)
            self._inode = status.st_dev, status.st_ino
            directory = None if self._directory is None else os.fsencode(self._directory)
            watcher_set_socket(os.fsencode(self.address), *self._inode, directory)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(protocol_factory, sock=sock)
        except BaseException:
            sock.close()
            self.close()
            raise

    def close(self) -> None:
        """Stop listening and remove the socket, unless somebody has put another in its place."""
        if self._server is not None:
            self._server.close()
            self._server = None
        with suppress(OSError):
            status = os.lstat(self.address)
            if self._inode == (status.st_dev, status.st_ino):
                os.unlink(self.address)
        if self._directory is not None:
            with suppress(OSError):
                os.rmdir(self._directory)
            self._directory = None


async def listen(protocol_factory: Callable[[], asyncio.BaseProtocol]) -> UnixListener:
    """Listen in the first directory that is private, writable and short enough.

    Raises:
        OSError: there is no such directory; the text names those that were tried.
    """
    refused = []
    for base in _candidates():
        try:
            listener = UnixListener(*_make_path(base))
            await listener.start(protocol_factory)
        except OSError as error:
            refused.append(f"{base} ({error.strerror or error})")
        else:
            return listener
    raise OSError(f"no directory for the socket: {', '.join(refused)}")


def _candidates() -> list[str]:
    """Directories in order of preference, as the Node worker looks for them."""
    names = (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp", "/var/tmp")
    return list(dict.fromkeys(name for name in names if name and os.path.isabs(name)))


def _make_path(base: str) -> tuple[str, str | None]:
    """A path for a socket in ``base``, and the directory that was made for it, if one was."""
    # 128 random bits, in the short spelling: some runtime directories' names are long.
    name = f"procwire-{os.getpid()}-{urlsafe_b64encode(os.urandom(16)).rstrip(b'=').decode()}"
    if _is_private(base):
        path = f"{base}/{name}.sock"
        _check_length(path)
        return path, None
    # The name is random, so a directory of that name cannot have been put there beforehand.
    directory = f"{base}/{name}"
    path = f"{directory}/s"
    _check_length(path)
    os.mkdir(directory, _DIRECTORY_MODE)
    # The umask may have taken away what this process needs itself.
    os.chmod(directory, _DIRECTORY_MODE)
    return path, directory


def _check_length(path: str) -> None:
    size = len(os.fsencode(path))
    if size > MAX_PATH_SIZE:
        raise OSError(f"a socket's path would have {size} bytes, {MAX_PATH_SIZE} at most fit")


def _is_private(directory: str) -> bool:
    """Whether the directory is this user's alone, as a runtime directory has to be."""
    status = os.lstat(directory)
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    )
