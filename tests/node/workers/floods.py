"""Produces more than anybody reads, and writes down in a file how far it has come.

Nothing else can tell: while a consumer lags, no answer arrives at the parent either.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from procwire import BlockingContext, Client, Context

client = Client()


@contextlib.contextmanager
def progress(path: str) -> Iterator[Callable[[int], None]]:
    with Path(path).open("wb", buffering=0) as file:

        def reached(number: int) -> None:
            file.seek(0)
            file.write(number.to_bytes(8, "big"))

        yield reached


def chunk(number: int, size: int) -> bytes:
    return number.to_bytes(4, "big") + bytes(size - 4)


@client.handle("async_generator")
async def async_generator(data: dict[str, Any]) -> AsyncIterator[bytes]:
    with progress(data["path"]) as reached:
        for number in range(data["count"]):
            yield chunk(number, data["size"])
            reached(number + 1)
            under_way.set()


@client.handle("thread_generator")
def thread_generator(data: dict[str, Any]) -> Iterator[bytes]:
    with progress(data["path"]) as reached:
        for number in range(data["count"]):
            yield chunk(number, data["size"])
            reached(number + 1)


@client.handle("loop_generator", sync_to_thread=False)
def loop_generator(data: dict[str, Any]) -> Iterator[bytes]:
    with progress(data["path"]) as reached:
        for number in range(data["count"]):
            yield chunk(number, data["size"])
            reached(number + 1)


@client.handle_stream("context")
async def context(data: dict[str, Any], ctx: Context) -> None:
    with progress(data["path"]) as reached:
        for number in range(data["count"]):
            await ctx.chunk(chunk(number, data["size"]))
            reached(number + 1)


@client.handle_stream("thread_context")
def thread_context(data: dict[str, Any], ctx: BlockingContext) -> None:
    with progress(data["path"]) as reached:
        for number in range(data["count"]):
            ctx.chunk(chunk(number, data["size"]))
            reached(number + 1)


@client.handle_ack("events")
async def events(data: dict[str, Any], ctx: Context) -> None:
    """Begins once a stream is under way: later on, no request might get through."""
    await ctx.ack()
    await under_way.wait()
    with progress(data["path"]) as reached:
        for number in range(data["count"]):
            await client.emit("flood", chunk(number, data["size"]))
            reached(number + 1)


under_way = asyncio.Event()


answered = 0


@client.handle("echo")
async def echo(data: dict[str, Any]) -> bytes:
    global answered
    answered += 1
    with progress(data["path"]) as reached:
        reached(answered)
    return bytes(data["body"])


client.event("flood")

if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
