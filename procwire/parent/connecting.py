"""Connecting to a worker's socket."""

from __future__ import annotations

import asyncio
import socket

__all__ = ["connect"]

QUEUE_PAUSE = 0.01
"""Seconds between looks at a full queue: the kernel does not tell when there is room in it."""


async def connect(path: str) -> socket.socket:
    """A socket that is connected to that of a worker; waits while others stand in line there.

    Event loops take the kernel's word that the queue is full for a connection that is under way,
    and then for one that is there.

    Raises:
        OSError: there is no socket, or nobody listens.
    """
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
