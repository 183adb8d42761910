"""Writers that wait for the transport have it in turns.

The transport is a stand-in: the turn of the loop in which there is room again is the test's to
choose. ``tests/integration/test_flow.py`` has a real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from procwire import Client
from procwire._core import pack_header

from ..inprocess import serve

CHUNK = bytes(8192)
ROUNDS = 40
"""More than there are writers, several times."""


class Narrow(asyncio.Transport):
    """Takes so much at once, and more when the test says so."""

    def __init__(self, protocol: Any, room: int) -> None:
        super().__init__()
        self._protocol = protocol
        self._most = self._room = room
        self._unsent = 0
        self.full = asyncio.Event()
        protocol.connection_made(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no other mark than what it takes."""

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def write(self, data: Any) -> None:
        self._room -= len(data)
        if self._room < 0 and not self._unsent:
            self._unsent = -self._room
            self.full.set()
            self._protocol.pause_writing()

    def give(self, data: bytes) -> None:
        self._protocol.get_buffer(-1)[: len(data)] = data
        self._protocol.buffer_updated(len(data))

    def take(self) -> None:
        self._room, self._unsent = self._most, 0
        self.full.clear()
        self._protocol.resume_writing()

    def pause_reading(self) -> None:
        """Nothing comes."""

    def resume_reading(self) -> None:
        """Nothing comes."""

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


# With the first, a stream that has let others have the loop once fills it before they come.
@pytest.mark.parametrize("chunks", [50, 24, 10, 100])
@pytest.mark.parametrize("emitters", [1, 5])
def test_a_stream_that_never_waits_by_itself_leaves_room_for_events(
    chunks: int, emitters: int
) -> None:
    """Whoever was woken, and found that the stream had been faster, keeps its place."""

    async def main() -> list[int]:
        client = Client(default_codec="raw").event("tick")

        @client.handle
        async def flood(data: bytes) -> AsyncIterator[bytes]:
            while True:
                yield CHUNK

        emitted = [0] * emitters

        async def emit(number: int) -> None:
            while True:
                await client.emit("tick", CHUNK)
                emitted[number] += 1

        connection = (await serve(client))()
        transport = Narrow(connection, chunks * len(CHUNK))
        # From the loop, as it is read: handlers are tasks of their own.
        asyncio.get_running_loop().call_soon(transport.give, pack_header(1, 0, 1, 0))
        await transport.full.wait()
        emitting = [asyncio.create_task(emit(number)) for number in range(emitters)]
        for _ in range(ROUNDS):
            # A turn for whoever was woken, and finds it filled.
            await asyncio.sleep(0)
            transport.take()
            await transport.full.wait()
        for task in emitting:
            task.cancel()
        await client.shutdown()
        return emitted

    emitted = asyncio.run(asyncio.wait_for(main(), 20))
    assert min(emitted) > 0
    assert max(emitted) < 2 * min(emitted), emitted
