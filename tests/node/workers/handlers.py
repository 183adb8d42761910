"""Handlers of every form; each tells where it has run."""

import asyncio
import functools
import os
import threading
from typing import Any

from procwire import BlockingContext, Client, Context

client = Client()


def where() -> dict[str, Any]:
    """The thread, the event loop and the task that the caller runs in."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return {"main": threading.current_thread() is threading.main_thread(), "loop": False}
    return {"main": True, "loop": True, "task": asyncio.current_task() is not None}


@client.handle
async def bare(data: Any) -> Any:
    return [data, where()]


@client.handle()
async def unnamed(data: Any) -> Any:
    return [data, where()]


@client.handle("named")
async def a_python_name(data: Any) -> Any:
    return [data, where()]


@client.handle("waiting")
async def waiting(data: Any) -> Any:
    async with asyncio.timeout(10):
        task = asyncio.current_task()
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
    return [data, where()]


@client.handle("thread")
def in_thread(data: Any) -> Any:
    return [data, where()]


@client.handle("inline", sync_to_thread=False)
def on_loop(data: Any) -> Any:
    return [data, where()]


@client.handle("context")
async def with_context(data: Any, ctx: Context) -> Any:
    return [ctx.method, ctx.request_id, ctx.aborted]


@client.handle("thread_context")
def thread_with_context(data: Any, ctx: BlockingContext) -> Any:
    return [ctx.method, ctx.request_id, ctx.aborted]


class Multiplier:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, data: int) -> int:
        return data * self.factor

    async def multiply(self, data: int) -> int:
        return data * self.factor


class AsyncMultiplier(Multiplier):
    async def __call__(self, data: int) -> int:  # type: ignore[override]
        return await self.multiply(data)


async def power(exponent: int, data: int) -> int:
    return int(data**exponent)


client.handle("object", Multiplier(2))
client.handle("async_object", AsyncMultiplier(3))
client.handle("bound_method", Multiplier(4).multiply)
client.handle("partial", functools.partial(power, 2))
client.handle("lambda", lambda data: data + 1)
client.handle("builtin", len)
client.handle("with_default", lambda data, unit="ms": f"{data} {unit}")

# ---- one handler can only end when another has run -----------------------------------------

gates: dict[str, threading.Event] = {}


def gate(name: str) -> threading.Event:
    return gates.setdefault(name, threading.Event())


@client.handle("wait_in_thread")
def wait_in_thread(name: str) -> str:
    return f"{name} opened" if gate(name).wait(10) else f"nobody opened {name}"


@client.handle("open_gate")
async def open_gate(name: str) -> None:
    gate(name).set()


turn = asyncio.Condition()
present: list[int] = []


@client.handle("leave_in_reverse")
async def leave_in_reverse(data: dict[str, int]) -> int:
    """Wait until all callers are there; whoever came last leaves first."""
    number = data["number"]
    async with turn:
        present.append(number)
        if len(present) == data["of"]:
            present.append(-1)
        turn.notify_all()
        await turn.wait_for(lambda: -1 in present and present[present.index(-1) - 1] == number)
        present.remove(number)
        turn.notify_all()
    return number


if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
