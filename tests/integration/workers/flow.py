"""Handlers that produce more than a parent takes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
from collections.abc import AsyncIterator
from typing import Any

from procwire import Client

client = Client(max_concurrency=int(sys.argv[2]) if len(sys.argv) > 2 else 1024)
started = 0


@client.handle("echo", codec="raw")
async def echo(data: bytes) -> bytes:
    return data


@client.handle("stream", request_codec="msgpack", response_codec="raw")
async def stream(sizes: list[int]) -> AsyncIterator[bytes]:
    count, size = sizes
    for _ in range(count):
        yield bytes(size)


@client.handle("stats", request_codec="raw", response_codec="msgpack")
async def stats(data: bytes) -> Any:
    return client.stats()


@client.handle
async def wait(data: Any) -> None:
    await client.emit("event", b"started")
    await asyncio.sleep(3600)


@client.handle
async def soon(data: Any) -> int:
    """How many were under way with this one."""
    global started
    started += 1
    under_way = started
    await asyncio.sleep(0.001)
    started -= 1
    return under_way


@client.handle("events", response="none")
async def events(count: int) -> None:
    for _ in range(count):
        await client.emit("event", bytes(10000))


@client.handle("small_events", response="none")
async def small_events(sizes: list[int]) -> None:
    count, size = sizes
    for _ in range(count):
        await client.emit("event", bytes(size))
        await asyncio.sleep(0)


@client.handle("thread_chunks", response="stream")
def thread_chunks(count: int, ctx: Any) -> None:
    for _ in range(count):
        ctx.chunk(bytes(65536))


@client.handle("chunks_of_threads", response="stream")
def chunks_of_threads(count: int, ctx: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        for _ in range(3):
            threads.submit(thread_chunks, count, ctx)


client.event("event", codec="raw")

if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
