"""Named pipes as transports: bytes, marks, ends, and who may connect."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from procwire._named_pipe import NamedPipe
from procwire.named_pipe import Bell, PipeTransport, connect
from procwire.pipe_listener import PipeListener, make_address

from ..loops import loop_factory
from ..processes import WINE
from . import api

PATIENCE = 20.0
"""Seconds after which a test gives up."""


class End(asyncio.BufferedProtocol):
    """One end of a connection, which keeps what it has received."""

    def __init__(self, echoes: bool = False) -> None:
        self.transport: PipeTransport
        self.made = asyncio.Event()
        self.lost: asyncio.Future[BaseException | None]
        self.lost = asyncio.get_running_loop().create_future()
        self.received = bytearray()
        self.arrived = asyncio.Event()
        self.paused = 0
        self.resumed = asyncio.Event()
        self._echoes = echoes
        self._buffer = bytearray(64 * 1024)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.made.set()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        self.received += data
        self.arrived.set()
        if self._echoes:
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.paused += 1
        self.resumed.clear()

    def resume_writing(self) -> None:
        self.resumed.set()

    def connection_lost(self, error: BaseException | None) -> None:
        self.lost.set_result(error)

    async def wait_for(self, size: int) -> bytes:
        """Wait until so many bytes have come."""
        while len(self.received) < size:
            self.arrived.clear()
            await self.arrived.wait()
        return bytes(self.received)


class Server:
    """A listening pipe, and the ends that it has let in."""

    def __init__(self, echoes: bool = False) -> None:
        self.ends: list[End] = []
        self.came = asyncio.Event()
        self._echoes = echoes
        self.listener = PipeListener(asyncio.get_running_loop(), make_address())
        self.listener.start(self._make, lambda: None)

    def _make(self) -> End:
        end = End(self._echoes)
        self.ends.append(end)
        self.came.set()
        return end

    @property
    def address(self) -> str:
        return self.listener.address

    async def take(self, count: int = 1) -> End:
        """The last of so many connections, when it is there."""
        while len(self.ends) < count:
            self.came.clear()
            await self.came.wait()
        await self.ends[count - 1].made.wait()
        return self.ends[count - 1]


@asynccontextmanager
async def pair(echoes: bool = False) -> AsyncIterator[tuple[End, End]]:
    """The client's and the server's end."""
    server = Server(echoes)
    client = End()
    await connect(server.address, lambda: client)
    accepted = await server.take()
    server.listener.close()
    try:
        yield client, accepted
    finally:
        for end in (client, accepted):
            end.transport.abort()
            await end.lost


@pytest.fixture
def run(loop_name: str) -> Callable[[Awaitable[None]], None]:
    """Runs a coroutine on each loop, and fails with what the loop has to report."""

    def run(main: Awaitable[None]) -> None:
        reported: list[Any] = []

        async def bounded() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: reported.append(context))
            async with asyncio.timeout(PATIENCE):
                await main
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left

        with asyncio.Runner(loop_factory=loop_factory(loop_name)) as runner:
            runner.run(bounded())
        gc.collect()
        assert not reported, reported

    return run


Run = Callable[[Awaitable[None]], None]


@pytest.mark.parametrize("size", [1, 11, 65536, 1_000_003, 4 * 1024 * 1024])
def test_what_is_sent_comes_back(run: Run, size: int) -> None:
    async def main() -> None:
        async with pair(echoes=True) as (client, _accepted):
            data = hashlib.shake_128(b"bytes").digest(size)
            client.transport.write(data)
            assert await client.wait_for(size) == data

    run(main())


def test_pieces_keep_their_order(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, accepted):
            pieces = [bytes([number % 251]) * (number * 37 % 9000) for number in range(500)]
            for piece in pieces:
                accepted.transport.write(piece)
            expected = b"".join(pieces)
            assert await client.wait_for(len(expected)) == expected

    run(main())


def test_nothing_written_at_the_other_end_is_no_end(run: Run) -> None:
    """In message mode it is an empty message, which asyncio takes for the end."""

    async def main() -> None:
        server = Server(echoes=True)
        handle = api.open_plainly(server.address)
        accepted = await server.take()
        for data in (b"", b"one", b"", b"", b"two"):
            api.write_plainly(handle, data)
        assert await accepted.wait_for(6) == b"onetwo"
        assert not accepted.lost.done()
        api.close(handle)
        assert await accepted.lost is None
        server.listener.close()

    run(main())


def test_it_keeps_no_messages_apart(run: Run) -> None:
    async def main() -> None:
        server = Server()
        handle = api.open_plainly(server.address)
        accepted = await server.take()
        server.listener.close()
        assert not api.pipe_flags(handle) & api.PIPE_TYPE_MESSAGE
        api.close(handle)
        await accepted.lost

    run(main())


def test_it_is_this_users_alone(run: Run) -> None:
    async def main() -> None:
        server = Server()
        handle = api.open_plainly(server.address)
        accepted = await server.take()
        server.listener.close()
        assert api.readers_of(handle) == [api.own_identifier()]
        api.close(handle)
        await accepted.lost

    run(main())


@pytest.mark.skipif(WINE, reason="wine lets others have a second first instance")
def test_a_name_that_is_taken_is_not_shared() -> None:
    """Whoever is first with the name, as an attacker who has guessed it, is not joined."""
    address = make_address()
    first = NamedPipe.offer(address, True, -1)
    with pytest.raises(OSError, match=r"denied|busy"):
        NamedPipe.offer(address, True, -1)
    first.close()
    NamedPipe.offer(address, True, -1).close()


def test_several_may_wait(run: Run) -> None:
    async def main() -> None:
        server = Server(echoes=True)
        clients = [End() for _ in range(20)]
        await asyncio.gather(
            *(connect(server.address, lambda client=client: client) for client in clients)
        )
        await server.take(20)
        for number, client in enumerate(clients):
            client.transport.write(b"%d" % number)
        for number, client in enumerate(clients):
            assert await client.wait_for(len(b"%d" % number)) == b"%d" % number
        server.listener.close()
        for end in (*clients, *server.ends):
            end.transport.abort()
            await end.lost

    run(main())


def test_a_protocol_knows_its_transport_before_anything_comes(run: Run) -> None:
    """The bell may ring for others between an accept and the first turn of a connection."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        bell = Bell(loop)
        address = make_address()
        pipe = NamedPipe.offer(address, True, bell.handle)
        pipe.begin_accept()
        handle = api.open_plainly(address)
        api.write_plainly(handle, b"early")
        while not pipe.waited():
            await asyncio.sleep(0)
        accepted = End()
        transport = PipeTransport(loop, bell, pipe, accepted)
        transport.rung()
        assert not accepted.received
        assert await accepted.wait_for(5) == b"early"
        api.close(handle)
        await accepted.lost

    run(main())


