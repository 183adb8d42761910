"""A worker for what Windows does in its own way; options are the arguments, as JSON."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

from procwire import Client

client = Client(**json.loads(sys.argv[2]))


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle
async def pid(_data: None) -> int:
    return os.getpid()


@client.handle
async def wait(_data: None) -> None:
    await asyncio.Event().wait()


@client.handle("blocks", sync_to_thread=False)
def blocks(seconds: float) -> None:
    """Python goes on, the event loop does not."""
    time.sleep(seconds)


@client.handle("keeps_the_lock", sync_to_thread=False)
def keeps_the_lock(milliseconds: int) -> None:
    """Nothing of Python goes on."""
    ctypes.PyDLL("kernel32").Sleep(milliseconds)


@client.handle("threads", sync_to_thread=False)
def threads(_data: None) -> list[str]:
    return [thread.name for thread in threading.enumerate()]


@client.handle("says", sync_to_thread=True)
def says(text: str) -> str:
    """In all ways that there are; returns what could be read."""
    print(text, flush=True)
    os.write(1, text.encode() + b"\n")
    subprocess.run(
        [sys.executable, "-c", f"print({text!r}); import os; os.write(1, {text.encode()!r})"],
        check=True,
    )
    # A windowed program has nothing but the system's handles.
    output = ctypes.windll.kernel32.GetStdHandle(-11)  # type: ignore[attr-defined]
    written = ctypes.c_ulong()
    data = text.encode() + b"\n"
    ctypes.windll.kernel32.WriteFile(  # type: ignore[attr-defined]
        ctypes.c_void_p(output), data, len(data), ctypes.byref(written), None
    )
    return sys.stdin.read()


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
