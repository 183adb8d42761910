"""Everything that can go wrong in a handler."""

import asyncio
import datetime
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from procwire import (
    BlockingContext,
    Client,
    CodecError,
    Context,
    HandlerError,
    ProtocolError,
    ResponseAlreadySentError,
)

client = Client()


class Textless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")


class Unprintable(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]

    __repr__ = __str__


def assertion() -> None:
    assert [] == [1], "not equal"


def group() -> None:
    raise ExceptionGroup("several", [ValueError("a"), KeyError("b")])


def chained() -> None:
    try:
        raise KeyError("cause")
    except KeyError as error:
        raise ValueError("effect") from error


def throw(error: BaseException) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


FAILURES: dict[str, Callable[[], Any]] = {
    "text": throw(ValueError("oops")),
    "lines": throw(ValueError("first\nsecond\ttab")),
    "unicode": throw(ValueError("zażółć 🚀")),
    "surrogate": throw(ValueError("file \udcff")),
    "empty": throw(ValueError()),
    "empty_text": throw(ValueError("")),
    "arguments": throw(ValueError("a", 1)),
    "number": throw(ValueError(404)),
    "key": lambda: {}["missing"],
    "index": lambda: [][0],
    "attribute": lambda: None.nothing,  # type: ignore[attr-defined]
    "division": lambda: 1 / 0,
    "assertion": assertion,
    # As it is on every system: Windows' own says what it likes.
    "os": throw(FileNotFoundError(2, "No such file or directory", "/no/such/file")),
    "group": group,
    "chained": chained,
    "textless": throw(Textless()),
    "unprintable": throw(Unprintable()),
    "long": throw(ValueError("x" * 100_000)),
    "exit": lambda: sys.exit(3),
    "interrupt": throw(KeyboardInterrupt()),
    "cancelled": throw(asyncio.CancelledError()),
    "timeout": throw(TimeoutError()),
    "stop": throw(StopIteration("stopped")),
    "stop_async": throw(StopAsyncIteration("stopped")),
    "generator_exit": throw(GeneratorExit()),
    "handler": throw(HandlerError("bad")),
    "code": throw(HandlerError("bad", code="E1")),
    "number_code": throw(HandlerError("bad", code=42)),
    "details": throw(HandlerError("bad", code="E1", tries=[1, 2], nested={"a": None})),
    "rich_details": throw(
        HandlerError(
            "bad",
            body=b"\x00\xff",
            at=datetime.datetime(2023, 11, 14, 22, 13, 20, 123000, datetime.UTC),
        )
    ),
    "empty_message": throw(HandlerError("")),
    "bad_details": throw(HandlerError("bad", code="E1", thing=object())),
    "big_details": throw(HandlerError("bad", count=2**60)),
}


@client.handle("fail")
async def fail(kind: str) -> Any:
    return FAILURES[kind]()


@client.handle("fail_later")
async def fail_later(kind: str) -> Any:
    await asyncio.sleep(0)
    return FAILURES[kind]()


@client.handle("fail_in_thread")
def fail_in_thread(kind: str) -> Any:
    return FAILURES[kind]()


@client.handle("fail_inline", sync_to_thread=False)
def fail_inline(kind: str) -> Any:
    return FAILURES[kind]()


@client.handle("fail_with_context")
async def fail_with_context(kind: str, ctx: Context) -> Any:
    return FAILURES[kind]()


@client.handle_ack("fail_ack")
async def fail_ack(kind: str) -> Any:
    return FAILURES[kind]()


@client.handle("fail_raw", codec="raw")
async def fail_raw(kind: bytes) -> Any:
    return FAILURES[kind.decode()]()


@client.handle_ack("fail_raw_ack", codec="raw")
async def fail_raw_ack(kind: bytes) -> Any:
    return FAILURES[kind.decode()]()


# ---- errors in streams ---------------------------------------------------------------------


@client.handle("stream_async")
async def stream_async(data: dict[str, Any]) -> AsyncIterator[int]:
    for number in range(data["after"]):
        yield number
    FAILURES[data["kind"]]()


@client.handle("stream_waiting")
async def stream_waiting(data: dict[str, Any]) -> AsyncIterator[int]:
    for number in range(data["after"]):
        await asyncio.sleep(0)
        yield number
    await asyncio.sleep(0)
    FAILURES[data["kind"]]()


@client.handle("stream_thread")
def stream_thread(data: dict[str, Any]) -> Iterator[int]:
    yield from range(data["after"])
    FAILURES[data["kind"]]()


@client.handle("stream_inline", sync_to_thread=False)
def stream_inline(data: dict[str, Any]) -> Iterator[int]:
    yield from range(data["after"])
    FAILURES[data["kind"]]()


@client.handle_stream("stream_context")
async def stream_context(data: dict[str, Any], ctx: Context) -> None:
    for number in range(data["after"]):
        await ctx.chunk(number)
    FAILURES[data["kind"]]()


@client.handle_stream("stream_thread_context")
def stream_thread_context(data: dict[str, Any], ctx: BlockingContext) -> None:
    for number in range(data["after"]):
        ctx.chunk(number)
    FAILURES[data["kind"]]()


