"""Connecting to a worker."""

from __future__ import annotations

import asyncio
import socket
import sys

from procwire.attaching import attach

__all__ = ["connect"]

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
        await attach(await _open(address), protocol)


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
