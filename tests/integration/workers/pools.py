"""Handlers in other processes, and in executors of the user's."""

from __future__ import annotations

import concurrent.futures
import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from procwire import Batch, BlockingContext, Client, HandlerError

client = Client(max_processes=int(sys.argv[2]) if len(sys.argv) > 2 else 2)
threads = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine")
spawning = concurrent.futures.ProcessPoolExecutor(
    1, mp_context=multiprocessing.get_context("spawn")
)


class BadPickle(Exception):
    """Can be packed, and not unpacked."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle(executor="process")
def pid(data: Any) -> int:
    return os.getpid()


@client.handle(executor="process")
def double(data: Any) -> Any:
    return data * 2


@client.handle("double_bytes", codec="raw", executor="process")
def double_bytes(data: bytes) -> bytes:
    return data * 2


@client.handle(executor="process")
def meet(path: str) -> int:
    """Say that this process is here, and wait until it is killed."""
    Path(path, str(os.getpid())).touch()
    while True:
        time.sleep(3600)


@client.handle("compute_for_a_second", executor="process", timeout=1)
@client.handle(executor="process")
def keep_the_lock(path: str) -> None:
    """Compute in C, with Python's lock."""
    Path(path, str(os.getpid())).touch()
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(3_600_000)
    else:
        ctypes.PyDLL(None).sleep(3600)


@client.handle(executor="process")
def fail(kind: str) -> None:
    if kind == "handler":
        raise HandlerError("no such thing", code="E42", thing=7)
    if kind == "value":
        raise ValueError("a wrong value")
    if kind == "pickle":
        raise BadPickle("this", "that")
    if kind == "base":
        raise KeyboardInterrupt("base")
    if kind == "exit":
        sys.exit(3)


@client.handle(executor="process")
def die(how: str) -> None:
    if how == "fault":
        if sys.platform == "win32":
            faulthandler._raise_exception(0xC0000005)  # type: ignore[attr-defined]
        else:
            os.kill(os.getpid(), signal.SIGSEGV)
    if how == "kill":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    if how == "exit":
        os._exit(3)


@client.handle(executor="process")
def unpicklable(data: Any) -> Any:
    return threading.Lock()


@client.handle(executor="process")
def noisy(data: Any) -> None:
    print('{"jsonrpc":"2.0","method":"$pong"}')
    os.write(1, b'{"jsonrpc":"2.0","method":"$pong"}\n')


@client.handle(executor="process")
def descriptors(data: Any) -> dict[str, str]:
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            # That of the directory itself.
            continue
    return found


@client.handle(executor="process", batch=Batch(max_size=4, max_wait=0.01))
def batched(items: list[int]) -> list[Any]:
    return [ValueError(f"no {item}") if item < 0 else [item, len(items)] for item in items]


@client.handle(executor=threads)
def in_my_thread(data: Any, ctx: BlockingContext) -> str:
    return f"{threading.current_thread().name} {ctx.method}"


@client.handle(executor=threads)
def chunks_in_my_thread(count: int) -> Iterator[str]:
    for _ in range(count):
        yield threading.current_thread().name


@client.handle(executor=spawning)
def in_my_process(data: Any) -> int:
    if data == "fail":
        raise ValueError("there")
    return os.getpid()


@client.handle
async def facts(data: Any) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "max_threads": client.max_threads,
        "max_processes": client.max_processes,
    }


@client.handle
async def end_executors(data: Any) -> None:
    """As whoever has made them should."""
    spawning.shutdown()


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
