"""A start-up and a shutdown for every test.

Arguments: the event loop, what is to happen, and a folder. What happens is written to the file
``marks`` in it; what waits goes on when there is a file ``gate``.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from procwire import Client

LOOP, WHAT, FOLDER = sys.argv[1:4]
GATE = Path(FOLDER, "gate")
LOADED: dict[str, Any] = {"nothing yielded": None, "a model yielded": "model"}
variable: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("variable", default=())


def mark(text: str) -> None:
    with open(Path(FOLDER, "marks"), "a", encoding="utf-8") as marks:
        marks.write(f"{text}\n")


async def gate() -> None:
    # Nothing else tells a process that a file has come. So rarely that it seems to stand still.
    while not await asyncio.to_thread(GATE.exists):
        await asyncio.sleep(0.05)


def add(text: str) -> None:
    variable.set((*variable.get(), text))


@asynccontextmanager
async def lifespan(client: Client) -> AsyncIterator[dict[str, Any] | None]:
    mark("entered")
    add("lifespan")
    task = asyncio.current_task()
    if WHAT == "enter fails":
        raise FileNotFoundError(2, "No such file or directory", "model.bin")
    if WHAT == "enter fails with a cause":
        try:
            raise OSError("disk full")
        except OSError as error:
            raise RuntimeError("no model") from error
    if WHAT == "enter fails with a group":
        async with asyncio.TaskGroup() as group:
            group.create_task(_fail())
    if WHAT in ("enter waits", "early"):
        await gate()
    try:
        yield LOADED.get(WHAT, {"model": "loaded"})
    except BaseException as error:
        mark(f"thrown {type(error).__name__}")
        if WHAT == "hook fails and is swallowed":
            return
        raise
    finally:
        assert task is asyncio.current_task()
        mark("left")
        if WHAT == "leaving fails":
            raise ValueError("cannot leave")


async def _fail() -> None:
    raise ValueError("in a child task")


client = Client(
    lifespan=lifespan, announce="early" if WHAT.startswith("early") else "ready", max_threads=1
)


def startup(*occasions: str) -> Callable[[Any], Any]:
    """Register a start-up hook on these occasions only."""
    return client.on_startup if WHAT in occasions else lambda hook: hook


def shutdown(*occasions: str) -> Callable[[Any], Any]:
    return client.on_shutdown if WHAT in occasions else lambda hook: hook


@startup("order")
async def first() -> None:
    add("async hook")
    client.state.first = client.state.model.upper()
    mark("first")


@startup("order")
def second() -> None:
    assert threading.current_thread() is not threading.main_thread()
    add("thread hook")
    mark("second")


@startup("order")
def third() -> Any:
    return first_of_partial()


async def first_of_partial() -> None:
    mark("third")


startup("order")(functools.partial(mark, "fourth"))


@shutdown("order", "shutdown fails", "shutdown waits", "shutdown blocks")
async def close_first_registered() -> None:
    mark("close 1")


@shutdown("order")
def close_in_thread() -> None:
    mark("close 2")


@shutdown("shutdown fails")
async def close_fails() -> None:
    raise SystemExit("cannot close")


@shutdown("shutdown waits")
async def close_waits() -> None:
    mark("close 2")
    try:
        await asyncio.sleep(3600)
    finally:
        mark("close 2 cancelled")


@shutdown("shutdown blocks")
def close_blocks() -> None:
    mark("close 2")
    time.sleep(3600)


@startup("hook fails", "hook fails and is swallowed")
async def hook_fails() -> None:
    raise RuntimeError("no licence")


@startup("thread hook fails")
def thread_hook_fails() -> None:
    raise StopIteration("no licence")


@startup("hook exits", "early exits")
async def hook_exits() -> None:
    raise SystemExit("no licence")


@startup("hook exits", "hook fails", "thread hook fails", "hook fails and is swallowed")
async def after_the_failure() -> None:
    mark("not reached")


@shutdown("hook exits", "hook fails", "thread hook fails", "hook waits", "hook is deaf")
async def close_after_the_failure() -> None:
    mark("not reached")


@startup("hook waits", "early fails", "early waits", "early waits for an abort")
async def hook_waits() -> None:
    mark("waiting")
    await gate()
    # The control plane overtakes the data plane: what has been read there is another question.
    while WHAT == "early waits for an abort" and not client.stats().methods["echo"].aborted:
        await asyncio.sleep(0.01)
    if WHAT == "early fails":
        raise KeyError("model")
    mark("up")


@startup("hook is deaf")
async def hook_is_deaf() -> None:
    mark("waiting")
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    mark("deaf")


@startup("hook is deaf")
async def after_the_deaf() -> None:
    mark("not reached")


@startup("hook blocks", "early blocks")
def hook_blocks() -> None:
    mark("waiting")
    while not GATE.exists():
        time.sleep(0.005)


@client.handle
async def state(data: Any) -> dict[str, Any]:
    return vars(client.state)


@client.handle
async def echo(data: Any) -> Any:
    mark(f"echo {data}")
    return data


@client.handle("variable")
async def get(data: Any) -> tuple[str, ...]:
    return variable.get()


@client.handle("variable_in_thread")
def get_in_thread(data: Any) -> tuple[str, ...]:
    return variable.get()


@client.handle("variable_inline", sync_to_thread=False)
def get_inline(data: Any) -> tuple[str, ...]:
    return variable.get()


@client.handle("variable_stream")
async def get_stream(data: Any) -> AsyncIterator[tuple[str, ...]]:
    yield variable.get()


@client.handle("variable_thread_stream")
def get_thread_stream(data: Any) -> Iterator[tuple[str, ...]]:
    yield variable.get()


@client.handle("variable_inline_stream", sync_to_thread=False)
def get_inline_stream(data: Any) -> Iterator[tuple[str, ...]]:
    yield variable.get()


@client.handle_ack("accept")
async def accept(data: Any) -> Any:
    return data


@client.handle("note", response="none")
async def note(data: Any) -> None:
    mark(f"note {data}")


@client.handle("hold")
async def hold(data: Any) -> None:
    mark("held")
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.05)
        mark("released")


@client.handle("drip")
def drip(data: Any) -> Iterator[int]:
    try:
        while True:
            yield 1
    finally:
        time.sleep(0.05)
        mark("released")


@client.handle("stuck")
def stuck(data: Any) -> None:
    mark("held")
    time.sleep(3600)


@client.handle("immortal")
async def immortal(data: Any) -> None:
    mark("held")
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


@client.handle("stats")
async def stats(data: Any) -> Any:
    return client.stats()


@client.handle("pid")
async def pid(data: Any) -> int:
    return os.getpid()


client.run(loop=LOOP)  # type: ignore[arg-type]
