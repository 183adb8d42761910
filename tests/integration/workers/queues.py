"""Methods with limits of their own."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from procwire import Client

client = Client(**json.loads(sys.argv[2]))
gates: dict[str, asyncio.Event] = {}
order: list[Any] = []
under_way: Counter[str] = Counter()
most: Counter[str] = Counter()
lock = threading.Lock()


def begin(name: str) -> None:
    with lock:
        under_way[name] += 1
        most[name] = max(most[name], under_way[name])


def end(name: str) -> None:
    with lock:
        under_way[name] -= 1


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle
async def facts(data: Any) -> dict[str, Any]:
    return {"order": order, "most": dict(most)}


@client.handle
async def open_gate(name: str) -> None:
    gates.setdefault(name, asyncio.Event()).set()


@client.handle(max_concurrency=1, codec="raw")
async def single(data: bytes) -> bytes:
    """Waits for the gate `single` once it has been called."""
    begin("single")
    order.append(len(data))
    try:
        await gates.setdefault("single", asyncio.Event()).wait()
    finally:
        end("single")
    return data


@client.handle(max_concurrency=3)
async def triple(data: Any) -> Any:
    begin("triple")
    order.append(data)
    await asyncio.sleep(0.001)
    end("triple")
    return data


@client.handle(max_concurrency=2)
def threaded(data: Any) -> Any:
    begin("threaded")
    threading.Event().wait(0.001)
    end("threaded")
    return data


@client.handle(max_concurrency=1)
def drip(data: Any) -> Iterator[int]:
    begin("drip")
    try:
        while True:
            yield 1
    finally:
        threading.Event().wait(0.02)
        end("drip")


@client.handle
async def hold(name: str) -> str:
    await gates.setdefault(name, asyncio.Event()).wait()
    return name


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
