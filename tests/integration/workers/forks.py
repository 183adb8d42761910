"""Handlers that fork, and what this process has open."""

from __future__ import annotations

import concurrent.futures
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from procwire import BlockingContext, CallNext, Client, Context, NotConnectedError

client = Client(max_processes=1).event("progress")
hook_children: list[int] = []


class OwnThreads(concurrent.futures.ThreadPoolExecutor):
    """An executor of which nobody knows that its threads are this process's."""


def _status(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle
async def exit_at_once(data: Any) -> int:
    """The child leaves without any clean-up, as it should."""
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    return _status(pid)


@client.handle
async def return_from_handler(data: Any) -> int:
    """The child goes on as if it were the worker: it answers, and serves a loop of its own."""
    pid = os.fork()
    if pid == 0:
        return -1
    return _status(pid)


@client.handle
async def exit_from_handler(data: Any) -> int:
    """The child raises SystemExit."""
    pid = os.fork()
    if pid == 0:
        sys.exit(9)
    return _status(pid)


@client.handle
def fork_in_thread(data: Any) -> int:
    """The child has this one thread, which goes on with its handler."""
    pid = os.fork()
    if pid == 0:
        sys.exit(11)
    return _status(pid)


@client.handle(executor=OwnThreads(1))
def fork_in_executor(data: Any) -> int:
    pid = os.fork()
    if pid == 0:
        return -1
    return _status(pid)


@client.handle
def fork_in_generator(data: Any) -> Iterator[int]:
    pid = os.fork()
    while pid == 0:
        yield -1
    yield _status(pid)


@client.handle
def respond_in_child(data: Any, ctx: BlockingContext) -> None:
    pid = os.fork()
    ctx.respond(-1 if pid == 0 else _status(pid))


@client.handle
def wait_in_child(data: Any, ctx: BlockingContext) -> int:
    pid = os.fork()
    if pid == 0:
        ctx.wait_aborted()
    return _status(pid)


@client.handle
def emit_in_child(data: Any) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            client.emit_threadsafe("progress")
        except NotConnectedError:
            os._exit(7)
    return _status(pid)


@client.handle
async def fork_in_hook(data: Any) -> int:
    return hook_children.pop()


def fork_at_startup() -> None:
    pid = os.fork()
    if pid:
        hook_children.append(_status(pid))


async def around(data: Any, ctx: Context, call_next: CallNext) -> Any:
    return await call_next(data)


@client.handle(executor="process")
def fork_in_pool(data: Any) -> int:
    """The child goes on as if it were the pool process: it answers, and waits for the next call."""
    pid = os.fork()
    if pid == 0:
        return -1
    return _status(pid)


@client.handle(executor="process")
def echo_in_pool(data: Any) -> Any:
    return data


@client.handle(executor="process")
def pid_in_pool(data: Any) -> int:
    return os.getpid()


@client.handle
async def helper(data: Any) -> int:
    """A child that outlives this process, and does not come back."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
    return pid


def _leave_a_helper(kind: str, directory: str) -> None:
    """Another process, with all of this one's descriptors that it is left."""
    if kind == "program":
        pid = os.posix_spawn("/bin/sleep", ["sleep", "3600"], {})
    else:
        # What C forks, Python is not asked about.
        pid = ctypes.PyDLL(None).fork() if kind == "forked by C" else os.fork()
        if pid == 0:
            time.sleep(3600)
    Path(directory, str(pid)).touch()


@client.handle(executor="process")
def die_with_a_helper(data: list[str]) -> None:
    _leave_a_helper(*data)
    os.kill(os.getpid(), signal.SIGKILL)


@client.handle(executor="process")
def hang_with_a_helper(data: list[str]) -> None:
    _leave_a_helper(*data)
    time.sleep(3600)


@client.handle
async def facts(data: Any) -> dict[str, int]:
    descriptors = len(os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"))
    return {"descriptors": descriptors, "threads": threading.active_count()}


@client.handle
def thread_echo(data: Any) -> Any:
    return data


if __name__ == "__main__":
    if "middleware" in sys.argv:
        client.middleware(around)
    if "hook" in sys.argv:
        client.on_startup(fork_at_startup)
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
