"""Handlers of every form, with or without middleware around them, that are counted.

Arguments: the event loop, and what to use: ``middleware``, ``track``, ``debug``, ``details``.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from procwire import (
    CallNext,
    Client,
    Context,
    HandlerError,
    RequestFilter,
    current_method,
    current_request_id,
    track_requests,
)

LOOP, *USES = sys.argv[1:]
client = Client(
    error_details="details" in USES,
    debug="debug" in USES,
    max_concurrency=int(next((use for use in USES if use.isdigit()), 1000)),
)
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
log: list[str] = []
gates: dict[str, asyncio.Event] = {}
thread_gate = threading.Event()

if "track" in USES:
    handler = logging.StreamHandler()
    handler.addFilter(RequestFilter())
    handler.setFormatter(logging.Formatter("[%(name)s %(method)s %(request_id)s] %(message)s"))
    logging.getLogger().addHandler(handler)
    client.middleware(track_requests)

if "middleware" in USES:

    @client.middleware
    async def outer(data: Any, ctx: Context, call_next: CallNext) -> Any:
        if ctx.method in ("take_log", "stats"):
            return await call_next(data)
        log.append(f"outer {ctx.method}")
        variable.set("outer")
        try:
            return await call_next(data)
        except BaseException as error:
            log.append(f"outer {type(error).__name__}")
            raise
        finally:
            log.append("outer ends")

    @client.middleware
    async def inner(data: Any, ctx: Context, call_next: CallNext) -> Any:
        if ctx.method in ("take_log", "stats"):
            return await call_next(data)
        log.append(f"inner {variable.get()}")
        variable.set("inner")
        if data == "refuse":
            raise HandlerError("not you", code="E_AUTH")
        if data == "exit":
            raise SystemExit("middleware exits")
        if data == "short cut":
            return "from the middleware"
        if isinstance(data, dict) and "unwrap" in data:
            return {"wrapped": await call_next(data["unwrap"])}
        return await call_next(data)


@client.handle
async def coroutine(data: Any) -> Any:
    await asyncio.sleep(0)
    return [data, variable.get()]


@client.handle
async def with_context(data: Any, ctx: Context) -> None:
    await ctx.respond([data, variable.get()])


@client.handle("inline", sync_to_thread=False)
def inline(data: Any) -> Any:
    return [data, variable.get()]


@client.handle("thread")
def thread(data: Any) -> Any:
    assert threading.current_thread() is not threading.main_thread()
    return [data, variable.get()]


@client.handle("thread_with_context")
def thread_with_context(data: Any, ctx: Any) -> None:
    ctx.respond([data, variable.get()])


@client.handle("thread_of_coroutine")
def thread_of_coroutine(data: Any) -> Any:
    return coroutine(data)


@client.handle("generator")
async def generator(data: Any) -> AsyncIterator[Any]:
    yield data
    yield variable.get()


@client.handle("thread_generator")
def thread_generator(data: Any) -> Iterator[Any]:
    assert threading.current_thread() is not threading.main_thread()
    yield data
    yield variable.get()


@client.handle("inline_generator", sync_to_thread=False)
def inline_generator(data: Any) -> Iterator[Any]:
    yield data
    yield variable.get()


@client.handle("chunks", response="stream")
async def chunks(data: Any, ctx: Context) -> None:
    await ctx.chunk(data)
    await ctx.chunk(variable.get())


@client.handle("accept", response="ack")
async def accept(data: Any, ctx: Context) -> None:
    await ctx.ack([data, variable.get()])
    await gates.setdefault("accept", asyncio.Event()).wait()


@client.handle("note", response="none")
async def note(data: Any) -> None:
    if data == "fail":
        raise ValueError("noted")
    log.append(f"note {data}")


@client.handle("fail")
async def fail(data: Any) -> None:
    raise ValueError(data)


@client.handle("tell")
async def tell(data: Any, ctx: Context) -> None:
    await ctx.error(ValueError(data))


@client.handle("fail_stream")
async def fail_stream(data: Any) -> AsyncIterator[Any]:
    yield 1
    raise ExceptionGroup("several", [ValueError("a"), TypeError("b")])


@client.handle("refuse")
async def refuse(data: Any) -> None:
    raise HandlerError("refused", code="E1")


@client.handle("hold")
async def hold(data: Any) -> Any:
    log.append("held")
    return await gates.setdefault(data, asyncio.Event()).wait()


@client.handle("stubborn")
async def stubborn(data: Any) -> Any:
    """Answers although nobody wants it any more."""
    log.append("held")
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    return "late"


@client.handle("stubborn_thread")
def stubborn_thread(data: Any) -> Any:
    log.append("held")
    thread_gate.wait()
    return "late"


@client.handle("late_respond")
async def late_respond(data: Any, ctx: Context) -> None:
    log.append("held")
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    await ctx.respond("late")


class ExitingCodec:
    """Leaves in either direction."""

    name = "exiting"

    def encode(self, value: Any) -> bytes:
        raise SystemExit("encoding")

    def decode(self, payload: bytes) -> Any:
        raise SystemExit("decoding")


@client.handle("exits_in_decoding", request_codec=ExitingCodec())
async def exits_in_decoding(data: Any) -> None:
    """Is never called."""


@client.handle("exits_in_encoding", response_codec=ExitingCodec())
async def exits_in_encoding(data: Any) -> Any:
    return data


class Endless(dict[str, Any]):
    def items(self) -> Any:
        raise KeyboardInterrupt

    __iter__ = keys = items


@client.handle("tells_what_exits")
async def tells_what_exits(data: Any) -> None:
    raise HandlerError("told", code="E1", thing=Endless(a=1))


@client.handle("open_gate")
async def open_gate(name: str) -> None:
    gates.setdefault(name, asyncio.Event()).set()
    thread_gate.set()


@client.handle("take_log")
async def take_log(data: Any) -> list[str]:
    # Callbacks of the tasks before run in the next turn of the loop.
    await asyncio.sleep(0)
    taken = log[:]
    log.clear()
    return taken


@client.handle("stats", sync_to_thread=False)
def stats(data: Any) -> Any:
    return client.stats()


@client.handle("who")
async def who(data: Any) -> Any:
    """What a handler, a task and a thread of it know about the request."""

    def know() -> list[Any]:
        logging.getLogger("app").warning("at work")
        return [current_method.get(), current_request_id.get()]

    async def child() -> list[Any]:
        return know()

    return [know(), await asyncio.create_task(child()), await asyncio.to_thread(know)]


@client.handle("who_in_thread")
def who_in_thread(data: Any) -> Any:
    return [current_method.get(), current_request_id.get()]


@client.handle("who_inline", sync_to_thread=False)
def who_inline(data: Any) -> Any:
    return [current_method.get(), current_request_id.get()]


@client.handle(timeout=0.05)
async def slow(data: Any) -> None:
    await asyncio.sleep(3600)


client.run(loop=LOOP)  # type: ignore[arg-type]
