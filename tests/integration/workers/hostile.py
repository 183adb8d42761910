"""Handlers that meet bad payloads, and give answers that cannot be sent."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from procwire import Client, Context

LIMIT = 1024 * 1024
client = Client(max_payload_size=LIMIT, max_concurrency=5000)
opened = asyncio.Event()


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle
async def gate(data: Any) -> Any:
    await opened.wait()
    return data


@client.handle
async def open_gate(data: Any) -> None:
    opened.set()


@client.handle
async def blocks(data: Any) -> int:
    """How many pieces of memory Python has."""
    gc.collect()
    return sys.getallocatedblocks()


def circular() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> Any:
    value: Any = []
    for _ in range(200_000):
        value = [value]
    return value


BAD: dict[str, Callable[[], Any]] = {
    "object": object,
    "circular": circular,
    "deep": deep,
    "large": lambda: bytes(LIMIT),
    "integer": lambda: 2**60,
    "key": lambda: {None: 1},
    "surrogate": lambda: "\udc80",
}


@client.handle
async def answer(kind: str) -> Any:
    return BAD[kind]()


@client.handle
async def answer_later(kind: str) -> Any:
    await asyncio.sleep(0)
    return BAD[kind]()


@client.handle("answer_in_thread")
def answer_in_thread(kind: str) -> Any:
    return BAD[kind]()


@client.handle
async def respond(kind: str, ctx: Context) -> None:
    await ctx.respond(BAD[kind]())


@client.handle_ack("acknowledge")
async def acknowledge(kind: str) -> Any:
    return BAD[kind]()


@client.handle("chunks")
async def chunks(kind: str) -> AsyncIterator[Any]:
    yield BAD[kind]()


@client.handle("chunks_in_thread")
def chunks_in_thread(kind: str) -> Iterator[Any]:
    yield BAD[kind]()


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
