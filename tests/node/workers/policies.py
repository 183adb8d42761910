"""A client with policies for values that JavaScript would change or refuse."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import datetime
from fractions import Fraction
from typing import Any

from procwire import Client, Context, HandlerError, MsgpackCodec


class Task:
    """Stands for the task in which it is encoded."""


def spell(value: Any) -> Any:
    if isinstance(value, Fraction):
        return [value.numerator, value.denominator]
    if isinstance(value, Task):
        task = asyncio.current_task()
        return None if task is None else repr(task)
    raise TypeError(f"what is a {type(value).__name__}?")


client = Client(
    ints="string", keys="string", naive="utc", surrogates="replace", nan="null", arrays="list",
    default=spell,
)  # fmt: skip
client.event("odd").event("strict", codec=MsgpackCodec())

ODD: dict[Any, Any] = {
    "ints": [2**53, 1],
    "nothing": float("nan"),
    "at": datetime(2026, 1, 2),
    "text": "a\udcff",
    "third": Fraction(1, 3),
    None: 0,
}


@client.handle
async def odd(data: Any) -> Any:
    return ODD


@client.handle
def odd_in_thread(data: Any) -> Any:
    return ODD


@client.handle
async def odd_chunks(data: Any) -> AsyncIterator[Any]:
    yield ODD


@client.handle("odd_ack", response="ack", codec="msgpack")
async def odd_ack(data: Any, ctx: Context) -> None:
    await ctx.ack(ODD)


@client.handle(response_codec=MsgpackCodec(naive="string"))
async def other_policy(what: str) -> Any:
    return {"at": datetime(2026, 1, 2)} if what == "at" else {"id": [2**53]}


@client.handle
async def fail(data: Any) -> Any:
    raise HandlerError("failed", details=ODD)


@client.handle
async def no_form(data: Any) -> Any:
    return {"a": [1j]}


@client.handle
async def task(data: Any) -> Any:
    return Task()


@client.handle(request_codec="raw")
async def emit(data: bytes) -> str:
    await client.emit("odd", ODD)
    try:
        await client.emit("strict", ODD)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "sent"


if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
