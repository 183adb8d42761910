"""No path that a request or a connection can take keeps any memory.

``PROCWIRE_LEAK_TURNS=5000`` for more turns in each of the four rounds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgpack
import msgspec
import pytest

from procwire import MsgpackCodec, NotConnectedError, track_requests
from procwire._core import METHOD_ID_ABORT, METHOD_ID_AUTH
from procwire.decoders import Wanted, decoder_for

from ..loops import loop_factory
from .growth import TURNS, Growth, measure
from .worker import MAX_PAYLOAD_SIZE, Peer, Worker

RequestPath = Callable[[Peer, int], Awaitable[None]]
ClientPath = Callable[[int], Awaitable[None]]


@pytest.fixture(autouse=True)
def silent_log() -> Iterator[None]:
    """Most paths fail, and pytest keeps what is logged."""
    logger = logging.getLogger("procwire")
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(logging.NOTSET)


def run(loop_name: str, main: Awaitable[Growth]) -> Growth:
    with asyncio.Runner(loop_factory=loop_factory(loop_name)) as runner:
        return runner.run(main)  # type: ignore[arg-type]


# ---- requests on one connection ------------------------------------------------------------------

REQUESTS: dict[str, RequestPath] = {
    "msgpack": lambda peer, count: peer.call(
        "echo", count, b"\x93\x01\xa1a\x82\x01\x02\x03\xc4\x01x"
    ),
    "raw": lambda peer, count: peer.call("raw", count, bytes(100)),
    "raw, large": lambda peer, count: peer.call("raw", 1, bytes(100_000)),
    "largest": lambda peer, count: peer.call("raw", 1, bytes(MAX_PAYLOAD_SIZE)),
    "bad payload": lambda peer, count: peer.call("echo", count, b"\xc1"),
    "payload cut off": lambda peer, count: peer.call("echo", count, b"\x93\x01\xa5abc"),
    "length bomb": lambda peer, count: peer.call("echo", count, b"\xdd\xff\xff\xff\xff"),
    "unknown extension": lambda peer, count: peer.call("echo", count, b"\xd4\x42\x00"),
    "nested": lambda peer, count: peer.call("echo", 2, b"\x91" * 600),
    "unknown method": lambda peer, count: peer.call(4000, count),
}
REQUESTS |= {
    name: (lambda peer, count, name=name: peer.call(name, count))  # type: ignore[misc]
    for name in [
        "inline",
        "suspended",
        "unsendable",
        "too_large",
        "fail",
        "refuse",
        "fail_later",
        "respond_twice",
        "second_try",
        "chunks",
        "broken_chunks",
        "inline_chunks",
        "context_chunks",
        "thread",
        "thread_context",
        "thread_fails",
        "thread_chunks",
        "thread_broken",
        "ack",
        "emit_unsendable",
    ]
}
REQUESTS |= {
    f"{name}, aborted": (lambda peer, count, name=name: peer.abort(name, count))  # type: ignore[misc]
    for name in ("hold", "stubborn", "wait_aborted", "thread_chunks", "chunks")
}


def request_path(name: str) -> Callable[[RequestPath], RequestPath]:
    def add(path: RequestPath) -> RequestPath:
        REQUESTS[name] = path
        return path

    return add


@request_path("endless, aborted between chunks")
async def _(peer: Peer, count: int) -> None:
    await peer.abort("endless", count, chunks=1)


@request_path("emit")
async def _(peer: Peer, count: int) -> None:
    # An event and an answer for each.
    await peer.send(b"".join(peer.frame("emit", number + 1) for number in range(count)))
    await peer.frames(2 * count)


@request_path("aborts of what is not there")
async def _(peer: Peer, count: int) -> None:
    ids = range(1 << 31, (1 << 31) + count)
    await peer.send(b"".join(peer.frame(METHOD_ID_ABORT, number, b"") for number in ids))
    await peer.idle()


@request_path("nobody waits for an answer")
async def _(peer: Peer, count: int) -> None:
    await peer.send((peer.frame("nothing", 0) + peer.frame("nothing_fails", 0)) * count)
    await peer.idle()


@pytest.mark.parametrize("path", REQUESTS.values(), ids=REQUESTS.keys())
def test_requests_keep_nothing(path: RequestPath) -> None:
    async def main() -> Growth:
        async with Worker() as worker:
            peer = await worker.connect()
            # A thread may answer before it ends.
            return await measure(lambda count: path(peer, count), settle=peer.idle)

    # What differs between the loops is what happens to a connection, below.
    growth = run("asyncio", main())
    assert not growth.leaks, growth


@pytest.mark.parametrize("leak", ["leak_block", "leak_bytes"])
def test_a_leak_is_found(leak: str, loop_name: str) -> None:
    async def main() -> Growth:
        async with Worker() as worker:
            peer = await worker.connect()
            # What is freed by chance, some twenty blocks in a round, must not outweigh the tenth
            # by which one block a turn is above the limit.
            return await measure(lambda count: peer.call(leak, count), turns=10 * TURNS)

    growth = run(loop_name, main())
    assert growth.leaks, growth


# ---- connections, and the clients that end with them ---------------------------------------------


async def live(end: Callable[[Peer], Awaitable[Any]]) -> None:
    """The life of a client, with handlers of all kinds under way when it ends."""
    async with Worker() as worker:
        peer = await worker.connect()
        started = "hold", "stubborn", "wait_aborted", "endless", "suspended", "ack"
        frames = [peer.frame(name, number, b"\x00") for number, name in enumerate(started, 1)]
        await peer.send(b"".join(frames))
        await peer.frames(1, ends=False)
        await end(peer)
        await worker.client.wait_closed()


async def _lost(peer: Peer) -> None:
    peer.socket.close()


async def _lost_inside_a_frame(peer: Peer) -> None:
    await peer.send(peer.frame("raw", 9, bytes(200_000))[:100_000])
    peer.socket.close()


async def _duplicate(peer: Peer) -> None:
    await peer.send(peer.frame("hold", 1))
    await peer.at_end()


async def _nonsense(peer: Peer) -> None:
    await peer.send(bytes(11))
    await peer.at_end()


async def _shutdown(peer: Peer) -> None:
    await peer.worker.client.shutdown()


ENDS = {
    "lost": _lost,
    "lost inside a frame": _lost_inside_a_frame,
    "duplicate id": _duplicate,
    "nonsense": _nonsense,
    "shutdown": _shutdown,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_connections_keep_nothing(end: Callable[[Peer], Awaitable[Any]], loop_name: str) -> None:
    growth = run(loop_name, measure(lambda _: live(end), turns=40, batch=1))
    assert not growth.leaks, growth


STRANGERS = {
    "wrong token": lambda peer: peer.frame(METHOD_ID_AUTH, 0, b"wrong"),
    "no token": lambda peer: peer.frame(METHOD_ID_AUTH, 0, b""),
    "token of a gigabyte": lambda peer: peer.frame(METHOD_ID_AUTH, 0)[:7] + b"\x3f\xff\xff\xff",
    "request": lambda peer: peer.frame("echo", 1),
    "nonsense": lambda peer: bytes(11),
    "nothing": lambda peer: b"",
    "half a token": lambda peer: peer.frame(METHOD_ID_AUTH, 0, b"secret")[:14],
}


@pytest.mark.parametrize("opening", STRANGERS.values(), ids=STRANGERS.keys())
def test_strangers_keep_nothing(opening: Callable[[Peer], bytes], loop_name: str) -> None:
    async def main() -> Growth:
        async with Worker(auth_token="secret") as worker:

            async def stranger(count: int) -> None:
                for _ in range(count):
                    peer = await worker.connect()
                    data = opening(peer)
                    await peer.send(data)
                    if len(data) < 11 or data.endswith(b"sec"):
                        peer.socket.shutdown(1)
                    await peer.at_end()
                    worker.forget(peer)

            return await measure(stranger, turns=50)

    growth = run(loop_name, main())
    assert not growth.leaks, growth


def test_events_without_a_parent_keep_nothing() -> None:
    async def main() -> Growth:
        async with Worker() as worker:

            async def emit(count: int) -> None:
                for _ in range(count):
                    with pytest.raises(NotConnectedError):
                        await worker.client.emit("event", 1)

            return await measure(emit)

    growth = run("asyncio", main())
    assert not growth.leaks, growth


def test_waiting_requests_keep_nothing() -> None:
    """Above the limit of handlers: what is aborted before it has begun, and what is not."""

    async def main() -> Growth:
        async with Worker(max_concurrency=1) as worker:
            peer = await worker.connect()

            async def path(count: int) -> None:
                frames = [peer.frame("hold", 1, b"\x00")]
                frames += [peer.frame("suspended", number) for number in range(2, count)]
                frames += [
                    peer.frame(METHOD_ID_ABORT, number, b"") for number in range(2, count, 2)
                ]
                frames += [peer.frame(METHOD_ID_ABORT, 1, b"")]
                await peer.send(b"".join(frames))
                await peer.frames(len(range(3, count, 2)))

            return await measure(path)

    growth = run("asyncio", main())
    assert not growth.leaks, growth


WRAPPED = ("echo", "inline", "thread", "chunks", "inline_chunks", "thread_chunks", "fail")


@pytest.mark.parametrize("method", WRAPPED)
def test_middleware_keeps_nothing(method: str) -> None:
    async def main() -> Growth:
        worker = Worker()
        worker.client.middleware(track_requests)
        async with worker:
            peer = await worker.connect()
            return await measure(lambda count: peer.call(method, count))

    growth = run("asyncio", main())
    assert not growth.leaks, growth


class Cat(msgspec.Struct, array_like=True, tag=True):
    lives: int


class Dog(msgspec.Struct, array_like=True, tag=True):
    weight: int
    names: list[str] = []


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (list[Cat | Dog], [["Cat", 2.0**60], ["Dog", 1, []]]),
        (list[int | None], [2.0**60, None]),
        (dict[int, int], {"1": 2.0**60}),
        (dict[str, tuple[int, str]], {"a": [2.0**60, "b"]}),
    ],
    ids=str,
)
def test_payloads_that_are_read_leniently_keep_nothing(annotation: Any, value: Any) -> None:
    decoder = decoder_for(Wanted(annotation, MsgpackCodec()))
    payload = msgpack.packb(value)

    async def decode(count: int) -> None:
        for _ in range(count):
            decoder.decode(payload)

    growth = run("asyncio", measure(decode))
    assert not growth.leaks, growth
