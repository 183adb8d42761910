"""Handlers that keep the loop, Python's lock or the process from going on.

Arguments: the event loop, and the client's options as JSON.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import faulthandler
import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from procwire import Client

client = Client(**json.loads(sys.argv[2]) if len(sys.argv) > 2 else {})

with_the_lock: Any = ctypes.PyDLL("ucrtbase" if sys.platform == "win32" else None)
"""The C library, called without giving Python's lock back."""


def tell(text: str) -> None:
    os.write(2, f"{text}\n".encode())


def keep_the_lock(seconds: float) -> float:
    """Returns the time before which it cannot have ended; all processes have the same clock."""
    # No other thread may have the lock between saying so and doing it.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    end = time.monotonic() + seconds
    if sys.platform == "win32":
        with_the_lock._write(2, b"stuck\n", 6)
    else:
        with_the_lock.write(2, b"stuck\n", 6)
    if seconds >= 3600 and sys.platform != "win32":
        # Signals end a sleep, but not this.
        with_the_lock.read(os.pipe()[0], ctypes.create_string_buffer(1), 1)
    else:
        sleep_with_the_lock(seconds)
    sys.setswitchinterval(interval)
    return end


def sleep_with_the_lock(seconds: float) -> None:
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(int(seconds * 1000))
    else:
        with_the_lock.usleep(int(seconds * 1_000_000))


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle("echo_raw", codec="raw")
async def echo_raw(data: bytes) -> bytes:
    return data


@client.handle("size", request_codec="raw")
async def size(data: bytes) -> int:
    return len(data)


@client.handle("stream", response_codec="raw")
async def stream(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(65536)


@client.handle("lock_loop", sync_to_thread=False)
def lock_loop(seconds: float) -> float:
    return keep_the_lock(seconds)


@client.handle
async def lock_loop_later(seconds: float) -> float:
    await asyncio.sleep(0)
    return keep_the_lock(seconds)


@client.handle("lock_quietly", sync_to_thread=False)
def lock_quietly(seconds: float, depth: int = 100) -> None:
    """With a stack that makes a long report."""
    if depth:
        lock_quietly(seconds, depth - 1)
    else:
        sleep_with_the_lock(seconds)


@client.handle("lock_thread")
def lock_thread(seconds: float) -> float:
    return keep_the_lock(seconds)


@client.handle
async def block_loop(seconds: float) -> None:
    await asyncio.sleep(0)
    tell("stuck")
    time.sleep(seconds)  # noqa: ASYNC251 - what must not be done is what is tested


@client.handle("hash")
def hash_for(seconds: float) -> None:
    """Keep a thread busy with C code that gives Python's lock back."""
    block = bytes(8 * 1024 * 1024)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        hashlib.sha256(block)


@client.handle("spin")
def spin(seconds: float) -> None:
    """Keep a thread busy with Python code."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@client.handle
async def wait(data: Any) -> None:
    tell("waits")
    await asyncio.sleep(3600)


client.handle("wait" * 25, wait)


@client.handle
async def leave_a_thread(data: Any) -> None:
    threading.Thread(target=time.sleep, args=[3600]).start()


@client.handle
async def leave_an_exit_handler(data: Any) -> None:
    atexit.register(time.sleep, 3600)


@client.handle
async def leave_a_locked_exit_handler(data: Any) -> None:
    atexit.register(keep_the_lock, 3600)


@client.handle
async def own_timer(seconds: float) -> None:
    faulthandler.dump_traceback_later(seconds)


@client.handle
async def storm(data: Any) -> None:
    """Signals all the time, which interrupt whatever system call is waiting, in each thread."""
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    if hasattr(with_the_lock, "tgkill"):
        # Each thread; musl and macOS have the timer alone, which interrupts any of them.
        threading.Thread(target=pester, daemon=True).start()
    # Python gives signals their default back at its end.
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)


def pester() -> None:
    threads = [int(name) for name in os.listdir("/proc/self/task")]
    while True:
        for thread in threads:
            with_the_lock.tgkill(os.getpid(), thread, signal.SIGALRM)
        time.sleep(0.001)


@client.handle("fork", sync_to_thread=False)
def fork(how: str) -> int:
    """A child process that looks around, and its exit status."""
    pid = os.fork()
    if pid == 0:
        look_around()
        if how == "exec":
            os.execv(sys.executable, [sys.executable, "-c", ""])
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def look_around() -> None:
    for number, link in open_descriptors():
        tell(f"open in the child: {number} {link}")


@client.handle
async def connection(data: Any) -> str:
    """What the data plane's descriptor is."""
    transport = client._session.connection.transport  # type: ignore[union-attr]
    assert transport is not None
    return os.readlink(f"/proc/self/fd/{transport.get_extra_info('socket').fileno()}")


@client.handle("unblock", sync_to_thread=False)
def unblock(link: str) -> int:
    """Make descriptors non-blocking, as a parent may that shares them."""
    found = [number for number, other in open_descriptors() if other == link]
    for number in found:
        os.set_blocking(number, False)
    return len(found)


def open_descriptors() -> Iterator[tuple[int, str]]:
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            yield int(name), os.readlink(f"/proc/self/fd/{name}")


@client.handle("pool")
def pool(data: Any) -> list[int]:
    """What child processes that were forked compute."""
    from multiprocessing import get_context

    with get_context("fork").Pool(2) as processes:
        return processes.map(abs, data)


@client.handle("terminate")
def terminate(data: Any) -> int | None:
    """The exit status of a child process that was forked and told to end."""
    from multiprocessing import get_context

    context = get_context("fork")
    begun = context.Event()
    process = context.Process(target=lambda: (begun.set(), time.sleep(60)))
    process.start()
    begun.wait()
    process.terminate()
    process.join()
    return process.exitcode


if sys.platform != "win32":
    # Before anybody has connected there are no handlers to hang in.
    signal.signal(signal.SIGUSR1, lambda *_: keep_the_lock(3600))

if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
