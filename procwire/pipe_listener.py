"""Listening on a named pipe of Windows, which is this user's alone.

A pipe of that name has as many instances as there are connections, and one more, which the next who
connects gets. The first one is refused by the system if there is a pipe of that name already, and
while there is one nobody else can add another. So whoever connects finds this worker.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from contextlib import suppress

from procwire._named_pipe import NamedPipe
from procwire.named_pipe import Bell, PipeTransport

__all__ = ["PipeListener", "listen", "make_address", "probe"]

ACCEPTS_PER_TURN = 8
"""Connections accepted before others have the event loop."""
OFFER_PAUSE = 0.1
"""Seconds to accept nobody when the system has no room for one more instance."""

_logger = logging.getLogger("procwire.connection")


def make_address(prefix: str = "procwire") -> str:
    """A name that nobody can guess: 128 random bits."""
    return rf"\\.\pipe\{prefix}-{os.getpid()}-{secrets.token_hex(16)}"


class PipeListener:
    """A pipe that lets connections in until it is closed.

    Attributes:
        address: The pipe's name, for the parent to connect to.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, address: str) -> None:
        self.address = address
        self._loop = loop
        self._bell = Bell(loop)
        # The instance that the next one gets.
        self._offered: NamedPipe | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._closed = False

    def start(
        self, make_protocol: Callable[[], asyncio.BufferedProtocol], make_room: Callable[[], object]
    ) -> None:
        """Listen; each connection gets a protocol of its own."""
        self._make_protocol = make_protocol
        self._make_room = make_room
        self._bell.join(self)
        try:
            self._offer(first=True)
        except BaseException:
            self.close()
            raise
        self._loop.call_soon(self.rung)

    def _offer(self, *, first: bool) -> None:
        pipe = NamedPipe.offer(self.address, first, self._bell.handle)
        # One that came and went meanwhile is found by who looks at what has come of it.
        with suppress(BrokenPipeError):
            pipe.begin_accept()
        self._offered = pipe

    def rung(self) -> None:
        """Somebody has connected, perhaps."""
        for _ in range(ACCEPTS_PER_TURN):
            pipe = self._offered
            if pipe is None or self._pause is not None:
                return
            gone = False
            try:
                if not pipe.waited():
                    return
            except (EOFError, OSError):
                gone = True
            # Before the other one can be closed: there is always one of this name.
            try:
                self._offer(first=False)
            except OSError as error:
                _logger.warning("no connection can be accepted for the moment: %s", error)
                self._make_room()
                self._pause = self._loop.call_later(OFFER_PAUSE, self._go_on)
                return
            if gone:
                pipe.close()
            else:
                PipeTransport(self._loop, self._bell, pipe, self._make_protocol())
        self._loop.call_soon(self.rung)

    def _go_on(self) -> None:
        self._pause = None
        self.rung()

    def close(self) -> None:
        """Let nobody in any more; connections that are there stay."""
        if self._closed:
            return
        self._closed = True
        if self._pause is not None:
            self._pause.cancel()
        if self._offered is not None:
            self._offered.close()
            self._offered = None
        self._bell.leave(self)


def listen(
    loop: asyncio.AbstractEventLoop,
    make_protocol: Callable[[], asyncio.BufferedProtocol],
    make_room: Callable[[], object],
) -> PipeListener:
    """Listen on a pipe of a new name.

    Raises:
        OSError: the system does not give one.
    """
    listener = PipeListener(loop, make_address())
    listener.start(make_protocol, make_room)
    return listener


def probe() -> str:
    """The name of a pipe that could be made, and is gone again.

    Raises:
        OSError: none can be made.
    """
    address = make_address()
    NamedPipe.offer(address, True, -1).close()
    return address
