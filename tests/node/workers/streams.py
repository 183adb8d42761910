"""Streams from every form of handler."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from procwire import BlockingContext, Client, Context, ResponseAlreadySentError

client = Client()


@client.handle("async_generator")
async def async_generator(count: int) -> AsyncIterator[dict[str, int]]:
    for number in range(count):
        yield {"number": number}


@client.handle("waiting_generator")
async def waiting_generator(count: int) -> AsyncIterator[dict[str, int]]:
    for number in range(count):
        await asyncio.sleep(0)
        yield {"number": number}


@client.handle("thread_generator")
def thread_generator(count: int) -> Iterator[dict[str, int]]:
    assert threading.current_thread() is not threading.main_thread()
    for number in range(count):
        yield {"number": number}


@client.handle("loop_generator", sync_to_thread=False)
def loop_generator(count: int) -> Iterator[dict[str, int]]:
    asyncio.get_running_loop()
    for number in range(count):
        yield {"number": number}


@client.handle_stream("context")
async def with_context(count: int, ctx: Context) -> None:
    for number in range(count):
        await ctx.chunk({"number": number})
    await ctx.end()


@client.handle_stream("context_without_end")
async def without_end(count: int, ctx: Context) -> None:
    for number in range(count):
        await ctx.chunk({"number": number})


@client.handle_stream("thread_context")
def thread_with_context(count: int, ctx: BlockingContext) -> None:
    assert threading.current_thread() is not threading.main_thread()
    for number in range(count):
        ctx.chunk({"number": number})
    ctx.end()


@client.handle("yields_and_chunks")
async def yields_and_chunks(count: int, ctx: Context) -> AsyncIterator[dict[str, int]]:
    for number in range(count):
        if number % 2:
            await ctx.chunk({"number": number})
        else:
            yield {"number": number}


@client.handle("end_then_chunk", response="stream")
async def end_then_chunk(data: Any, ctx: Context) -> None:
    await ctx.chunk("last")
    await ctx.end()
    for late in (ctx.chunk("late"), ctx.end()):
        try:
            await late
        except ResponseAlreadySentError as error:
            await client.emit("refused", str(error))


@client.handle("raw", codec="raw")
async def raw(sizes: bytes) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes([size]) * size


@client.handle("large")
async def large(data: dict[str, int]) -> AsyncIterator[bytes]:
    for number in range(data["count"]):
        yield bytes([number]) * data["size"]


# ---- two streams that can only go on in turns ----------------------------------------------

turn = asyncio.Condition()
board: list[str] = []


@client.handle("in_turns")
async def in_turns(data: dict[str, Any]) -> AsyncIterator[list[str]]:
    """Yield what has happened so far, once for each time that it is our turn."""
    name, players, rounds = data["name"], data["players"], data["rounds"]
    for _ in range(rounds):
        async with turn:
            await turn.wait_for(lambda: players[len(board) % len(players)] == name)
            board.append(name)
            yield list(board)
            turn.notify_all()


client.event("refused")

if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
