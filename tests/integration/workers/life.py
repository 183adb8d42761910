"""Handlers that refuse to end, and handlers that print."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from procwire import Client, UnknownEventError

print('{"jsonrpc":"2.0","method":"$error","params":{"message":"printed on import"}}')
sys.stdout.write("no newline")

client = Client(**({"auth_token": sys.argv[2]} if len(sys.argv) > 2 else {}))


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle
async def chatter(data: Any) -> None:
    line = '{"jsonrpc":"2.0","method":"$init","params":{}}'
    print(line)
    print(line, end="", flush=True)
    os.write(1, line.encode() + b"\n")
    subprocess.run([sys.executable, "-c", f"print({line!r})"], check=True)  # noqa: ASYNC221


@client.handle("read_stdin")
def read_stdin(data: Any) -> str:
    return sys.stdin.read() + os.read(0, 10).decode()


@client.handle
async def environment(name: str) -> str | None:
    return os.environ.get(name)


@client.handle("child_environment")
def child_environment(data: Any) -> str:
    command = [sys.executable, "-c", "import os; print(dict(os.environ))"]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()


@client.handle
async def start_child(data: Any) -> int:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import time; time.sleep(3600)", close_fds=False
    )
    return child.pid


@client.handle
async def everything(data: Any) -> str:
    """What a debugger or a crash reporter shows of the client and of this moment."""
    try:
        await client.emit("nothing")
    except UnknownEventError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join(shown.format()) + repr(client) + repr(vars(client))
    raise AssertionError("there is such an event")


@client.handle
async def fail(data: Any) -> float:
    return 1 / 0


@client.handle
async def raise_signal(name: str) -> None:
    signal.raise_signal(getattr(signal, name))
    await asyncio.sleep(3600)


@client.handle
async def module_name(data: Any) -> str | None:
    return client.module_name


@client.handle("child_descriptors")
def child_descriptors(data: Any) -> str:
    """What a child process has open, as it sees it itself."""
    script = (
        "import os\n"
        "for number in sorted(map(int, os.listdir('/proc/self/fd'))):\n"
        "    try: print(number, os.readlink(f'/proc/self/fd/{number}'))\n"
        "    except OSError: pass\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, close_fds=False
    )
    return run.stdout.decode()


@client.handle
async def sleep(path: str) -> None:
    """Leave a mark when cancelled, after some clean-up that takes its time."""
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.05)
        with open(path, "a") as file:  # noqa: ASYNC230 - the loop is about to end
            file.write("cleaned up\n")


@client.handle
async def stream(path: str) -> AsyncIterator[bytes]:
    try:
        while True:
            yield bytes(65536)
    finally:
        with open(path, "a") as file:  # noqa: ASYNC230
            file.write("cleaned up\n")


@client.handle("block_thread")
def block_thread(seconds: float) -> None:
    time.sleep(seconds)


@client.handle
async def immortal(data: Any) -> None:
    """Swallows every cancellation."""
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


@client.handle
async def block_loop(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - what must not be done is what is tested


@client.handle
async def block_other_thread(seconds: float) -> None:
    await asyncio.to_thread(time.sleep, seconds)


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
