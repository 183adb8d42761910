"""What type checkers say about the public interface, right and wrong.

`make lint` has this checked by mypy --strict and by pyright in strict mode, against the installed
package.  A line that is wrong says which error each of them has to report: one that is not reported
is an error, too.  Nothing here is ever run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, assert_type

from procwire import (
    Batch,
    BlockingContext,
    CallNext,
    Client,
    Codec,
    Context,
    HandlerError,
    MethodStats,
    MsgpackCodec,
    RawCodec,
    RequestFilter,
    current_method,
    current_request_id,
    track_requests,
)
from procwire.parent import Module, ModuleManager, SpawnPolicy
from procwire.testing import TestParent

# ---- the client --------------------------------------------------------------------------------


@asynccontextmanager
async def lifespan(client: Client) -> AsyncGenerator[Mapping[str, object]]:
    yield {"model": client.module_name}


client = Client(lifespan=lifespan, max_concurrency=8, liveness="process")

Client(max_concurrency="8")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Client(liveness="thread")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Client(max_threds=4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# ---- decorators keep what they decorate --------------------------------------------------------


@client.handle
async def double(number: int) -> int:
    return 2 * number


@client.handle("half", timeout=1.5, codec="msgpack")
def half(number: int, ctx: BlockingContext) -> float:
    ctx.raise_if_aborted()
    return number / 2


@client.handle_stream
async def count(to: int, ctx: Context) -> AsyncGenerator[int, None]:
    for number in range(to):
        yield number


@client.handle_stream("lines", max_duration=60)
def lines(text: str) -> Iterator[str]:
    yield from text.splitlines()


@client.handle_ack(codec=RawCodec())
async def store(data: bytes, ctx: Context) -> None:
    await ctx.ack({"size": len(data)})


@client.handle(batch=Batch(max_size=8, max_wait=0.01))
async def embed(texts: list[str]) -> list[list[float]]:
    return [[float(len(text))] for text in texts]


@client.on_startup
def warm_up() -> int:
    return 1


@client.on_shutdown
async def clean_up() -> str:
    return "clean"


@client.middleware
async def authorized(data: dict[str, Any], ctx: Context, call_next: CallNext) -> Any:
    if data.get("key") != ctx.method:
        raise HandlerError("not you", code="E_KEY", asked_for=ctx.method)
    return await call_next(data)


client.middleware(track_requests)


async def they_can_be_called(context: Context, blocking: BlockingContext, call: CallNext) -> None:
    assert_type(await double(1), int)
    assert_type(half(1, blocking), float)
    assert_type(count(3, context), AsyncGenerator[int, None])
    assert_type(lines("a\nb"), Iterator[str])
    assert_type(await embed(["a"]), list[list[float]])
    assert_type(warm_up(), int)
    assert_type(await clean_up(), str)
    await store(b"", context)
    await authorized({}, context, call)

    await double("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    half(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await store("text", context)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    warm_up(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


assert_type(client.handle("twice", double), Client)
assert_type(client.handle_stream("more", lines).event("progress", codec=MsgpackCodec()), Client)

client.handle("a", double, response="sometimes")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
client.handle("b", double, timeout="1 s")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
client.handle_ack("c", double, response="ack")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
client.handle(7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
client.event(codec="raw")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@client.on_startup  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportUntypedFunctionDecorator]
def asks_for_something(what: str) -> None:
    print(what)


@client.middleware  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportUntypedFunctionDecorator]
def does_not_wait(data: object, ctx: Context, call_next: CallNext) -> object:
    return data


# ---- the context -------------------------------------------------------------------------------


async def answer(ctx: Context) -> None:
    assert_type(ctx.request_id, int)
    assert_type(ctx.method, str)
    assert_type(ctx.aborted, bool)
    await ctx.respond({"a": [1, None]})
    await ctx.ack()
    await ctx.chunk(b"")
    await ctx.end()
    await ctx.error("no")
    await ctx.error(ValueError("no"))
    await ctx.error({"message": "no", "code": 7})
    ctx.on_abort(lambda: print("aborted"))
    await ctx.wait_aborted()

    await ctx.respond()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await ctx.end(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await ctx.error(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ctx.method = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    ctx.on_abort(print("now"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ctx.respond(1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


class Subclass(Context):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    """The compiled class cannot be one's base."""


def block(ctx: BlockingContext) -> None:
    assert_type(ctx.wait_aborted(0.5), bool)
    ctx.wait_aborted("soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# ---- codecs ------------------------------------------------------------------------------------


class Upper:
    @property
    def name(self) -> str:
        return "upper"

    def encode(self, value: Any) -> bytes:
        return str(value).upper().encode()

    def decode(self, payload: bytes) -> str:
        return payload.decode()


class OneWay:
    name = "one way"

    def encode(self, value: Any) -> bytes:
        return bytes(value)


upper: Codec = Upper()
client.handle("shout", double, codec=Upper())
one_way: Codec = OneWay()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
assert_type(RawCodec().encode(b"a"), bytes)
assert_type(RawCodec().decode(bytearray(b"a")), bytes)
MsgpackCodec().decode("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# ---- life, statistics, logs --------------------------------------------------------------------


async def serve() -> None:
    async with client as entered:
        assert_type(entered, Client)
        await client.emit("progress", 1)
        client.emit_threadsafe("progress", 1, timeout=2)
        await client.wait_closed()
    await client.emit(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


assert_type(client.stats().methods["double"], MethodStats)
assert_type(current_method.get(), str | None)
assert_type(current_request_id.get(), int | None)
logging.getLogger("procwire").addFilter(RequestFilter())
client.stats().late = 0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]

client.run(loop="auto")
client.run(loop=asyncio.new_event_loop)
client.run(loop="trio")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# ---- the other side ----------------------------------------------------------------------------


async def call() -> None:
    module = Module("worker").executable("python3", ["worker.py"]).method("double")
    assert_type(module, Module)
    module.method("count", response="stream").method("save", timeout=0).event("progress")
    module.method("bad", response="streams")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    module.spawn_policy(SpawnPolicy(auth=True))
    async with ModuleManager(module) as manager:
        assert_type(manager["worker"], Module)
        assert_type(await module.send("double", 4), Any)
        async for number in module.stream("count", 3):
            print(number)
        list(module.stream("count", 3))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    async with TestParent(client) as parent:
        assert_type(parent, TestParent)
        await parent.send(4)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
