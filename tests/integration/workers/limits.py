"""Handlers that hold on to their requests, or wait for a parent that does not read."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from procwire import BackpressureTimeoutError, BlockingContext, Client, Context

client = Client(**json.loads(sys.argv[2]))
CHUNK = bytes(65536)
told: list[str] = []


@client.handle("echo", codec="raw")
async def echo(data: bytes) -> bytes:
    return data


@client.handle("echo_later", codec="raw")
async def echo_later(data: bytes) -> bytes:
    await asyncio.sleep(0)
    return data


@client.handle("enlarge", codec="raw")
async def enlarge(data: bytes) -> bytes:
    # Time for others to arrive.
    await asyncio.sleep(0.05)
    return bytes(12 * 1024 * 1024)


@client.handle("hand_out", codec="raw")
def hand_out(data: bytes) -> Any:
    """A plain function that returns something to await, after a while."""
    time.sleep(0.3)
    return asyncio.sleep(3600)


@client.handle("echo_in_thread", codec="raw")
def echo_in_thread(data: bytes) -> bytes:
    return data


@client.handle("echo_by_context", codec="raw")
async def echo_by_context(data: bytes, ctx: Context) -> None:
    await ctx.respond(data)


@client.handle("echo_by_context_in_thread", codec="raw")
def echo_by_context_in_thread(data: bytes, ctx: BlockingContext) -> None:
    ctx.respond(data)


@client.handle("hold", codec="raw")
async def hold(data: bytes) -> None:
    await client.emit("held", b"")
    await asyncio.sleep(3600)


async def gate_open() -> None:
    """Wait for a file: no request could get through to say it."""
    while not Path(sys.argv[3]).exists():  # noqa: ASYNC240
        await asyncio.sleep(0.01)


@client.handle("until", codec="raw")
async def until(data: bytes) -> bytes:
    await gate_open()
    return data[:1]


@client.handle("back", codec="raw")
async def back(data: bytes) -> bytes:
    await gate_open()
    return data


@client.handle("rate", request_codec="msgpack", response_codec="raw")
async def rate(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield CHUNK


@client.handle
async def take_told(data: Any) -> list[str]:
    taken = told.copy()
    told.clear()
    return taken


@client.handle
async def blocks(data: Any) -> int:
    """How many pieces of memory Python has."""
    gc.collect()
    return sys.getallocatedblocks()


# ---- for ever, unless somebody gives up ----------------------------------------------------------


@client.handle("async_chunks", request_codec="msgpack", response_codec="raw")
async def async_chunks(data: Any) -> AsyncIterator[bytes]:
    try:
        while True:
            yield CHUNK
    finally:
        told.append("closed")


@client.handle("inline_chunks", request_codec="msgpack", response_codec="raw", sync_to_thread=False)
def inline_chunks(data: Any) -> Iterator[bytes]:
    try:
        while True:
            yield CHUNK
    finally:
        told.append("closed")


@client.handle("thread_chunks", request_codec="msgpack", response_codec="raw")
def thread_chunks(data: Any) -> Iterator[bytes]:
    try:
        while True:
            yield CHUNK
    finally:
        told.append("closed")


@client.handle_stream("context_chunks", request_codec="msgpack", response_codec="raw")
async def context_chunks(data: Any, ctx: Context) -> None:
    try:
        while True:
            await ctx.chunk(CHUNK)
    except BackpressureTimeoutError as error:
        told.append(str(error))
        raise


@client.handle_stream("thread_context_chunks", request_codec="msgpack", response_codec="raw")
def thread_context_chunks(data: Any, ctx: BlockingContext) -> None:
    try:
        while True:
            ctx.chunk(CHUNK)
    except BackpressureTimeoutError as error:
        told.append(str(error))
        raise


@client.handle
async def events(data: Any) -> None:
    try:
        while True:
            await client.emit("event", CHUNK)
    except BackpressureTimeoutError as error:
        told.append(str(error))
        raise


@client.handle
async def try_again(data: Any, ctx: Context) -> None:
    """Gives the parent up, and gives it another chance."""
    for _ in range(2):
        try:
            while True:
                await client.emit("event", CHUNK)
        except BackpressureTimeoutError as error:
            told.append(str(error))
    await ctx.respond("done")


client.event("held", codec="raw").event("event", codec="raw")

if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
