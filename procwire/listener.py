"""Where the parent connects: what is listened on is a Unix socket, or on Windows a named pipe."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Protocol

__all__ = ["Listener", "listen"]


class Listener(Protocol):
    """Lets connections in until it is closed.

    Attributes:
        address: For the parent to connect to.
    """

    address: str

    def close(self) -> None:
        """Let nobody in any more; connections that are there stay."""


def listen(
    loop: asyncio.AbstractEventLoop,
    make_protocol: Callable[[], asyncio.BufferedProtocol],
    make_room: Callable[[], object],
) -> Listener:
    """Listen where only this user can connect.

    Args:
        loop: The running event loop.
        make_protocol: Called for each connection.
        make_room: Called when the system has no room for one more connection.

    Raises:
        OSError: there is no place to listen; the text says why.
    """
    if sys.platform == "win32":
        from procwire import pipe_listener as module
    else:
        from procwire import unix_listener as module
    return module.listen(loop, make_protocol, make_room)
