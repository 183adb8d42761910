"""A worker whose life is watched: what it knows of its parent, and how it ends."""

import asyncio
import contextlib
import ctypes
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from procwire import Client, Context

client = Client(**json.loads(os.environ.get("OPTIONS", "{}")))


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@client.handle("echo")
async def echo(data: Any) -> Any:
    return data


@client.handle("facts")
async def facts(data: Any) -> dict[str, Any]:
    return {
        "loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
        "module_name": client.module_name,
        "connected": client.connected,
        "environment": sorted(name for name in os.environ if name.startswith("PROCWIRE_")),
        "stdin": sys.stdin.read(),
        "cwd": os.getcwd(),
    }


@client.handle("hold")
async def hold(data: Any, ctx: Context) -> None:
    """Never ends by itself."""
    try:
        log("holding")
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0)
        log(f"coroutine cleaned up, aborted={ctx.aborted}")


@client.handle("stream")
async def stream(data: Any) -> AsyncIterator[int]:
    try:
        yield 1
        await asyncio.sleep(3600)
    finally:
        log("generator cleaned up")


# ---- handlers that do not end, whatever they are told --------------------------------------


@client.handle("deaf")
async def deaf(data: Any) -> None:
    log("holding")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


@client.handle("block_thread")
def block_thread(seconds: float) -> None:
    log("holding")
    time.sleep(seconds)


@client.handle("block_loop", sync_to_thread=False)
def block_loop(seconds: float) -> None:
    log("holding")
    time.sleep(seconds)


@client.handle("keep_lock", sync_to_thread=False)
def keep_lock(seconds: float) -> str:
    """A C call that does not give Python's lock back."""
    log("holding")
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(int(seconds * 1000))
    else:
        ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))
    return "kept"


# ---- time limits, threads and crashes ------------------------------------------------------


@client.handle("gate")
def gate(opens: bool) -> str:
    """Waits in a thread until it is called a second time."""
    if opens:
        opened.set()
        return "opened"
    return "passed" if opened.wait(10) else "nobody opened"


opened = threading.Event()


@client.handle("crash")
async def crash(code: int) -> None:
    os._exit(code)


@client.handle("quick", timeout=0.05)
async def quick(data: Any) -> None:
    await asyncio.sleep(3600)


@client.handle_ack("quick_ack", timeout=0.05)
async def quick_ack(data: Any) -> None:
    await asyncio.sleep(3600)


@client.handle("unhurried", timeout=0)
async def unhurried(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
