"""An in-memory transport whose other end takes and gives bytes when a seed says so."""

from __future__ import annotations

import asyncio
from collections import deque
from random import Random
from typing import Any


class MemoryTransport(asyncio.Transport):
    """What a selector transport does, without a socket.

    Written data is not copied until the peer takes it: a writer that changes what it has handed
    over is found out.

    Args:
        weight: What a byte counts in the flow control, so that a few frames reach marks of
            megabytes.
        high: The high-water mark in bytes, whatever the protocol asks for.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, random: Random, *, weight: int, high: int
    ) -> None:
        super().__init__()
        self._loop = loop
        self._random = random
        self._weight = weight
        self._high = high * weight
        self._low = self._high // 4
        self._protocol: Any = None
        self._unsent: deque[memoryview] = deque()
        self._paused_writing = False
        self._ending = False
        self.reading = True
        self.ended = False
        self._to_read = bytearray()
        self.taken = bytearray()

    def start(self, protocol: Any) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    # ---- what the protocol calls ---------------------------------------------------------------

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The test has chosen them."""

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._unsent)) * self._weight

    def write(self, data: Any) -> None:
        if self.ended or not data:
            return
        view = memoryview(data)
        if not self._unsent and self._random.random() < 0.5:
            # The socket takes some of it at once.
            size = self._random.randrange(len(view) + 1)
            self.taken += view[:size]
            view = view[size:]
        if view:
            self._unsent.append(view)
        if not self._paused_writing and self.get_write_buffer_size() > self._high:
            self._paused_writing = True
            self._protocol.pause_writing()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self._ending

    def close(self) -> None:
        if not self._ending:
            self._ending = True
            self._end_if_sent()

    def abort(self) -> None:
        self._unsent.clear()
        self._ending = True
        self._end(None)

    # ---- what the peer does --------------------------------------------------------------------

    def give(self, data: bytes) -> None:
        """Bytes on their way to the protocol."""
        self._to_read += data

    @property
    def left(self) -> int:
        """How many of them have not been read."""
        return len(self._to_read)

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way in either direction."""
        return not self._to_read and not self._unsent and self.reading

    def deliver(self, most: int) -> None:
        """Let the protocol read, as one event of a selector would."""
        if self._ending or not self.reading or not self._to_read:
            return
        buffer = memoryview(self._protocol.get_buffer(-1))
        size = min(most, len(buffer), len(self._to_read))
        buffer[:size] = self._to_read[:size]
        buffer.release()
        del self._to_read[:size]
        self._protocol.buffer_updated(size)

    def take(self, most: int) -> None:
        """Let the peer take what has been written."""
        while self._unsent and most:
            view = self._unsent.popleft()
            self.taken += view[:most]
            if len(view) > most:
                self._unsent.appendleft(view[most:])
            most -= min(most, len(view))
        self._end_if_sent()
        if self._paused_writing and self.get_write_buffer_size() <= self._low:
            self._paused_writing = False
            self._protocol.resume_writing()

    def lose(self, error: BaseException | None) -> None:
        """The connection ends: with an error, or, without one, by the peer's closing."""
        if error is None and not self._ending and not self._protocol.eof_received():
            self.close()
        elif error is not None:
            self._unsent.clear()
            self._ending = True
            self._end(error)

    def _end_if_sent(self) -> None:
        if self._ending and not self._unsent:
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        if not self.ended:
            self.ended = True
            self._loop.call_soon(self._protocol.connection_lost, error)
