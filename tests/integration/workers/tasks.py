"""Handlers that look at the task that they run in, and at what an abort does to them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

from procwire import Client, Context

client = Client()
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
log: list[str] = []
kept: list[Any] = []
gates: dict[str, asyncio.Event] = {}
thread_gate = threading.Event()


@client.handle
async def take_log(data: Any) -> list[str]:
    # Callbacks of the tasks before run in the next turn of the loop, several batches may come
    # in this one.
    await asyncio.sleep(0)
    taken = log[:]
    log.clear()
    return taken


@client.handle
async def pending(data: Any) -> list[str]:
    """The tasks that are there besides this one."""
    gc.collect()
    return sorted(
        task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()
    )


@client.handle
async def timeout_first(seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            await asyncio.sleep(3600)
    except TimeoutError:
        return "timed out"
    return "not timed out"


@client.handle
async def timeout_unused(data: Any) -> Any:
    async with asyncio.timeout(3600):  # noqa: ASYNC100 - that it does not wait is the point
        return data


@client.handle
async def task_group(count: int) -> list[int]:
    async def square(number: int) -> int:
        await asyncio.sleep(0)
        return number * number

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(square(number)) for number in range(count)]
    return [task.result() for task in tasks]


@client.handle
async def failing_task_group(data: Any) -> str:
    async def fail() -> None:
        raise ValueError("in the group")

    text = "no error"
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(3600)
    except* ValueError as caught:
        text = str(caught.exceptions[0])
    return text


@client.handle
async def task_facts(data: Any) -> list[Any]:
    task = asyncio.current_task()
    assert task is not None
    facts = [isinstance(task, asyncio.Task), task.done(), task.cancelling()]
    if data == "wait":
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        assert task in asyncio.all_tasks()
    return facts


@client.handle
async def set_variable(data: str) -> str:
    seen = variable.get()
    variable.set(data)
    if data == "waiting":
        await asyncio.sleep(0)
        assert variable.get() == data
        await asyncio.create_task(asyncio.sleep(0))
        assert variable.get() == data
    return seen


@client.handle
def set_variable_in_thread(data: str) -> str:
    seen = variable.get()
    variable.set(data)
    return seen


@client.handle("touch")
async def touch(how: str) -> str:
    """Leave a mark on the task without ever waiting in it."""
    task = asyncio.current_task()
    assert task is not None
    marks = [
        task.get_name() != "procwire-handler" and "name",
        task in kept and "kept",
        task.cancelling() and "cancelling",
        task.done() and "done",
    ]
    if how == "keep":
        kept.append(task)
    elif how == "name":
        task.set_name("touched")
    elif how == "callback":
        task.add_done_callback(lambda ended: log.append(f"done {ended.cancelled()}"))
    elif how == "cancel":
        task.cancel()
    elif how == "uncancel":
        task.cancel()
        task.uncancel()
    elif how == "weakref":
        kept.append(weakref.ref(task))
    return ",".join(str(mark) for mark in marks if mark)


@client.handle
async def kept_are_done(data: Any) -> list[Any]:
    states = [item.done() if isinstance(item, asyncio.Task) else item() is None for item in kept]
    kept.clear()
    return states


@client.handle
async def awaits_cancelled_future(data: Any) -> str:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    try:
        await future
    except asyncio.CancelledError:
        return "the future was cancelled"
    return "no"


@client.handle
async def cancel_self(data: Any) -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        task.uncancel()
        return "cancelled"
    return "no"


@client.handle
async def turns(data: Any) -> list[str]:
    """What else runs on the loop before a handler goes on after its first wait."""
    loop = asyncio.get_running_loop()
    ran: list[str] = []

    def first() -> None:
        ran.append("next turn")
        loop.call_soon(ran.append, "turn after that")

    task = asyncio.current_task()
    assert task is not None
    loop.call_soon(first)
    if data == "cancelled":
        task.cancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        task.uncancel()
        ran.append("cancelled")
    return ran


@client.handle
async def others_call_soon(data: Any) -> bool:
    """While tasks are made, others use the loop as well: here, whenever the collector runs."""
    loop = asyncio.get_running_loop()
    called: list[str] = []
    collections = 0

    def collected(phase: str, info: dict[str, int]) -> None:
        nonlocal collections
        if phase == "start":
            collections += 1
            loop.call_soon(called.append, "")

    before = gc.get_threshold()
    gc.callbacks.append(collected)
    gc.set_threshold(1)
    try:
        # The other requests of the same batch each get a task meanwhile.
        await asyncio.sleep(0)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(collected)
    await asyncio.sleep(0)
    return len(called) == collections > 0


@client.handle
async def own_call_soon(data: Any) -> bool:
    """A loop may have got another call_soon(); it keeps it, and tasks are scheduled by it."""
    loop = asyncio.get_running_loop()
    original = loop.call_soon
    scheduled: list[Any] = []

    def call_soon(callback: Any, *args: Any, **options: Any) -> Any:
        scheduled.append(callback)
        return original(callback, *args, **options)

    loop.call_soon = call_soon  # type: ignore[method-assign]
    try:
        # The other requests of the same batch each get a task meanwhile.
        await asyncio.sleep(0)
        return loop.call_soon is call_soon and len(scheduled) > 1
    finally:
        del loop.call_soon  # type: ignore[method-assign]


# ---- abort ---------------------------------------------------------------------------------------


@client.handle
async def sleep(name: str, ctx: Context) -> str:
    ctx.on_abort(lambda: log.append(f"{name} callback"))
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        log.append(f"{name} cancelled {ctx.aborted}")
        raise
    return name


@client.handle
async def stubborn(name: str, ctx: Context) -> str:
    """Swallows its cancellation and tries to answer."""
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        try:
            await ctx.respond("too late")
        except Exception as error:
            log.append(f"{type(error).__name__}: {error}")
    return "too late as well"


@client.handle
async def abort_error(name: str) -> str:
    try:
        await asyncio.sleep(3600)
    finally:
        raise ValueError("while cleaning up")


@client.handle
async def wait_aborted(name: str, ctx: Context) -> None:
    async def watch() -> None:
        await ctx.wait_aborted()
        log.append(f"{name} watched")

    kept.append(asyncio.create_task(watch()))
    await asyncio.sleep(3600)


@client.handle("endless")
async def endless(name: str) -> AsyncIterator[str]:
    try:
        while True:
            yield name
            await asyncio.sleep(0.001)
    finally:
        log.append(f"{name} closed")


@client.handle("endless_busy")
async def endless_busy(name: str) -> AsyncIterator[str]:
    try:
        while True:
            yield name
    finally:
        log.append(f"{name} closed")


@client.handle("endless_thread")
def endless_thread(name: str) -> Iterator[str]:
    try:
        while True:
            yield name
    finally:
        log.append(f"{name} closed")


@client.handle("endless_inline", sync_to_thread=False)
def endless_inline(name: str) -> Iterator[str]:
    try:
        while True:
            yield name
    finally:
        log.append(f"{name} closed")


@client.handle("thread")
def thread(name: str, ctx: Any) -> str:
    log.append(f"{name} started")
    ctx.wait_aborted()
    try:
        ctx.respond("too late")
    except Exception as error:
        log.append(f"{name} {ctx.aborted} {type(error).__name__}")
    return "too late"


@client.handle("answered_then_sleeps", response="ack")
async def answered_then_sleeps(name: str, ctx: Context) -> None:
    await ctx.ack(name)
    await gates.setdefault(name, asyncio.Event()).wait()
    log.append(f"{name} went on")


@client.handle
async def open_gate(name: str) -> None:
    gates.setdefault(name, asyncio.Event()).set()


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
