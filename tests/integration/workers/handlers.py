"""Handlers of every form and every kind, for tests that speak the wire."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy

from procwire import Client, Context, HandlerError

client = Client()
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
gates: dict[str, asyncio.Event] = {}
log: list[str] = []


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle("raw", codec="raw")
async def raw(data: bytes) -> bytes:
    return data


@client.handle("raw_inline", codec="raw", sync_to_thread=False)
def raw_inline(data: bytes) -> bytes:
    return data


@client.handle("raw_to_msgpack", request_codec="raw", response_codec="msgpack")
async def raw_to_msgpack(data: bytes) -> int:
    return len(data)


@client.handle("msgpack_to_raw", request_codec="msgpack", response_codec="raw")
async def msgpack_to_raw(size: int) -> bytes:
    return bytes(size)


@client.handle("inline", sync_to_thread=False)
def inline(data: Any) -> Any:
    return data


@client.handle("inline_task", sync_to_thread=False)
def inline_task(data: Any) -> Any:
    return asyncio.current_task() is None


@client.handle
def threaded(data: Any) -> Any:
    return [data, threading.current_thread() is not threading.main_thread()]


@client.handle
def threaded_coroutine(data: Any) -> Any:
    return echo(data)


@client.handle
async def gate(name: str) -> str:
    """Wait until open_gate is called with the same name."""
    await gates.setdefault(name, asyncio.Event()).wait()
    return name


@client.handle
async def open_gate(name: str) -> None:
    gates.setdefault(name, asyncio.Event()).set()


@client.handle("async_chunks")
async def async_chunks(count: int) -> AsyncIterator[int]:
    for index in range(count):
        yield index


@client.handle("waiting_chunks")
async def waiting_chunks(count: int) -> AsyncIterator[int]:
    for index in range(count):
        await asyncio.sleep(0)
        yield index


@client.handle("thread_chunks")
def thread_chunks(count: int) -> Iterator[int]:
    yield from range(count)


@client.handle("inline_chunks", sync_to_thread=False)
def inline_chunks(count: int) -> Iterator[int]:
    yield from range(count)


@client.handle("context_chunks", response="stream")
async def context_chunks(count: int, ctx: Context) -> None:
    for index in range(count):
        await ctx.chunk(index)
    if count % 2:
        await ctx.end()


@client.handle("thread_context_chunks", response="stream")
def thread_context_chunks(count: int, ctx: Any) -> None:
    for index in range(count):
        ctx.chunk(index)


@client.handle("broken_chunks")
async def broken_chunks(count: int) -> AsyncIterator[int]:
    for index in range(count):
        yield index
    raise HandlerError("broken", code="E_BROKEN")


@client.handle("broken_thread_chunks")
def broken_thread_chunks(count: int) -> Iterator[int]:
    yield from range(count)
    raise HandlerError("broken", code="E_BROKEN")


@client.handle("unsendable_chunks")
async def unsendable_chunks(data: Any) -> AsyncIterator[Any]:
    yield 1
    yield object()
    log.append("went on after a chunk that cannot be sent")


@client.handle_ack("ack")
async def ack(data: Any) -> Any:
    return data


@client.handle_ack("ack_then_event")
async def ack_then_event(data: Any, ctx: Context) -> None:
    await ctx.ack(data)
    await client.emit("happened", data)


@client.handle_ack("raw_ack", codec="raw")
async def raw_ack(data: bytes) -> bytes | None:
    return data or None


@client.handle("fire", response="none")
async def fire(data: Any) -> str:
    if data == "raise":
        raise ValueError("nobody hears this")
    await client.emit("happened", data)
    return "nobody sees this"


@client.handle("fire_chunks", response="stream")
async def fire_chunks(data: Any, ctx: Context) -> None:
    await ctx.chunk(data)


@client.handle("raise")
async def raise_(data: Any) -> None:
    raise EXCEPTIONS[data]()


@client.handle("raise_inline", sync_to_thread=False)
def raise_inline(data: Any) -> None:
    raise EXCEPTIONS[data]()


@client.handle("raise_thread")
def raise_thread(data: Any) -> None:
    raise EXCEPTIONS[data]()


@client.handle("raise_later")
async def raise_later(data: Any) -> None:
    await asyncio.sleep(0)
    raise EXCEPTIONS[data]()


class Unfinished(HandlerError):
    def __init__(self) -> None:
        """Does not call its base class's."""


def released() -> memoryview:
    view = memoryview(b"xx")
    view.release()
    return view


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


