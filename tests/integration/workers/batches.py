"""Handlers that take many requests in one call."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from procwire import Batch, Client

client = Client()
calls: list[list[Any]] = []
gate = asyncio.Event()
most = 0
running = 0


@client.handle
async def take_calls(data: Any) -> dict[str, Any]:
    taken = calls[:]
    calls.clear()
    return {"calls": taken, "most": most}


@client.handle
async def open_gate(data: Any) -> None:
    gate.set()


@client.handle(batch=Batch(max_size=4, max_wait=0.05))
async def double(items: list[int]) -> list[int]:
    calls.append(items)
    await asyncio.sleep(0)
    return [2 * item for item in items]


@client.handle(batch=Batch(max_size=4, max_wait=0.05))
def threaded(items: list[int]) -> list[int]:
    assert threading.current_thread() is not threading.main_thread()
    calls.append(items)
    return [2 * item for item in items]


@client.handle(batch=Batch(max_size=4, max_wait=0.05), sync_to_thread=False)
def inline(items: list[int]) -> list[int]:
    calls.append(items)
    return [2 * item for item in items]


@client.handle(batch=Batch(max_size=3, max_wait=3600))
async def full(items: list[Any]) -> list[Any]:
    calls.append(items)
    return items


@client.handle(batch=Batch(max_size=10, max_wait=0))
async def faulty(items: list[str]) -> Any:
    what = items[0]
    if what == "raise":
        raise ValueError("the whole batch")
    if what == "short":
        return items[1:]
    if what == "no list":
        return {"a": 1}
    if what == "base":
        raise KeyboardInterrupt("the whole batch")
    return [ValueError(f"not {item}") if item == "bad" else item for item in items]


@client.handle(batch=Batch(max_size=2, max_wait=0, max_running=2))
async def gated(items: list[Any]) -> list[Any]:
    global running, most
    calls.append(items)
    running += 1
    most = max(most, running)
    try:
        await gate.wait()
    except asyncio.CancelledError:
        calls.append(["cancelled", *items])
        raise
    finally:
        running -= 1
    return items


@client.handle(batch=Batch(max_size=2, max_wait=0), timeout=0.2)
async def limited(items: list[Any]) -> list[Any]:
    calls.append(items)
    await asyncio.sleep(3600)
    return items


@client.handle_ack(batch=Batch(max_size=2, max_wait=0))
async def acked(items: list[Any]) -> list[Any]:
    return items


@client.handle(batch=Batch(max_size=2, max_wait=0), response="none")
async def unanswered(items: list[Any]) -> list[None]:
    calls.append(items)
    return [None] * len(items)


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
