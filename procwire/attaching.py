"""Giving a protocol a socket that is connected already."""

from __future__ import annotations

import asyncio
import socket

__all__ = ["attach"]


async def attach(sock: socket.socket, protocol: asyncio.BaseProtocol) -> None:
    """Make a transport of a connected socket for a protocol, which is told of it.

    The socket is the transport's from the call on, however that ends: to close ``sock`` afterwards
    does nothing.

    Args:
        sock: A connected stream socket, of any family.
        protocol: Whom the bytes are for. When this is cancelled, it may have been told of a
            connection, and is told then of its end.

    Raises:
        OSError, RuntimeError: there is nothing connected any more.
    """
    loop = asyncio.get_running_loop()
    # A second owner would close what the loop is still at: uvloop ends the process for that.
    owned = socket.socket(sock.family, sock.type, sock.proto, sock.detach())
    owned.setblocking(False)
    making = loop.create_task(_make(loop, owned, protocol))
    try:
        # uvloop, cancelled here, ends a connection that has been made and does not say so.
        await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_take_back)
        raise


async def _make(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: asyncio.BaseProtocol
) -> asyncio.Transport:
    try:
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock)
    except Exception:
        sock.close()
        raise
    return transport


def _take_back(making: asyncio.Task[asyncio.Transport]) -> None:
    if not making.cancelled() and making.exception() is None:
        making.result().abort()
