"""A worker in this process, and the parent's end of its socket."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

import msgpack

from procwire import Client, HandlerError
from procwire._core import METHOD_ID_ABORT, WorkerConnection, pack_header

from ..inprocess import Factory, connect, serve

MAX_PAYLOAD_SIZE = 300_000
CHUNK = 0x0B


class Worker:
    """A client with a handler for every path, and connections to it."""

    def __init__(self, **options: Any) -> None:
        self.client = Client(max_payload_size=MAX_PAYLOAD_SIZE, **options)
        self.methods: dict[str, int] = {}
        self._factory: Factory | None = None
        self._peers: list[Peer] = []
        self.held = asyncio.Event()
        self.kept: list[Any] = []
        self._register()

    async def __aenter__(self) -> Self:
        self._factory = await serve(self.client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.shutdown()
        for peer in self._peers:
            peer.socket.close()

    async def connect(self) -> Peer:
        assert self._factory is not None
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        peer = Peer(self, ours, await connect(self._factory, theirs))
        self._peers.append(peer)
        return peer

    def forget(self, peer: Peer) -> None:
        peer.socket.close()
        self._peers.remove(peer)

    def _register(self) -> None:
        client, methods = self.client, self.methods

        def add(function: Any, name: str | None = None, **options: Any) -> Any:
            name = name or function.__name__
            client.handle(name, function, **options)
            methods[name] = len(methods) + 1
            return function

        async def echo(data: Any) -> Any:
            return data

        def inline(data: Any) -> Any:
            return data

        async def suspended(data: Any) -> Any:
            await asyncio.sleep(0)
            return data

        async def hold(data: Any, ctx: Any) -> None:
            ctx.on_abort(lambda: 1 / data)
            await self.held.wait()

        async def stubborn(data: Any) -> None:
            try:
                await self.held.wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0)

        async def wait_aborted(data: Any, ctx: Any) -> None:
            try:
                await ctx.wait_aborted()
            finally:
                await asyncio.sleep(0)

        async def unsendable(data: Any) -> Any:
            return {"a": [object()]}

        async def too_large(data: Any) -> Any:
            return bytes(MAX_PAYLOAD_SIZE + 1)

        async def fail(data: Any) -> None:
            raise ValueError(data)

        async def refuse(data: Any) -> None:
            raise HandlerError("refused", code=data, where=object())

        async def fail_later(data: Any) -> None:
            await asyncio.sleep(0)
            raise ValueError(data)

        async def respond_twice(data: Any, ctx: Any) -> None:
            await ctx.respond(data)
            await ctx.respond(data)

        async def second_try(data: Any, ctx: Any) -> None:
            try:
                await ctx.respond(object())
            except Exception:
                await ctx.error({"message": "second", "data": data})

        async def chunks(data: Any) -> AsyncIterator[Any]:
            for number in range(5):
                yield number
                await asyncio.sleep(0)

        async def endless(data: Any) -> AsyncIterator[Any]:
            yield 0
            await self.held.wait()

        async def broken_chunks(data: Any) -> AsyncIterator[Any]:
            yield 1
            yield object()

        def inline_chunks(data: Any) -> Iterator[Any]:
            yield from range(5)

        async def context_chunks(data: Any, ctx: Any) -> None:
            await ctx.chunk(data)
            await ctx.end()

        def thread(data: Any) -> Any:
            return data

        def thread_context(data: Any, ctx: Any) -> None:
            ctx.respond(data)

        def thread_fails(data: Any) -> Any:
            raise ValueError(data)

        def thread_chunks(data: Any) -> Iterator[Any]:
            yield from range(5)

        def thread_broken(data: Any) -> Iterator[Any]:
            yield 1
            raise ValueError(data)

        async def ack(data: Any, ctx: Any) -> None:
            await ctx.ack()
            await asyncio.sleep(0)

        async def nothing(data: Any) -> None:
            await asyncio.sleep(0)

        async def emit(data: Any) -> None:
            await client.emit("event", data)

        async def emit_unsendable(data: Any) -> None:
            await client.emit("event", object())

        async def leak_block(data: Any) -> None:
            self.kept.append(object())

        async def leak_bytes(data: Any) -> None:
            self.kept[len(self.kept) :] = [bytes(5000)]

        add(echo)
        add(echo, "raw", codec="raw")
        add(inline, sync_to_thread=False)
        for function in (suspended, hold, stubborn, wait_aborted, unsendable, too_large, fail):
            add(function)
        for function in (refuse, fail_later, respond_twice, second_try):
            add(function)
        for stream in (chunks, endless, broken_chunks, thread_chunks, thread_broken):
            add(stream)
        add(inline_chunks, sync_to_thread=False)
        add(context_chunks, response="stream")
        for blocking in (thread, thread_context, thread_fails):
            add(blocking)
        add(ack, response="ack")
        add(nothing, response="none")
        add(fail, "nothing_fails", response="none")
        for function in (emit, emit_unsendable, leak_block, leak_bytes):
            add(function)
        client.event("event")


class Peer:
    """The parent's end of one connection."""

    def __init__(self, worker: Worker, sock: socket.socket, connection: WorkerConnection) -> None:
        self.worker = worker
        self.socket = sock
        self.connection = connection
        self._loop = asyncio.get_running_loop()
        self._received = b""

    def frame(self, method: str | int, request_id: int, payload: bytes = b"\xc0") -> bytes:
        number = method if isinstance(method, int) else self.worker.methods[method]
        return pack_header(number, 0, request_id, len(payload)) + payload

    async def _ready(self, watch: Callable[..., object], ignore: Callable[..., object]) -> None:
        """Wait for the socket with a plain future.

        uvloop's `sock_recv()` and its like have futures of their own, for each of which CPython
        3.11 has a new name in its method cache: that grows until it is full.
        """
        future = self._loop.create_future()

        def found() -> None:
            if not future.done():
                future.set_result(None)

        watch(self.socket, found)
        try:
            await future
        finally:
            ignore(self.socket)

    async def send(self, data: bytes) -> None:
        if sys.platform == "win32":
            # asyncio's loop does not tell there when a socket is ready.
            await self._loop.sock_sendall(self.socket, data)
            return
        unsent = memoryview(data)
        while unsent:
            try:
                unsent = unsent[self.socket.send(unsent) :]
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)

    async def _receive(self) -> bytes:
        if sys.platform == "win32":
            return await self._loop.sock_recv(self.socket, 1 << 18)
        while True:
            try:
                return self.socket.recv(1 << 18)
            except BlockingIOError:
                await self._ready(self._loop.add_reader, self._loop.remove_reader)

    async def frames(self, count: int, *, ends: bool = True) -> None:
        """Receive as many frames; with `ends` only those count that are no chunks."""
        while count > 0:
            data = await self._receive()
            assert data, "the worker has closed the connection"
            self._received += data
            offset = 0
            while len(self._received) >= offset + 11:
                end = offset + 11 + int.from_bytes(self._received[offset + 7 : offset + 11], "big")
                if end > len(self._received):
                    break
                if not ends or self._received[offset + 2] != CHUNK:
                    count -= 1
                offset = end
            self._received = self._received[offset:]

    async def at_end(self) -> None:
        """Receive until the worker closes."""
        try:
            while await self._receive():
                pass
        except ConnectionResetError:
            pass

    async def call(self, method: str | int, count: int, payload: bytes = b"\xc0") -> None:
        """As many requests in one packet, and their ends."""
        await self.send(
            b"".join(self.frame(method, number + 1, payload) for number in range(count))
        )
        await self.frames(count)

    async def abort(self, method: str, count: int, *, chunks: int = 0) -> None:
        """As many requests, all of which are aborted once they are under way."""
        payload = msgpack.packb(0)
        ids = range(1, count + 1)
        requests = b"".join(self.frame(method, number, payload) for number in ids)
        aborts = b"".join(self.frame(METHOD_ID_ABORT, number, b"") for number in ids)
        if chunks:
            await self.send(requests)
            await self.frames(count * chunks, ends=False)
            await self.send(aborts)
        else:
            # In one packet: a thread could have answered before the second one came.
            await self.send(requests + aborts)
        await self.idle()

    async def idle(self) -> None:
        """Wait until no handler is under way; what was sent before has been read then."""
        await self.call("inline", 1)
        while self.connection.pending:
            await asyncio.sleep(0)
        # Threads take their work in order: all of it has been taken when this is answered, that of
        # aborted requests included.
        await self.call("thread", 1)
