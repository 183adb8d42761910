"""Handlers that are aborted, and notes of what they saw of it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from procwire import BlockingContext, Client, Context, ResponseAlreadySentError

client = Client()

notes: list[str] = []
news = asyncio.Condition()
loops: list[asyncio.AbstractEventLoop] = []


async def note(text: str) -> None:
    async with news:
        notes.append(text)
        news.notify_all()


def note_from_thread(text: str) -> None:
    asyncio.run_coroutine_threadsafe(note(text), loops[0])


@client.handle("noted")
async def noted(text: str) -> list[str]:
    """Wait until something has been noted; returns and forgets all notes."""
    loops[:] = [asyncio.get_running_loop()]
    async with news:
        await news.wait_for(lambda: not text or text in notes)
        taken = notes[:]
        notes.clear()
        return taken


@client.handle("coroutine")
async def coroutine(data: Any) -> str:
    try:
        await note("started")
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await note("cancelled")
        raise
    return "never"


@client.handle("stubborn")
async def stubborn(data: Any) -> str:
    try:
        await note("started")
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        await note("went on")
    return "an answer that nobody waits for"


@client.handle("failing")
async def failing(data: Any) -> str:
    try:
        await note("started")
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await note("failing")
        raise ValueError("the clean-up failed") from None
    return "never"


@client.handle("context")
async def context(data: Any, ctx: Context) -> None:
    ctx.on_abort(lambda: called("first"))
    ctx.on_abort(lambda: 1 / 0)
    ctx.on_abort(lambda: called("second"))
    try:
        await note("started")
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        ctx.on_abort(lambda: called("at once"))
        try:
            await ctx.respond("too late")
        except ResponseAlreadySentError as error:
            await note(f"aborted={ctx.aborted}, {error}")
        raise


def called(text: str) -> None:
    background.add(asyncio.ensure_future(note(f"callback {text}")))


background: set[asyncio.Future[None]] = set()


@client.handle("waits_for_abort")
async def waits_for_abort(data: Any, ctx: Context) -> None:
    async def watch() -> None:
        await ctx.wait_aborted()
        await note("wait_aborted returned")

    background.add(asyncio.ensure_future(watch()))
    await note("started")
    await asyncio.sleep(3600)


@client.handle("generator")
async def generator(data: Any) -> AsyncIterator[int]:
    try:
        number = 0
        while True:
            yield number
            number += 1
            await asyncio.sleep(0)
    finally:
        await note("closed")


@client.handle("waiting_generator")
async def waiting_generator(data: Any) -> AsyncIterator[str]:
    try:
        yield "first"
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await note("cancelled")
        raise
    finally:
        await note("closed")


@client.handle("busy_generator")
async def busy_generator(data: Any) -> AsyncIterator[int]:
    """Never waits for anything."""
    number = 0
    try:
        while True:
            yield number
            number += 1
    finally:
        background.add(asyncio.ensure_future(note("closed")))


@client.handle("thread_generator")
def thread_generator(data: Any) -> Iterator[int]:
    number = 0
    try:
        while True:
            yield number
            number += 1
    finally:
        note_from_thread("closed")


@client.handle("loop_generator", sync_to_thread=False)
def loop_generator(data: Any) -> Iterator[int]:
    number = 0
    try:
        while True:
            yield number
            number += 1
    finally:
        background.add(asyncio.ensure_future(note("closed")))


@client.handle_stream("chunks")
async def chunks(data: Any, ctx: Context) -> None:
    number = 0
    try:
        while True:
            await ctx.chunk(number)
            number += 1
            await asyncio.sleep(0)
    finally:
        await note("closed")


@client.handle("thread")
def thread(data: Any, ctx: BlockingContext) -> str:
    ctx.on_abort(lambda: called("in thread"))
    note_from_thread("started")
    deadline = time.monotonic() + 10
    while not ctx.aborted and time.monotonic() < deadline:
        time.sleep(0.001)
    note_from_thread(f"aborted={ctx.aborted}")
    try:
        ctx.respond("too late")
    except ResponseAlreadySentError:
        note_from_thread("refused")
    return "an answer that nobody waits for"


@client.handle("waiting_thread")
def waiting_thread(data: Any, ctx: BlockingContext) -> None:
    note_from_thread("started")
    note_from_thread(f"wait_aborted={ctx.wait_aborted(timeout=10)}")


@client.handle("impatient_thread")
def impatient_thread(data: Any, ctx: BlockingContext) -> bool:
    return ctx.wait_aborted(timeout=0.01)


@client.handle("thread_chunks", response="stream")
def thread_chunks(data: Any, ctx: BlockingContext) -> None:
    number = 0
    try:
        while True:
            ctx.chunk(number)
            number += 1
    except ResponseAlreadySentError:
        note_from_thread("refused")


@client.handle_ack("acked")
async def acked(data: Any, ctx: Context) -> None:
    await ctx.ack("accepted")
    await note("started")
    await released.wait()
    await note(f"finished, aborted={ctx.aborted}")


@client.handle("held")
async def held(data: Any, ctx: Context) -> str:
    await note("started")
    await released.wait()
    await note(f"finished, aborted={ctx.aborted}")
    return "released"


released = asyncio.Event()


@client.handle("release")
async def release(data: Any) -> None:
    released.set()
    await asyncio.sleep(0)
    released.clear()


@client.handle("counted")
async def counted(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number
    await note("finished")


if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
