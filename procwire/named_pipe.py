"""Named pipes of Windows as asyncio transports, on every event loop that there is.

asyncio's own pipes are not used. They are its proactor's alone; they are in message mode, where
nothing written at the other end is taken for the end; and everybody may read from them. Here the
event loop knows nothing of pipes: what has ended rings a bell, which is a socket that it listens to
(``csrc/procwire_pipe.h``). All else happens in the loop's thread, and none of it waits.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

from procwire._named_pipe import NamedPipe

__all__ = ["Bell", "PipeTransport", "connect", "make_bell"]

READS_PER_TURN = 8
"""Reads before others have the event loop."""
HIGH_WATER_MARK = 64 * 1024
"""Bytes that wait for the other end when a protocol is asked to pause, if it does not say."""
END_LOOKS = 0.5
"""Seconds between looks whether the other end has closed, while nobody reads."""
WRITE_SIZE = 1024 * 1024
"""Bytes of one write: what of it has been taken is not known before all has."""
BUSY_PAUSE = 0.01
"""Seconds between tries while nobody waits at the other end."""
ERROR_PIPE_BUSY = 231


class Ringing(Protocol):
    """Whoever has something to look at when the bell has rung; nothing is raised."""

    def rung(self) -> None: ...


def make_bell() -> tuple[socket.socket, socket.socket]:
    """The socket on which a bell is heard, and the one that pipes write to."""
    heard, rung = socket.socketpair()
    # A ring that is lost is never made up for, and wine refuses those that would have to wait for
    # another thread's. None waits for long: those that nobody has heard are few.
    rung.setblocking(True)
    # A ring must not wait until the one before it has been acknowledged.
    rung.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return heard, rung


class Bell(asyncio.Protocol):
    """What rings when something has ended that a pipe was at.

    Those who listen to it join and leave; it is gone with the last one.

    Attributes:
        handle: The socket that is written to.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._listeners: set[Ringing] = set()
        self._receiving, self._sending = make_bell()
        self._receiving.setblocking(False)
        self.handle = self._sending.fileno()
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[Any] | None = None
        self._closed = False

    def join(self, listener: Ringing) -> None:
        """Call the listener's ``rung()`` from now on."""
        self._listeners.add(listener)
        if self._opening is None:
            # Not a task that waits for rings: handlers have their first step where it is heard,
            # and each must be in a task of its own.
            self._opening = self._loop.create_task(
                self._loop.create_connection(lambda: self, sock=self._receiving),
                name="procwire-bell",
            )

    def leave(self, listener: Ringing) -> None:
        """Do not call it any more: nothing of its rings."""
        self._listeners.discard(listener)
        if not self._listeners:
            self.close()

    def close(self) -> None:
        """Be gone; every pipe that rings it is closed."""
        self._closed = True
        self._sending.close()
        if self._transport is not None:
            self._transport.abort()
        elif self._opening is None:
            self._receiving.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It can be heard, what has rung before included."""
        self._transport = cast(asyncio.Transport, transport)
        if self._closed:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """It has rung."""
        for listener in tuple(self._listeners):
            listener.rung()


class PipeTransport(asyncio.Transport):
    """A connection over a named pipe, for a protocol that is a :class:`asyncio.BufferedProtocol`.

    It has the same marks and promises as asyncio's transports. ``write()`` keeps what it is given
    until it has been sent, and nobody may change it for so long.

    Args:
        loop: The running event loop.
        bell: What the pipe rings.
        pipe: Connected, with nothing that goes on.
        protocol: Whom the bytes are for.
        made: Set when the protocol has been told of its connection.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bell: Bell,
        pipe: NamedPipe,
        protocol: asyncio.BufferedProtocol,
        made: asyncio.Future[None] | None = None,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._bell = bell
        self._pipe = pipe
        self._protocol = protocol
        # Reading: the pipe waits for something to read, or has found it.
        self._waits = False
        self._readable = False
        self._reading_paused = False
        self._end_timer: asyncio.TimerHandle | None = None
        # Writing: what waits behind what goes on, the size of that, and of both.
        self._queue: deque[bytes | bytearray | memoryview] = deque()
        self._sending = 0
        self._unsent = 0
        self._high = HIGH_WATER_MARK
        self._low = HIGH_WATER_MARK // 4
        self._writing_paused = False
        self._begun = False
        self._closing = False
        self._ended = False
        bell.join(self)
        loop.call_soon(self._begin, made)

    def _begin(self, made: asyncio.Future[None] | None) -> None:
        self._begun = True
        self._protocol.connection_made(self)
        if made is not None and not made.done():
            made.set_result(None)
        self.rung()

    def rung(self) -> None:
        """Something has ended, perhaps."""
        if not self._begun:
            # It has rung for others, and the protocol does not know its transport yet.
            return
        try:
            self._write_on()
            if self._writing_paused and self._unsent <= self._low and not self._ended:
                self._writing_paused = False
                self._protocol.resume_writing()
            self._read()
        except Exception as error:
            self._loop.call_exception_handler(
                {
                    "message": "a protocol has failed on a pipe",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            self._end(error)

    # ---- reading ---------------------------------------------------------------------------

    def is_reading(self) -> bool:
        """Whether what comes is given to the protocol."""
        return not self._closing and not self._reading_paused

    def pause_reading(self) -> None:
        """Leave what comes where it is."""
        self._reading_paused = True
        if self._end_timer is None and not self._closing:
            self._end_timer = self._loop.call_later(END_LOOKS, self._look_for_end)

    def resume_reading(self) -> None:
        """Give what comes to the protocol again, from the next turn of the loop on."""
        self._reading_paused = False
        self._loop.call_soon(self.rung)

    def _look_for_end(self) -> None:
        """Nobody reads: the end of the other end is behind what there is to read."""
        self._end_timer = None
        if self._reading_paused and not self._closing:
            if self._pipe.hung_up():
                self.abort()
            else:
                self._end_timer = self._loop.call_later(END_LOOKS, self._look_for_end)

    def _read(self) -> None:
        for _ in range(READS_PER_TURN):
            if self._closing:
                return
            try:
                if not self._is_readable() or self._reading_paused:
                    return
                buffer = self._protocol.get_buffer(-1)
                count = self._pipe.read_into(buffer)
                self._readable = False
            except EOFError:
                self._protocol.eof_received()
                self.abort()
                return
            except OSError as error:
                self._end(error)
                return
            if count:
                self._protocol.buffer_updated(count)
        self._loop.call_soon(self.rung)

    def _is_readable(self) -> bool:
        """Whether there is something to read; if not, the bell rings when there is.

        Also while reading is paused: an end with nothing before it is noticed at once.
        """
        if not self._readable:
            if not self._waits:
                self._pipe.begin_wait()
                self._waits = True
            if self._pipe.waited():
                self._waits = False
                self._readable = True
        return self._readable

    # ---- writing ---------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data behind what has been written before."""
        if self._closing or not len(data):
            return
        self._queue.append(data)
        self._unsent += len(data)
        if not self._sending:
            self._write_on()
        if not self._writing_paused and self._unsent > self._high:
            self._writing_paused = True
            self._protocol.pause_writing()

    def _write_on(self) -> None:
        try:
            while not self._ended:
                if self._sending:
                    if not self._pipe.written():
                        return
                    self._unsent -= self._sending
                    self._sending = 0
                if not self._queue:
                    break
                data = self._queue.popleft()
                if len(data) > WRITE_SIZE:
                    data = memoryview(data)
                    self._queue.appendleft(data[WRITE_SIZE:])
                    data = data[:WRITE_SIZE]
                self._sending = len(data)
                self._pipe.begin_write(data)
        except OSError as error:
            self._end(error)
            return
        if self._closing:
            self._end(None)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Bytes above which the protocol is asked to pause, and down to which it may go on."""
        if high is None:
            high = HIGH_WATER_MARK if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low and the high mark."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Bytes that the other end has not been given yet."""
        return self._unsent

    def can_write_eof(self) -> bool:
        """No: a pipe is closed in both directions at once."""
        return False

    # ---- the end ---------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing

    def close(self) -> None:
        """Send what has been written, then close; nothing is received any more."""
        if self._closing:
            return
        self._closing = True
        if not self._unsent:
            self._end(None)

    def abort(self) -> None:
        """Close now; what has not been sent is dropped."""
        self._end(None)

    def _end(self, error: BaseException | None) -> None:
        self._closing = True
        if not self._ended:
            self._ended = True
            # Whoever writes is not to hear of the end from within.
            self._loop.call_soon(self._close, error)

    def _close(self, error: BaseException | None) -> None:
        self._queue.clear()
        if self._end_timer is not None:
            self._end_timer.cancel()
        self._pipe.close()
        self._unsent = self._sending = 0
        self._bell.leave(self)
        self._protocol.connection_lost(error if isinstance(error, Exception) else None)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give what comes to another protocol from now on."""
        if not isinstance(protocol, asyncio.BufferedProtocol):
            raise TypeError("a pipe's protocol is an asyncio.BufferedProtocol")
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is nothing to be told of a pipe."""
        return default


async def connect(
    address: str, make_protocol: Callable[[], asyncio.BufferedProtocol]
) -> PipeTransport:
    """Connect to a pipe; waits while others stand in line there.

    Raises:
        OSError: there is no such pipe, or it is another user's.
    """
    loop = asyncio.get_running_loop()
    bell = Bell(loop)
    made = loop.create_future()
    try:
        pipe = await _open(address, bell)
        transport = PipeTransport(loop, bell, pipe, make_protocol(), made)
    except BaseException:
        bell.close()
        raise
    try:
        await made
    except BaseException:
        transport.abort()
        raise
    return transport


async def _open(address: str, bell: Bell) -> NamedPipe:
    while True:
        try:
            return NamedPipe.open(address, bell.handle)
        except OSError as error:
            if getattr(error, "winerror", None) != ERROR_PIPE_BUSY:
                raise
        await asyncio.sleep(BUSY_PAUSE)
