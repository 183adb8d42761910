"""Threads that emit events."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

from procwire import Client, CodecError, NotConnectedError, UnknownEventError

client = Client().event("event").event("raw", codec="raw").event("end")


@client.handle
def flood(sizes: list[int]) -> None:
    """Threads that nobody waits for."""
    count, size, threads = sizes

    def emit() -> None:
        for _ in range(count):
            client.emit_threadsafe("raw", bytes(size))

    for _ in range(threads):
        threading.Thread(target=emit, daemon=True).start()


@client.handle
def in_order(count: int) -> None:
    changing = {"number": 0}
    for number in range(count):
        # What has been handed over may be changed.
        changing["number"] = number
        client.emit_threadsafe("event", changing)


@client.handle
def errors(data: Any) -> list[str]:
    told = []
    for name, value in (("missing", 1), ("event", object())):
        try:
            client.emit_threadsafe(name, value)
        except (UnknownEventError, CodecError) as error:
            told.append(type(error).__name__)
    return told


@client.handle
async def on_the_loop(data: Any) -> str:
    try:
        client.emit_threadsafe("event")
    except RuntimeError as error:
        return str(error)
    return "it did not raise"


@client.handle
def give_up(size: int) -> list[Any]:
    """Emit until the parent's side is full, and then once more, with patience for a moment."""
    sent = 0
    try:
        while True:
            client.emit_threadsafe("raw", bytes(size), timeout=0.3)
            sent += 1
    except TimeoutError as error:
        # The parent does not read what it would be told otherwise.
        print(error, file=sys.stderr, flush=True)
        return [sent, str(error)]


@client.handle
async def give_up_while_the_loop_is_stuck(data: Any) -> bool:
    """Let the event be given up before the loop looks at it; whether it was."""
    given_up = threading.Event()

    def emit() -> None:
        try:
            client.emit_threadsafe("event", timeout=0.01)
        except TimeoutError:
            given_up.set()

    threading.Thread(target=emit).start()
    # On the loop, on purpose.
    return given_up.wait(10)


@client.handle
def give_up_often(count: int) -> None:
    for _ in range(count):
        try:
            client.emit_threadsafe("raw", b"", timeout=0.001)
        except TimeoutError:
            continue
    print("gave up often", file=sys.stderr, flush=True)


@client.handle
async def tasks(data: Any) -> int:
    return len(asyncio.all_tasks())


def after_the_end() -> None:
    while True:
        try:
            client.emit_threadsafe("end")
        except NotConnectedError as error:
            print(f"the thread has ended: {error}", file=sys.stderr, flush=True)
            return
        time.sleep(0.001)


@client.handle
async def start_thread(data: Any) -> None:
    # The interpreter waits for it.
    threading.Thread(target=after_the_end).start()
    await asyncio.sleep(0)


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