@client.handle("stream_raw", request_codec="msgpack", response_codec="raw")
async def stream_raw(data: dict[str, Any]) -> AsyncIterator[bytes]:
    for number in range(data["after"]):
        yield bytes([number])
    FAILURES[data["kind"]]()


@client.handle_stream("stream_told")
async def stream_told(after: int, ctx: Context) -> None:
    for number in range(after):
        await ctx.chunk(number)
    await ctx.error({"message": "told", "after": after})


# ---- errors that the handler tells instead of raising them ---------------------------------

TOLD: dict[str, Any] = {
    "text": "as a text",
    "exception": ValueError("as an exception"),
    "handler_error": HandlerError("as a HandlerError", code="E2"),
    "mapping": {"message": "as a mapping", "code": 7, "list": [1]},
    "mapping_without_message": {"code": 7},
    "surrogate": "file \udcff",
    "unencodable": {"message": "as a mapping", "thing": object()},
    "number": 5,
    "none": None,
}


@client.handle("tell")
async def tell(kind: str, ctx: Context) -> None:
    await ctx.error(TOLD[kind])


@client.handle("tell_in_thread")
def tell_in_thread(kind: str, ctx: BlockingContext) -> None:
    ctx.error(TOLD[kind])


@client.handle("tell_raw", request_codec="msgpack", response_codec="raw")
async def tell_raw(kind: str, ctx: Context) -> None:
    await ctx.error(TOLD[kind])


# ---- answers that cannot be sent -----------------------------------------------------------


@client.handle("unencodable")
async def unencodable(data: Any) -> Any:
    return {"items": [1, {"id": object()}]}


@client.handle_ack("unencodable_ack")
async def unencodable_ack(data: Any) -> Any:
    return {1, 2, object()}


@client.handle("unencodable_chunk")
async def unencodable_chunk(data: Any) -> AsyncIterator[Any]:
    yield 1
    yield 2**53
    yield 3


@client.handle("raw_text", codec="raw")
async def raw_text(data: bytes) -> str:
    return "not bytes"


@client.handle("second_try")
async def second_try(data: Any, ctx: Context) -> None:
    try:
        await ctx.respond({"a": 2**60})
    except CodecError as error:
        await ctx.respond(f"{type(error).__name__}: {error}")


# ---- answers of the wrong kind, or too many ------------------------------------------------


async def ack_it(data: Any, ctx: Context) -> None:
    await ctx.ack(data)


async def respond_it(data: Any, ctx: Context) -> None:
    await ctx.respond(data)


async def chunk_it(data: Any, ctx: Context) -> None:
    await ctx.chunk(data)


async def end_it(data: Any, ctx: Context) -> None:
    await ctx.end()


for kind in ("result", "ack", "stream"):
    for answer in (ack_it, respond_it, chunk_it, end_it):
        client.handle(f"{answer.__name__}_{kind}", answer, response=kind)  # type: ignore[call-overload]


@client.handle("recovers")
async def recovers(data: Any, ctx: Context) -> str:
    try:
        await ctx.ack(data)
    except ProtocolError as error:
        return str(error)
    return "no error"


@client.handle_stream("returns_a_value")
async def returns_a_value(data: Any, ctx: Context) -> Any:
    await ctx.chunk(1)
    return "value"


@client.handle("twice")
async def twice(data: Any, ctx: Context) -> None:
    await ctx.respond("first")
    try:
        await ctx.respond("second")
    except ResponseAlreadySentError as error:
        await client.emit("refused", str(error))


@client.handle("respond_and_return")
async def respond_and_return(data: Any, ctx: Context) -> str:
    await ctx.respond("responded")
    return "returned"


@client.handle("respond_and_raise")
async def respond_and_raise(data: Any, ctx: Context) -> None:
    await ctx.respond("responded")
    raise ValueError("too late to be heard")


@client.handle("error_and_return")
async def error_and_return(data: Any, ctx: Context) -> str:
    await ctx.error("told")
    return "returned"


# ---- one answer, whatever comes after ------------------------------------------------------


async def responds_later(data: Any, ctx: Context) -> None:
    await asyncio.sleep(0)
    await ctx.respond(data)
    await asyncio.sleep(0)


def responds_in_thread(data: Any, ctx: BlockingContext) -> None:
    ctx.respond(data)


async def ends_later(data: Any, ctx: Context) -> None:
    await ctx.chunk(data)
    await asyncio.sleep(0)
    await ctx.end()


async def chunks_and_ends(data: Any, ctx: Context) -> AsyncIterator[Any]:
    yield data
    await ctx.end()


client.handle("once_result", respond_it)
client.handle("once_result_later", responds_later)
client.handle("once_result_thread", responds_in_thread)
client.handle_ack("once_ack", ack_it)
client.handle_stream("once_stream", ends_later)
client.handle_stream("once_generator", chunks_and_ends)


# ---- requests that cannot be read ----------------------------------------------------------


@client.handle("echo")
async def echo(data: Any) -> Any:
    return data


@client.handle_stream("echo_stream")
async def echo_stream(data: Any) -> AsyncIterator[Any]:
    yield data


client.event("refused")

if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
