"""Handlers whose answers can be checked, and which count those of them that have not ended."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psutil

from procwire import Client, Context, HandlerError

# As few threads as the load is sure to start.
client = Client(max_threads=2)
under_way = 0


class Counted:
    """Counts a handler until its clean-up is over."""

    def __enter__(self) -> None:
        global under_way
        under_way += 1

    def __exit__(self, *_: object) -> None:
        global under_way
        under_way -= 1


@client.handle
async def echo(data: Any) -> Any:
    with Counted():
        return data


@client.handle("raw", codec="raw", sync_to_thread=False)
def raw(data: bytes) -> bytes:
    return data


@client.handle
async def slow_echo(data: Any) -> Any:
    with Counted():
        try:
            await asyncio.sleep(0.005)
        finally:
            await asyncio.sleep(0)
        return data


@client.handle
def thread_echo(data: Any) -> Any:
    time.sleep(0.001)
    return data


@client.handle
async def fail(data: Any) -> None:
    raise HandlerError(f"failed with {data}", code=data)


@client.handle
async def chunks(data: Any) -> AsyncIterator[Any]:
    """Numbers with some ballast, at the parent's pace."""
    with Counted():
        for number in range(data["count"]):
            yield [data["tag"], number, bytes(data["size"])]
            if number % 7 == 0:
                await asyncio.sleep(0)


@client.handle
def thread_chunks(data: Any) -> Iterator[Any]:
    for number in range(data["count"]):
        yield [data["tag"], number, bytes(data["size"])]


@client.handle_ack
async def ack(data: Any, ctx: Context) -> None:
    with Counted():
        await ctx.ack(data)
        await asyncio.sleep(0.001)


@client.handle
async def hold(data: Any) -> None:
    with Counted():
        await asyncio.sleep(3600)


@client.handle
async def facts(data: Any) -> dict[str, Any]:
    """What this process has: resident bytes, descriptors, threads."""
    process = psutil.Process()
    return {
        "pid": os.getpid(),
        "resident": process.memory_info().rss,
        "descriptors": process.num_handles() if sys.platform == "win32" else process.num_fds(),
        "threads": threading.active_count(),
        "under_way": under_way,
    }


if __name__ == "__main__":
    client.run(loop=os.environ["LOOP"])  # type: ignore[arg-type]
    print(f"under way at the end: {under_way}", file=sys.stderr, flush=True)
