"""Listening on a Unix socket, whose file only this user can reach."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import socket
import stat
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from procwire._core import forget_socket_file, guard_socket_file
from procwire.attaching import attach
from procwire.credentials import refusal

__all__ = ["MAX_PATH_SIZE", "UnixListener", "candidates", "listen", "make_path", "probe"]

MAX_PATH_SIZE = 103
"""Bytes of a Unix socket's path: 107 fit on Linux, 103 on macOS."""

BACKLOG = 4096
"""Connections that the kernel keeps until they are accepted, if its own limit is not lower. A
parent whose connection does not fit in fails at once."""
ACCEPTS_PER_TURN = 8
"""Connections accepted before others have the event loop. What has connected and sent its token
is read some four turns later, while as many again are accepted in each: far fewer than may wait,
so that no flood can push it out unheard."""
ACCEPT_PAUSE = 0.1
"""Seconds to accept nobody when there is no descriptor left."""

_logger = logging.getLogger("procwire.connection")

_SOCKET_MODE = stat.S_IRUSR | stat.S_IWUSR
_DIRECTORY_MODE = stat.S_IRWXU


class UnixListener:
    """A listening Unix socket that only this user can reach.

    Attributes:
        address: The socket's path, for the parent to connect to.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, address: str, directory: str | None
    ) -> None:
        self._loop = loop
        self.address = address
        # A directory made for this socket alone, to be removed with it.
        self._directory = directory
        self._socket: socket.socket | None = None
        self._inode: tuple[int, int] | None = None
        # While there is no descriptor for a further connection; it is said once.
        self._pause: asyncio.TimerHandle | None = None
        self._exhausted = False
        self._opening: set[asyncio.Task[None]] = set()
        # What os._exit() is as long as there is something to remove, and what it was before.
        self._hard_exit: Callable[[int], NoReturn] | None = None
        self._true_hard_exit: Callable[[int], NoReturn] = os._exit

    def start(
        self, make_protocol: Callable[[], asyncio.BaseProtocol], make_room: Callable[[], object]
    ) -> None:
        """Bind and listen; each connection of this user or of root gets a protocol of its own.

        ``make_room`` is called when there is no descriptor for one.
        """
        self._make_protocol = make_protocol
        self._make_room = make_room
        try:
            sock = self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.bind(self.address)
            # Nobody can connect before listen(), so the mode is right from the start.
            os.chmod(self.address, _SOCKET_MODE)
            status = os.lstat(self.address)
            self._inode = status.st_dev, status.st_ino
            directory = None if self._directory is None else os.fsencode(self._directory)
            # For those who own the loop, and never come to close this.
            guard_socket_file(os.fsencode(self.address), *self._inode, directory)
            atexit.register(self._remove_in, os.getpid())
            self._replace_hard_exit(os.getpid())
            sock.listen(BACKLOG)
            self._loop.add_reader(sock, self._accept)
        except BaseException:
            self.close()
            raise

    def _accept(self) -> None:
        # Not left to the loop's own server: asyncio's would read from whoever it is first, and
        # go on by itself after it has been closed when descriptors ran out.
        for _ in range(ACCEPTS_PER_TURN):
            if self._socket is None:
                return
            try:
                accepted, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._wait_for_room(error)
                return
            reason = refusal(accepted)
            if reason is not None:
                _logger.warning("a stranger's connection is refused: %s", reason)
                accepted.close()
                continue
            opening = self._loop.create_task(self._open(accepted, self._make_protocol()))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    def _wait_for_room(self, error: OSError) -> None:
        if not self._exhausted:
            self._exhausted = True
            _logger.warning("no connection can be accepted for the moment: %s", error)
        self._make_room()
        assert self._socket is not None
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(ACCEPT_PAUSE, self._accept_again)

    def _accept_again(self) -> None:
        self._pause = None
        if self._socket is not None:
            self._loop.add_reader(self._socket, self._accept)

    async def _open(self, accepted: socket.socket, protocol: asyncio.BaseProtocol) -> None:
        # It may end before it has begun.
        with suppress(OSError, RuntimeError):
            await attach(accepted, protocol)

    def close(self) -> None:
        """Stop listening and remove the socket, unless somebody has put another in its place."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        atexit.unregister(self._remove_in)
        if os._exit is self._hard_exit:
            os._exit = self._true_hard_exit  # type: ignore[assignment]
        self._remove()
        if self._inode is not None:
            forget_socket_file(*self._inode)

    def _replace_hard_exit(self, pid: int) -> None:
        """Nothing runs after os._exit(), so it has to be told beforehand."""
        true_hard_exit = self._true_hard_exit = os._exit

        def hard_exit(status: int) -> NoReturn:
            self._remove_in(pid)
            true_hard_exit(status)

        self._hard_exit = hard_exit
        os._exit = hard_exit

    def _remove_in(self, pid: int) -> None:
        # A forked child that ends has nothing to remove.
        if os.getpid() == pid:
            self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            status = os.lstat(self.address)
            if self._inode == (status.st_dev, status.st_ino):
                os.unlink(self.address)
        if self._directory is not None:
            with suppress(OSError):
                os.rmdir(self._directory)
            self._directory = None


def listen(
    loop: asyncio.AbstractEventLoop,
    make_protocol: Callable[[], asyncio.BufferedProtocol],
    make_room: Callable[[], object],
) -> UnixListener:
    """Listen in the first directory that is private, writable and short enough.

    Raises:
        OSError: there is no such directory; the text names those that were tried.
    """
    refused = []
    for base in candidates():
        try:
            listener = UnixListener(loop, *make_path(base))
            listener.start(make_protocol, make_room)
        except OSError as error:
            refused.append(f"{base} ({error.strerror or error})")
        else:
            return listener
    raise OSError(f"no directory for the socket: {', '.join(refused)}")


def candidates() -> list[str]:
    """Directories in order of preference, as the Node worker looks for them."""
    names = (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp", "/var/tmp")
    return list(dict.fromkeys(name for name in names if name and os.path.isabs(name)))


def make_path(base: str, prefix: str = "procwire") -> tuple[str, str | None]:
    """A path for a socket in ``base``, and the directory that was made for it, if one was.

    Raises:
        OSError: others could get at a socket there, or its path would be too long.
    """
    _check_base(base)
    # 128 random bits, in the short spelling: some runtime directories' names are long.
    name = f"{prefix}-{os.getpid()}-{urlsafe_b64encode(os.urandom(16)).rstrip(b'=').decode()}"
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


def probe(base: str) -> int:
    """How many bytes the path of a socket in ``base`` has, found out with one that is gone again.

    Raises:
        OSError: none can be there.
    """
    path, directory = make_path(base)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
    finally:
        with suppress(OSError):
            os.unlink(path)
        if directory is not None:
            os.rmdir(directory)
    return len(os.fsencode(path))


def _check_base(base: str) -> None:
    """Refuse a directory in which somebody else could put a socket in the place of ours."""
    for status in (os.lstat(base), os.stat(base)):
        if status.st_uid not in (0, os.geteuid()):
            raise OSError(f"it belongs to user {status.st_uid}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
        raise OSError("others may rename what is in it")


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
