"""Connecting to a worker, or to a socket that is connected to one."""

from __future__ import annotations

import asyncio
import socket
import sys

__all__ = ["connect", "connect_socket"]

QUEUE_PAUSE = 0.01
"""Seconds between looks at a full queue: the kernel does not tell when there is room in it."""


async def connect(address: str, protocol: asyncio.BufferedProtocol) -> None:
    """Connect a protocol to a worker; waits while others stand in line there.

    Args:
        address: The path of the worker's Unix socket, or on Windows the name of its pipe.
        protocol: Whom the bytes are for.

    Raises:
        OSError: there is no such worker, or it lets nobody in.
    """
    if sys.platform == "win32":
        from procwire import named_pipe

        await named_pipe.connect(address, lambda: protocol)
    else:
        await connect_socket(await _open(address), protocol)


async def connect_socket(sock: socket.socket, protocol: asyncio.BufferedProtocol) -> None:
    """Give a protocol a connected socket, of whatever kind the platform has."""
    loop = asyncio.get_running_loop()
    make = loop.create_connection if sys.platform == "win32" else loop.create_unix_connection
    # uvloop, when it is cancelled here, ends a connection that has been made and does not say so.
    making = asyncio.ensure_future(make(lambda: protocol, sock=sock))
    try:
        await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_take_back)
        raise


def _take_back(making: asyncio.Future[tuple[asyncio.Transport, asyncio.BufferedProtocol]]) -> None:
    if not making.cancelled() and making.exception() is None:
        transport, _ = making.result()
        transport.abort()


if sys.platform != "win32":

    async def _open(path: str) -> socket.socket:
        # Event loops take the kernel's word that the queue is full for a connection that is under
        # way, and then for one that is there.
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            while True:
                try:
                    sock.connect(path)
                except BlockingIOError:
                    await asyncio.sleep(QUEUE_PAUSE)
                else:
                    return sock
        except BaseException:
            sock.close()
            raise
