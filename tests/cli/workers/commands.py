"""What the tests of the command line call."""

import asyncio
import os
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from procwire import Client, HandlerError


@asynccontextmanager
async def lifespan(client):
    yield {"loaded": "yes"}


client = Client(lifespan=lifespan).event("progress")


@client.handle
async def divide(data: dict[str, float]) -> float:
    if data["by"] == 0:
        raise HandlerError("division by zero", code="E_DIVISION")
    return data["number"] / data["by"]


@client.handle
async def count(up_to):
    for number in range(up_to):
        yield number


@client.handle
async def forever(_data):
    number = 0
    while True:
        yield number
        number += 1
        await asyncio.sleep(0)


@client.handle(response="ack")
async def accept(data, ctx):
    await ctx.ack({"accepted": data})
    await client.emit("progress", 1)
    print("accepted, and done")


@client.handle(response="none")
async def note(data):
    print("noted:", data)


@client.handle(codec="raw", sync_to_thread=False, max_concurrency=3)
def size(data: bytes) -> bytes:
    return b"%d bytes: %b" % (len(data), data)


@client.handle
async def kinds(data):
    return {"bytes": data, "date": datetime(2026, 1, 2, tzinfo=UTC), "loaded": client.state.loaded}


@client.handle(timeout=5)
def fail(data):
    raise KeyError(data)


@client.handle(timeout=0.1)
async def late(_data):
    await asyncio.Event().wait()


@client.handle
async def hang(_data):
    print("hanging", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("aborted", flush=True)


@client.handle
def block(_data):
    print("hanging", flush=True)
    time.sleep(60)


@client.handle
async def stop(data):
    local = data
    breakpoint()
    local += 1
    return local


@client.handle
def stop_in_thread(data):
    breakpoint()
    return data


@client.handle
async def pid(_data):
    return os.getpid()