def test_no_ring_is_lost(run: Run) -> None:
    """What ends at the same time rings at the same time, from threads of the system's."""

    class Listener:
        def rung(self) -> None:
            """It is heard."""

    async def main() -> None:
        bell, listener = Bell(asyncio.get_running_loop()), Listener()
        bell.join(listener)
        ringing = [asyncio.to_thread(api.ring, bell.handle, 2000) for _ in range(3)]
        taken = await asyncio.gather(*ringing)
        bell.leave(listener)
        assert taken == [2000] * 3

    run(main())


def test_nobody_gets_in_once_it_is_closed(run: Run) -> None:
    async def main() -> None:
        server = Server()
        client = End()
        await connect(server.address, lambda: client)
        accepted = await server.take()
        server.listener.close()
        # All instances are taken, and there will be no other.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await connect(server.address, End)
        assert not accepted.lost.done()
        client.transport.abort()
        await client.lost
        await accepted.lost
        with pytest.raises(FileNotFoundError):
            await connect(server.address, End)

    run(main())


def test_who_comes_and_goes_is_followed_by_others(run: Run) -> None:
    async def main() -> None:
        server = Server(echoes=True)
        for _ in range(30):
            handle = await asyncio.to_thread(api.open_plainly_when_free, server.address)
            api.close(handle)
        client = End()
        await connect(server.address, lambda: client)
        client.transport.write(b"here")
        assert await client.wait_for(4) == b"here"
        server.listener.close()
        client.transport.abort()
        for end in (client, *server.ends):
            await end.lost

    run(main())