EXCEPTIONS: dict[str, Any] = {
    "plain": lambda: ValueError("plain text"),
    "empty": ValueError,
    "key": lambda: KeyError("name"),
    "mute": Mute,
    "surrogate": lambda: ValueError("bad \udc80 text"),
    "handler": lambda: HandlerError("told", code="E42", where=[1, 2]),
    "details": lambda: HandlerError("told", where=object()),
    "message": lambda: HandlerError("told", message2=1),
    "unfinished": Unfinished,
    "released": lambda: HandlerError("told", where=released()),
    "cancelled": asyncio.CancelledError,
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "generator": GeneratorExit,
    "stop": StopIteration,
    "group": lambda: ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
}


def wrapped(function: Any) -> Any:
    """A decorator that makes a plain function of a coroutine function, as many do."""

    @functools.wraps(function)
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


@client.handle_ack("wrapped_ack")
@wrapped
async def wrapped_ack(data: Any, ctx: Any) -> None:
    await ctx.ack(data)


class Keeping:
    """A codec that touches the task that it finds itself in, if there is one."""

    name = "keeping"

    def encode(self, value: Any) -> bytes:
        self.look()
        return repr(value).encode()

    def decode(self, payload: bytes) -> Any:
        self.look()
        return payload.decode()

    def look(self) -> None:
        task = asyncio.current_task()
        if task is not None and task.get_name() == "procwire-handler":
            task.cancel()
            log.append("a codec found a handler's task")


@client.handle("keeping", codec=Keeping())
async def keeping(data: Any) -> Any:
    return data


client.event("kept", codec=Keeping())


@client.handle("respond")
async def respond(data: Any, ctx: Context) -> None:
    await ctx.respond(data)


@client.handle("respond_and_return")
async def respond_and_return(data: Any, ctx: Context) -> Any:
    await ctx.respond(data)
    return "too late"


@client.handle("respond_twice")
async def respond_twice(data: Any, ctx: Context) -> None:
    await ctx.respond(data)
    await ctx.respond(data)


@client.handle("respond_then_raise")
async def respond_then_raise(data: Any, ctx: Context) -> None:
    await ctx.respond(data)
    raise ValueError("after the answer")


@client.handle("respond_second_try")
async def respond_second_try(data: Any, ctx: Context) -> None:
    try:
        await ctx.respond(object())
    except Exception as error:
        await ctx.respond(f"{type(error).__name__}: {error}")


@client.handle("ctx_error")
async def ctx_error(data: Any, ctx: Context) -> None:
    await ctx.error(data)


@client.handle("ctx_error_exception")
async def ctx_error_exception(data: Any, ctx: Context) -> None:
    await ctx.error(EXCEPTIONS[data]())


@client.handle("wrong_result")
async def wrong_result(verb: str, ctx: Context) -> str:
    try:
        await getattr(ctx, verb)(*(() if verb == "end" else (1,)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


@client.handle("wrong_stream", response="stream")
async def wrong_stream(verb: str, ctx: Context) -> None:
    await getattr(ctx, verb)(1)


@client.handle("return_from_stream", response="stream")
async def return_from_stream(data: Any, ctx: Context) -> Any:
    return data


@client.handle("unsendable")
async def unsendable(data: Any) -> Any:
    return {"items": [{"id": object()}]}


@client.handle("unsendable_raw", codec="raw")
async def unsendable_raw(data: bytes) -> Any:
    return {b"": None, b"x": "text", b"o": numpy.array([object()])}[data]


@client.handle("context_facts")
async def context_facts(data: Any, ctx: Context) -> Any:
    return [ctx.request_id, ctx.method, ctx.aborted, repr(ctx)]


@client.handle("thread_context_facts")
def thread_context_facts(data: Any, ctx: Any) -> Any:
    return [ctx.request_id, ctx.method, ctx.aborted, repr(ctx)]


@client.handle("set_variable")
async def set_variable(data: str) -> str:
    seen = variable.get()
    variable.set(data)
    if data.endswith("-waiting"):
        await asyncio.sleep(0)
        assert variable.get() == data
    return seen


@client.handle("set_variable_thread")
def set_variable_thread(data: str) -> str:
    seen = variable.get()
    variable.set(data)
    return seen


@client.handle("take_log")
async def take_log(data: Any) -> list[str]:
    taken = log[:]
    log.clear()
    return taken


client.event("happened")
client.event("happened_raw", codec="raw")


@client.handle("emit")
async def emit(data: Any) -> None:
    await client.emit(*data)


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
