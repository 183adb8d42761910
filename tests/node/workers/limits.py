"""A worker with tight limits; the environment says which."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from procwire import Client

client = Client(
    max_payload_size=int(os.environ.get("MAX_PAYLOAD_SIZE", 2**20)),
    max_concurrency=int(os.environ.get("MAX_CONCURRENCY", 1000)),
    max_threads=int(os.environ.get("MAX_THREADS", 10)),
)

lock = threading.Lock()
busy = 0
busiest = 0


def enter() -> None:
    global busy, busiest
    with lock:
        busy += 1
        busiest = max(busiest, busy)


def leave() -> None:
    global busy
    with lock:
        busy -= 1


@client.handle("wait")
async def wait(data: int) -> int:
    enter()
    for _ in range(3):
        await asyncio.sleep(0)
    leave()
    return data


@client.handle("wait_in_thread")
def wait_in_thread(data: int) -> int:
    enter()
    time.sleep(0.002)
    leave()
    return data


@client.handle("wait_unanswered", response="none")
async def wait_unanswered(data: int) -> None:
    await wait(data)
    await client.emit("waited", data)


@client.handle("stream")
async def stream(data: int) -> AsyncIterator[int]:
    enter()
    for number in range(data):
        await asyncio.sleep(0)
        yield number
    leave()


@client.handle("fail")
async def fail(data: int) -> int:
    await wait(data)
    raise ValueError(f"failed {data}")


@client.handle("endless")
async def endless(data: Any) -> None:
    await client.emit("begun", data)
    await asyncio.sleep(3600)


@client.handle("take_busiest")
async def take_busiest(data: Any) -> int:
    global busiest
    result, busiest = busiest, 0
    return result


@client.handle("size", request_codec="raw", response_codec="msgpack")
async def size(data: bytes) -> int:
    return len(data)


@client.handle("make", request_codec="msgpack", response_codec="raw")
async def make(size: int) -> bytes:
    return bytes(size)


@client.handle("make_stream", request_codec="msgpack", response_codec="raw")
async def make_stream(sizes: list[int]) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


client.event("waited").event("begun")

if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
