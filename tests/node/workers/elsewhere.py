"""Handlers with time limits, in processes, in batches, and threads that emit."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from procwire import Batch, BlockingContext, Client, HandlerError

client = Client(max_processes=2).event("tick")
notes: list[str] = []


@client.handle
async def take_notes(data: Any) -> list[str]:
    taken = notes[:]
    notes.clear()
    return taken


async def sleep(name: str) -> str:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        notes.append(f"{name} cancelled")
        raise
    return name


client.handle("slow", sleep, timeout=0.2)
client.handle("slow_for_a_patient_parent", sleep, timeout=0.2)


@client.handle(timeout=0.2)
def slow_in_thread(name: str, ctx: BlockingContext) -> str:
    try:
        while True:
            ctx.raise_if_aborted()
            time.sleep(0.001)
    finally:
        notes.append(f"{name} aborted={ctx.aborted}")


@client.handle(max_duration=0.3)
async def ticks(data: Any) -> AsyncIterator[int]:
    number = 0
    try:
        while True:
            yield number
            number += 1
            await asyncio.sleep(0.01)
    finally:
        notes.append("ticks closed")


@client.handle(executor="process")
def pid(data: Any) -> int:
    return os.getpid()


@client.handle(executor="process")
def spin(path: str) -> None:
    """What no cooperation would end."""
    Path(path).write_text(str(os.getpid()), encoding="ascii")
    while True:
        pass


@client.handle(executor="process")
def fail(what: str) -> None:
    if what == "die":
        os._exit(3)
    raise HandlerError("not today", code="E42", when="tomorrow")


@client.handle(batch=Batch(max_size=8, max_wait=0.2))
async def embed(texts: list[str]) -> list[Any]:
    notes.append(f"{len(texts)} texts")
    return [
        HandlerError("an empty text", code="E_EMPTY") if not text else [len(text)] for text in texts
    ]


@client.handle(max_concurrency=1)
async def one_at_a_time(number: int) -> int:
    notes.append(f"{number} began")
    await asyncio.sleep(0)
    notes.append(f"{number} ended")
    return number


@client.handle
async def tick_from_threads(count: int) -> None:
    def emit() -> None:
        for number in range(count):
            client.emit_threadsafe("tick", number)

    threads = [threading.Thread(target=emit) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)


if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))  # type: ignore[arg-type]
