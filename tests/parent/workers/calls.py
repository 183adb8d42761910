"""What calls.mjs is on the Node client: both are driven by the same tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from procwire import Client, Context, HandlerError

client = Client().event("progress").event("aborted")


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle("raw", codec="raw")
async def raw(data: bytes) -> bytes:
    return data


@client.handle
async def fail(data: Any) -> None:
    raise HandlerError("on purpose", code="E_PURPOSE", asked=data)


@client.handle("accept", response="ack")
async def accept(data: Any, ctx: Context) -> None:
    await ctx.ack(data)
    await client.emit("progress", {"of": data})


@client.handle("accept_empty", response="ack")
async def accept_empty(_data: Any, ctx: Context) -> None:
    await ctx.ack()


@client.handle("note", response="none")
async def note(data: Any) -> None:
    await client.emit("progress", {"noted": data})


@client.handle("tell")
async def tell(data: Any) -> Any:
    await client.emit("progress", data)
    return data


@client.handle("count")
async def count(data: Any) -> AsyncIterator[Any]:
    for number in range(data):
        yield number


@client.handle("count_then_fail")
async def count_then_fail(data: Any) -> AsyncIterator[Any]:
    for number in range(data):
        yield number
    raise HandlerError("no more")


@client.handle("fill", request_codec="msgpack", response_codec="raw")
async def fill(data: Any) -> AsyncIterator[bytes]:
    for _ in range(data["count"]):
        yield bytes(data["size"])


@client.handle
async def hang(data: Any, ctx: Context) -> None:
    await client.emit("progress", {"hangs": data})
    await _until_aborted(data, ctx)


@client.handle("count_and_hang", response="stream")
async def count_and_hang(data: Any, ctx: Context) -> None:
    for number in range(data):
        await ctx.chunk(number)
    await _until_aborted(data, ctx)


async def _until_aborted(data: Any, ctx: Context) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        assert ctx.aborted
        # The task is being cancelled: it cannot wait for this one.
        background.add(asyncio.get_running_loop().create_task(client.emit("aborted", data)))


background: set[asyncio.Task[None]] = set()


@client.handle
async def pid(_data: Any) -> int:
    return os.getpid()


@client.handle("variables")
async def variables(names: Any) -> list[str | None]:
    return [os.environ.get(name) for name in names]


if __name__ == "__main__":
    client.run()