def test_reading_is_paused(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, accepted):
            client.transport.pause_reading()
            assert not client.transport.is_reading()
            accepted.transport.write(b"x" * 1000)
            # What comes back the other way has been sent after it.
            accepted.received.clear()
            client.transport.write(b"y")
            await accepted.wait_for(1)
            assert not client.received
            client.transport.resume_reading()
            assert await client.wait_for(1000) == b"x" * 1000

    run(main())


def test_the_end_is_noticed_while_reading_is_paused(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, accepted):
            client.transport.pause_reading()
            accepted.transport.close()
            assert await client.lost is None

    run(main())


def test_the_marks(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, accepted):
            client.transport.pause_reading()
            accepted.transport.set_write_buffer_limits(high=100_000, low=10_000)
            assert accepted.transport.get_write_buffer_limits() == (10_000, 100_000)
            written = 0
            while not accepted.paused:
                accepted.transport.write(b"x" * 50_000)
                written += 50_000
                await asyncio.sleep(0)
                assert written < 50_000_000
            assert accepted.transport.get_write_buffer_size() > 100_000
            client.transport.resume_reading()
            await accepted.resumed.wait()
            assert accepted.transport.get_write_buffer_size() <= 10_000
            assert len(await client.wait_for(written)) == written
            assert accepted.paused == 1
            with pytest.raises(ValueError, match="must be"):
                accepted.transport.set_write_buffer_limits(high=1, low=2)

    run(main())


def test_what_was_written_before_the_close_arrives(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, accepted):
            client.transport.pause_reading()
            accepted.transport.write(b"x" * 3_000_000)
            accepted.transport.close()
            accepted.transport.write(b"and nothing else")
            assert accepted.transport.is_closing()
            client.transport.resume_reading()
            assert await client.lost is None
            assert bytes(client.received) == b"x" * 3_000_000
            assert await accepted.lost is None

    run(main())


def test_an_abort_drops_what_nobody_takes(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, accepted):
            client.transport.pause_reading()
            accepted.transport.write(b"x" * 10_000_000)
            accepted.transport.abort()
            assert await accepted.lost is None
            client.transport.resume_reading()
            await client.lost
            assert len(client.received) < 10_000_000

    run(main())


def test_writing_to_one_who_has_left(run: Run) -> None:
    async def main() -> None:
        async with pair() as (client, accepted):
            client.transport.abort()
            await client.lost
            accepted.transport.write(b"x" * 1000)
            await accepted.lost
            # It is gone, and says nothing more.
            accepted.transport.write(b"x")
            accepted.transport.close()

    run(main())


def test_what_a_protocol_raises_ends_its_connection_alone(loop_name: str) -> None:
    reported: list[Any] = []

    class Faulty(End):
        def buffer_updated(self, nbytes: int) -> None:
            raise RuntimeError("cannot take it")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        server = Server(echoes=True)
        faulty, well = Faulty(), End()
        await connect(server.address, lambda: faulty)
        await connect(server.address, lambda: well)
        await server.take(2)
        faulty.transport.write(b"x")
        assert isinstance(await faulty.lost, RuntimeError)
        well.transport.write(b"x")
        await well.wait_for(1)
        server.listener.close()
        for end in (well, *server.ends):
            end.transport.abort()
            await end.lost

    with asyncio.Runner(loop_factory=loop_factory(loop_name)) as runner:
        runner.run(asyncio.wait_for(main(), PATIENCE))
    assert [str(error) for error in reported] == ["cannot take it"]


def test_no_handles_are_left(run: Run) -> None:
    async def main() -> None:
        async def once() -> None:
            async with pair(echoes=True) as (client, _accepted):
                client.transport.write(b"x" * 100_000)
                await client.wait_for(100_000)

        for _ in range(10):
            await once()
        before = api.handles()
        for _ in range(50):
            await once()
        assert api.handles() <= before + 10

    run(main())


def test_a_pipe_that_is_closed_says_so() -> None:
    pipe = NamedPipe.offer(make_address(), True, -1)
    pipe.close()
    pipe.close()
    for call in (pipe.begin_accept, pipe.begin_wait, pipe.waited, pipe.written):
        with pytest.raises(ValueError, match="closed"):
            call()
    with pytest.raises(ValueError, match="closed"):
        pipe.read_into(bytearray(1))
    with pytest.raises(ValueError, match="closed"):
        pipe.begin_write(b"x")
