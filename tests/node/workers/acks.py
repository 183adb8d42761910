"""Acks, methods without an answer, and events."""

import asyncio
import os
from typing import Any

from procwire import BlockingContext, Client, CodecError, Context, UnknownEventError

client = Client()


@client.handle_ack("returned")
async def returned(data: Any) -> Any:
    return data


@client.handle_ack("returned_raw", codec="raw")
async def returned_raw(data: bytes) -> bytes:
    return data


@client.handle_ack("nothing")
async def nothing(data: Any) -> None:
    pass


@client.handle_ack("nothing_raw", codec="raw")
async def nothing_raw(data: bytes) -> None:
    pass


@client.handle_ack("given")
async def given(data: Any, ctx: Context) -> None:
    await ctx.ack(data)


@client.handle_ack("given_nothing")
async def given_nothing(data: Any, ctx: Context) -> None:
    await ctx.ack()


@client.handle_ack("given_raw", codec="raw")
async def given_raw(data: bytes, ctx: Context) -> None:
    await ctx.ack(data)


@client.handle_ack("given_nothing_raw", codec="raw")
async def given_nothing_raw(data: bytes, ctx: Context) -> None:
    await ctx.ack()


@client.handle_ack("thread")
def thread(data: Any, ctx: BlockingContext) -> None:
    ctx.ack(data)


@client.handle_ack("inline", sync_to_thread=False)
def inline(data: Any) -> Any:
    return data


# ---- what goes on after the ack ------------------------------------------------------------

go_on = asyncio.Event()


@client.handle_ack("long")
async def long(steps: int, ctx: Context) -> None:
    await ctx.ack({"accepted": steps})
    await go_on.wait()
    for step in range(steps):
        await client.emit("progress", {"step": step})
        await asyncio.sleep(0)


@client.handle_ack("long_in_thread")
def long_in_thread(steps: int, ctx: BlockingContext) -> None:
    loop = the_loop[0]
    ctx.ack("accepted")
    for step in range(steps):
        asyncio.run_coroutine_threadsafe(client.emit("progress", {"step": step}), loop).result()


the_loop: list[asyncio.AbstractEventLoop] = []


@client.handle("go_on")
async def release(data: Any) -> None:
    the_loop[:] = [asyncio.get_running_loop()]
    go_on.set()


# ---- no answer -----------------------------------------------------------------------------


@client.handle("fire", response="none")
async def fire(data: Any, ctx: Context) -> str:
    await client.emit("fired", [data, ctx.request_id])
    return "thrown away"


@client.handle("fire_in_thread", response="none")
def fire_in_thread(data: Any, ctx: BlockingContext) -> str:
    arrived.append([data, ctx.request_id])
    return "thrown away"


@client.handle("fire_raw", response="none", codec="raw")
async def fire_raw(data: bytes) -> None:
    arrived.append(data)


@client.handle("misfire", response="none")
async def misfire(data: str, ctx: Context) -> None:
    if data == "respond":
        await ctx.respond(1)
    if data == "error":
        await ctx.error("nobody hears this")
    raise ValueError(f"misfired: {data}")


arrived: list[Any] = []


@client.handle("take_arrived")
async def take_arrived(count: int) -> list[Any]:
    while len(arrived) < count:
        await asyncio.sleep(0.001)
    taken = arrived[:]
    arrived.clear()
    return taken


# ---- events --------------------------------------------------------------------------------

# The same ids as the first methods have, and one name that is a method's.
client.event("fired").event("progress").event("returned").event("undeclared")


@client.handle("emit")
async def emit(data: dict[str, Any]) -> None:
    await client.emit(data["name"], data["data"])


@client.handle("emit_nothing")
async def emit_nothing(name: str) -> None:
    await client.emit(name)


@client.handle("emit_many")
async def emit_many(count: int) -> str:
    for number in range(count):
        await client.emit("progress", number)
    return "done"


@client.handle("emit_wrongly")
async def emit_wrongly(data: Any) -> list[str]:
    errors = []
    for name, value in (("no_such_event", 1), ("progress", {"a": [object()]})):
        try:
            await client.emit(name, value)
        except (UnknownEventError, CodecError) as error:
            errors.append(f"{type(error).__name__}: {error}")
    return errors


if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
