"""What plain functions and codecs hand out: coroutines to be awaited, buffers to be used again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest

from procwire import Batch, Client, Context, MsgpackCodec, track_requests
from procwire.testing import TestParent

from ..parent.driving import run

SIZE = 1_000_000
"""Bytes; more than the socket takes at once."""


async def double(data: Any) -> Any:
    await asyncio.sleep(0)
    return data * 2


async def double_all(data: list[Any]) -> list[Any]:
    return [await double(each) for each in data]


@pytest.mark.parametrize("middleware", [False, True])
@pytest.mark.parametrize("sync_to_thread", [False, True])
def test_a_coroutine_is_awaited(loop_name: str, sync_to_thread: bool, middleware: bool) -> None:
    client = Client()
    if middleware:
        client.middleware(track_requests)

    # What decorators make of coroutine functions is often none.
    @client.handle(sync_to_thread=sync_to_thread)
    def decorated(data: Any) -> Awaitable[Any]:
        return double(data)

    @client.handle(sync_to_thread=sync_to_thread)
    def answers(data: Any, ctx: Context) -> Awaitable[None]:
        return ctx.respond(data)

    @client.handle(sync_to_thread=sync_to_thread, batch=Batch(max_wait=0))
    def gathered(data: list[Any]) -> Awaitable[list[Any]]:
        return double_all(data)

    async def main() -> None:
        async with TestParent(client) as parent:
            assert await parent.send("decorated", 2) == 4
            assert await parent.send("answers", 2) == 2
            calls = (parent.send("gathered", number) for number in range(3))
            assert await asyncio.gather(*calls) == [0, 2, 4]

    run(loop_name, main)


def test_an_abort_of_a_batch_that_goes_on(loop_name: str) -> None:
    client = Client()
    cancelled = asyncio.Event()

    async def wait(_data: list[Any]) -> list[Any]:
        client.state.began = True
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return []

    @client.handle(batch=Batch(max_wait=0), sync_to_thread=False)
    def gathered(data: list[Any]) -> Awaitable[list[Any]]:
        return wait(data)

    async def main() -> None:
        client.state.began = False
        async with TestParent(client) as parent:
            call = asyncio.create_task(parent.send("gathered", 1))
            while not client.state.began:
                await asyncio.sleep(0)
            call.cancel()
            await cancelled.wait()

    run(loop_name, main)


class Reusing:
    """A codec with one buffer, as many encoders have it."""

    name = "reusing"

    def __init__(self) -> None:
        self._buffer = bytearray()

    def encode(self, value: str) -> bytearray:
        self._buffer[:] = value.encode() * SIZE
        return self._buffer

    def decode(self, payload: bytes) -> bytes:
        return payload


def test_a_codec_may_use_its_buffer_again(loop_name: str) -> None:
    client = Client()

    @client.handle(response_codec=Reusing())
    async def repeated(data: str) -> str:
        return data

    @client.handle(response_codec=Reusing())
    def letters(data: str) -> Iterator[str]:
        yield from data

    async def main() -> None:
        async with TestParent(client) as parent:
            answers = await asyncio.gather(*(parent.send("repeated", each) for each in "abcdef"))
            assert answers == [each.encode() * SIZE for each in "abcdef"]
            chunks = [chunk async for chunk in parent.stream("letters", "abcdef")]
            assert chunks == [each.encode() * SIZE for each in "abcdef"]

    run(loop_name, main)


# ---- values that change while they are packed ----------------------------------------------------


class Unknown:
    pass


@pytest.mark.parametrize("change", ["grow", "shrink", "grow within", "new key"])
def test_what_changes_while_it_is_packed_is_still_one_value(change: str) -> None:
    """Code that stands in for values runs in the middle: here it changes what is packed itself, as
    another thread may."""
    inner = [Unknown(), 1]
    fields = {"a": Unknown(), "b": 2}
    values: list[Any] = [Unknown(), inner, 3, fields]

    def stand_in(_value: object) -> int:
        if change == "grow":
            values.append(4)
        elif change == "shrink" and len(values) > 2:
            del values[2:]
        elif change == "grow within":
            inner.append(2)
        elif change == "new key":
            fields[str(len(fields))] = 0
        return 0

    codec = MsgpackCodec(default=stand_in)
    decoded = codec.decode(codec.encode(values))
    assert decoded[:1] == [0]
    assert decoded[1][:2] == [0, 1]
