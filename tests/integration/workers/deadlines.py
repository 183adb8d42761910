"""Handlers that take longer than their methods allow."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from procwire import BlockingContext, Client, Context

client = Client(max_concurrency=int(sys.argv[2]) if len(sys.argv) > 2 else 1024)
notes: list[str] = []
gate = asyncio.Event()

TIMEOUT = 0.2


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle
async def take_notes(data: Any) -> list[str]:
    taken = notes[:]
    notes.clear()
    return taken


@client.handle("deadlines", sync_to_thread=False)
def deadlines(data: Any) -> int:
    """How many have been kept."""
    return sum(type(item).__name__ == "Deadline" for item in gc.get_objects())


@client.handle(timeout=TIMEOUT)
async def sleep(name: str) -> None:
    notes.append(f"{name} began")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        notes.append(f"{name} cancelled")
        raise


@client.handle(timeout=TIMEOUT)
async def stubborn(data: Any, ctx: Context) -> str:
    ctx.on_abort(lambda: notes.append("on_abort"))
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        notes.append(f"went on, aborted={ctx.aborted}")
    return "late"


@client.handle(timeout=TIMEOUT)
def in_thread(data: Any, ctx: BlockingContext) -> str:
    for _ in range(10_000):
        try:
            ctx.raise_if_aborted()
        except asyncio.CancelledError:
            notes.append(f"raised, aborted={ctx.aborted}")
            raise
        time.sleep(0.001)
    return "late"


@client.handle(timeout=TIMEOUT)
async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@client.handle(timeout=3600)
async def patient(data: Any) -> Any:
    await asyncio.sleep(0)
    return data


@client.handle(timeout=TIMEOUT, max_concurrency=1)
async def one_at_a_time(name: str) -> str:
    notes.append(f"{name} began")
    if name == "stuck":
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                notes.append("stuck goes on")
    return name


@client.handle
async def open_gate(data: Any) -> None:
    gate.set()


@client.handle(timeout=0)
async def unhurried(data: Any) -> Any:
    await asyncio.sleep(0)
    return data


@client.handle(timeout=0.0001)
async def tiny(data: Any) -> Any:
    return data


@client.handle_ack(timeout=TIMEOUT)
async def acked(waits_before: bool, ctx: Context) -> None:
    if waits_before:
        await asyncio.sleep(0)
    await ctx.ack("accepted")
    await asyncio.sleep(2 * TIMEOUT)
    notes.append(f"acked went on, aborted={ctx.aborted}")


@client.handle(max_duration=TIMEOUT)
async def async_stream(data: Any) -> AsyncIterator[int]:
    try:
        while True:
            yield 1
            await asyncio.sleep(0.01)
    finally:
        notes.append("closed")


@client.handle(max_duration=TIMEOUT)
def thread_stream(data: Any) -> Iterator[int]:
    try:
        while True:
            yield 1
            time.sleep(0.01)
    finally:
        notes.append("closed")


@client.handle_stream(max_duration=TIMEOUT)
def thread_chunks(data: Any, ctx: BlockingContext) -> None:
    try:
        while True:
            ctx.chunk(1)
            time.sleep(0.01)
    finally:
        notes.append("closed")


@client.handle(max_duration=3600)
async def short_stream(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


@client.handle(response="none", max_duration=TIMEOUT)
async def in_the_background(data: Any) -> None:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        notes.append("background cancelled")
        raise


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
