"""A worker without a process: a connection, its methods and a loop."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

from procwire import Client
from procwire._core import (
    DEFAULT_MAX_PAYLOAD_SIZE,
    FLAG_STREAM_END,
    FrameReader,
    Method,
    pack_header,
)
from procwire.executors import Runners
from procwire.failures import error_value
from procwire.options import DEFAULT_MAX_CONCURRENCY, DEFAULT_MAX_IN_FLIGHT_BYTES
from procwire.session import WorkerProtocol

PAYLOAD = bytes(range(256)) * 4
MAP = {"n": 12345, "s": "x" * 1000}
CHUNKS = 4


async def coroutine(data: Any) -> Any:
    return data


async def coroutine_that_waits(data: Any) -> Any:
    await asyncio.sleep(0)
    return data


async def async_generator(data: Any) -> AsyncIterator[Any]:
    for _ in range(CHUNKS):
        yield data


def inline(data: Any) -> Any:
    return data


def inline_generator(data: Any) -> Iterator[Any]:
    for _ in range(CHUNKS):
        yield data


def in_a_thread(data: Any) -> Any:
    return data


async def msgpack(data: Any) -> Any:
    return data


FORMS = {
    "coroutine": coroutine,
    "coroutine that waits": coroutine_that_waits,
    "async generator": async_generator,
    "inline": inline,
    "inline generator": inline_generator,
    "thread": in_a_thread,
}
STREAMS = ("async generator", "inline generator")


def make_methods(runners: Runners) -> list[Method | None]:
    client = Client()
    for name, function in FORMS.items():
        client.handle(name, function, codec="raw", sync_to_thread=name == "thread")
    client.handle("msgpack", msgpack)
    return [None, *client._make_methods(runners)]


def method_id(name: str) -> int:
    return [*FORMS, "msgpack"].index(name) + 1


def requests(name: str, count: int, payload: bytes = PAYLOAD) -> bytes:
    return b"".join(
        pack_header(method_id(name), 0, number, len(payload)) + payload
        for number in range(1, count + 1)
    )


def answered(
    name: str, received: bytes | bytearray | memoryview, payload: bytes = PAYLOAD
) -> list[int]:
    """The ids of the requests that these bytes answer, checked to the last one."""
    ids = []
    chunks: dict[int, int] = {}
    for frame in FrameReader().feed(received):
        assert frame.method_id == method_id(name), frame
        if frame.flags & FLAG_STREAM_END == FLAG_STREAM_END:
            assert chunks.pop(frame.request_id) == CHUNKS, frame
            ids.append(frame.request_id)
            continue
        assert frame.payload == payload, frame
        if name in STREAMS:
            chunks[frame.request_id] = chunks.get(frame.request_id, 0) + 1
        else:
            ids.append(frame.request_id)
    assert not chunks, chunks
    return ids


class _Session:
    """What a connection reports to."""

    connected = False

    def adopted(self, connection: Any) -> None:
        pass

    def lost(self, connection: Any, error: BaseException | None) -> None:
        pass


class Worker:
    """A connection that is given bytes by hand; its answers are only counted."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop or asyncio.new_event_loop()
        variables = contextvars.copy_context()
        self.runners = Runners(self.loop, variables, max_threads=1, max_processes=1)
        self.connection: Any = WorkerProtocol(
            _Session(),  # type: ignore[arg-type]
            self.loop,
            variables,
            make_methods(self.runners),
            self.runners.threads,
            token=None,
            max_payload_size=DEFAULT_MAX_PAYLOAD_SIZE,
            max_concurrency=DEFAULT_MAX_CONCURRENCY,
            max_in_flight_bytes=DEFAULT_MAX_IN_FLIGHT_BYTES,
            backpressure_timeout=None,
            error_value=error_value,
        )

    def close(self) -> None:
        self.runners.close()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


class Transport:
    """Takes what is written and tells when all of it is there."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.keep = False
        self.size = 0
        self.expected = -1
        self.complete: asyncio.Future[None] | None = None

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        pass

    def get_extra_info(self, name: str) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def write(self, data: memoryview) -> None:
        self.size += len(data)
        if self.keep:
            self.received += data
        if self.size == self.expected and self.complete is not None:
            self.complete.set_result(None)


class FedWorker(Worker):
    def __init__(self) -> None:
        super().__init__()
        self.transport = Transport()
        self.connection.connection_made(self.transport)

    def feed(self, data: bytes) -> None:
        for start in range(0, len(data), 65536):
            part = data[start : start + 65536]
            self.connection.get_buffer(-1)[: len(part)] = part
            self.connection.buffer_updated(len(part))

    def exchange(self, data: bytes, expected: int) -> None:
        """Dispatch requests; returns when so many bytes have been answered."""
        transport = self.transport
        transport.size = 0
        transport.expected = expected
        transport.complete = self.loop.create_future()
        # A callback of the loop, as a transport's are: within a task no other may be entered.
        self.loop.call_soon(self.feed, data)
        self.loop.run_until_complete(transport.complete)


class ConnectedWorker(Worker):
    """A connection on a real socket, with the parent's end of it in the same loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(loop)
        self.parent, ours = socket.socketpair()
        self.parent.setblocking(False)
        self.buffer = bytearray(1024 * 1024)
        self.transport: Any = None
        self.loop.run_until_complete(self._connect(ours))

    async def _connect(self, ours: socket.socket) -> None:
        self.transport, _ = await self.loop.connect_accepted_socket(lambda: self.connection, ours)

    def exchange(self, data: bytes, expected: int) -> memoryview:
        return self.loop.run_until_complete(self._exchange(data, expected))

    async def _exchange(self, data: bytes, expected: int) -> memoryview:
        view = memoryview(self.buffer)
        if len(view) < expected:
            self.buffer = bytearray(expected)
            view = memoryview(self.buffer)
        sending = self.loop.create_task(self.loop.sock_sendall(self.parent, data))
        at = 0
        while at < expected:
            size = await self.loop.sock_recv_into(self.parent, view[at:])
            assert size, "the connection was lost"
            at += size
        await sending
        return view[:expected]

    def close(self) -> None:
        self.transport.abort()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.parent.close()
        super().close()
