"""Calls of real workers, in Python, in Node and in Rust."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from procwire.errors import (
    CodecError,
    NotConnectedError,
    RemoteError,
    RequestTimeoutError,
    UnknownEventError,
    UnknownMethodError,
)
from procwire.parent import Module, ModuleManager, SpawnPolicy

from .driving import calls, events, run


def test_every_kind_of_answer(loop_name: str, child: str) -> None:
    async def main() -> None:
        module = calls(child)
        progress = events(module, "progress")
        async with ModuleManager(module):
            value = {"text": "käse", "list": [1, None, 2.5], "bytes": b"\x00\xff"}
            assert await module.send("echo", value) == value
            assert await module.send("raw", b"bytes") == b"bytes"
            assert await module.send("raw", bytearray(5)) == bytes(5)
            large = bytes(range(256)) * 20_000
            assert await module.send("raw", large) == large
            assert await module.send("accept", 7) == 7
            assert await progress.get() == {"of": 7}
            assert await module.send("accept_empty") is None
            if child != "rust":
                assert await module.send("note", 8) is None
                assert await progress.get() == {"noted": 8}
            # More than may wait for a consumer, in small pieces and all at once.
            assert [n async for n in module.stream("count", 3000)] == list(range(3000))
            answers = await asyncio.gather(*(module.send("echo", n) for n in range(500)))
            assert answers == list(range(500))

    run(loop_name, main)


def test_errors_of_the_worker(loop_name: str, child: str) -> None:
    async def main() -> None:
        module = calls(child)
        async with ModuleManager(module):
            with pytest.raises(RemoteError, match=r"^on purpose$") as caught:
                await module.send("fail", [1])
            assert caught.value.code == "E_PURPOSE"
            assert caught.value.data["asked"] == [1]
            stream = module.stream("count_then_fail", 3)
            assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(RemoteError, match="no more"):
                await anext(stream)

    run(loop_name, main)


def test_a_cancelled_call_is_aborted(loop_name: str, child: str) -> None:
    async def main() -> None:
        module = calls(child)
        progress, aborted = events(module, "progress"), events(module, "aborted")
        async with ModuleManager(module):
            call = asyncio.create_task(module.send("hang", "a"))
            assert await progress.get() == {"hangs": "a"}
            call.cancel()
            assert await aborted.get() == "a"
            with pytest.raises(asyncio.CancelledError):
                await call
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await module.send("hang", "b")
            assert await aborted.get() == "b"

    run(loop_name, main)


def test_a_time_limit_aborts(loop_name: str, child: str) -> None:
    async def main() -> None:
        module = calls(child)
        module.declared.methods.pop("hang")
        module.method("hang", timeout=0.01)
        aborted = events(module, "aborted")
        async with ModuleManager(module):
            with pytest.raises(RequestTimeoutError, match=r"'hang'.*0\.01 s"):
                await module.send("hang", "late")
            assert await aborted.get() == "late"
            assert await module.send("echo", 1) == 1

    run(loop_name, main)


def test_a_stream_that_is_left_early_is_aborted(loop_name: str, child: str) -> None:
    async def main() -> None:
        module = calls(child)
        aborted = events(module, "aborted")
        async with ModuleManager(module):
            async for number in module.stream("count_and_hang", 5):
                if number == 2:
                    break
            assert await aborted.get() == 5
            async with aclosing(module.stream("count_and_hang", 1)) as stream:
                assert await anext(stream) == 0
            assert await aborted.get() == 1
            assert module.unanswered == []

    run(loop_name, main)


def test_a_method_that_must_not_be_cancelled(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python")
        module.declared.methods.pop("hang")
        module.method("hang", cancellable=False)
        progress, aborted = events(module, "progress"), events(module, "aborted")
        async with ModuleManager(module):
            call = asyncio.create_task(module.send("hang", "a"))
            await progress.get()
            call.cancel()
            assert await module.send("echo", 1) == 1
            assert aborted.empty()
            assert call.cancelled()

    run(loop_name, main)


def test_a_consumer_that_calls_the_same_worker(loop_name: str) -> None:
    """Its answers come behind more chunks than a stream may be behind with."""

    async def main() -> None:
        module = calls("python")
        async with ModuleManager(module):
            total = 0
            async for number in module.stream("count", 2000):
                total += await module.send("echo", number)
            assert total == sum(range(2000))

    run(loop_name, main)


def test_a_consumer_that_is_behind_stops_the_worker(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python")
        async with ModuleManager(module):
            stream = module.stream("count", 2_000_000)
            assert await anext(stream) == 0
            received = await settled(module)
            assert received < 2_000_000
            assert await anext(stream) == 1
            # An answer that is owed lets what is before it in.
            assert await module.send("echo", "x") == "x"
            await stream.aclose()
            assert await module.send("echo", "y") == "y"

    run(loop_name, main)


async def settled(module: Module) -> int:
    """How many bytes have come, once no more come in."""
    connection = module.link.connection
    assert connection is not None
    received = -1
    while connection.traffic()[0] != received:
        received = connection.traffic()[0]
        await asyncio.sleep(0.05)
    return received


def test_a_consumer_that_takes_another_stream_of_the_same_worker(loop_name: str) -> None:
    """Whose chunks come behind more of the first one's than a stream may be behind with."""

    async def main() -> None:
        module = calls("python")
        async with ModuleManager(module):
            total = 0
            async for number in module.stream("count", 2000):
                total += number
                if number % 100 == 0:
                    assert [other async for other in module.stream("count", 3)] == [0, 1, 2]
            assert total == sum(range(2000))
            # One that is left while it waits for a chunk is a reason to read no more.
            first = module.stream("count", 2_000_000)
            assert await anext(first) == 0
            hanging = asyncio.create_task(anext(module.stream("count_and_hang", 0)))
            before = await settled(module)
            hanging.cancel()
            await asyncio.wait([hanging])
            for number in range(1, 1000):
                assert await anext(first) == number
            assert await settled(module) == before
            await first.aclose()

    run(loop_name, main)


def test_large_chunks_stop_the_worker_earlier(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python").method("fill", response="stream", response_codec="raw")
        async with ModuleManager(module):
            stream = module.stream("fill", {"count": 100, "size": 1024 * 1024})
            await anext(stream)
            # Of 100 MiB: five chunks at most, and what arrives in one read.
            assert await settled(module) < 8 * 1024 * 1024
            await stream.aclose()
            assert await module.send("echo", 1) == 1

    run(loop_name, main)


def test_what_is_kept_while_an_answer_is_owed_is_bounded(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python").method("fill", response="stream", response_codec="raw")
        progress = events(module, "progress")
        async with ModuleManager(module):
            hanging = asyncio.create_task(module.send("hang", 1))
            await progress.get()
            stream = module.stream("fill", {"count": 200, "size": 1024 * 1024})
            await anext(stream)
            while module.traffic()[1] < 64 * 1024 * 1024:
                await asyncio.sleep(0.01)
            assert await settled(module) < 70 * 1024 * 1024
            # The consumer makes room, and all comes.
            assert len([chunk async for chunk in stream]) == 199
            hanging.cancel()
            await asyncio.wait([hanging])

    run(loop_name, main)


def test_mistakes_of_the_caller(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python")
        with pytest.raises(NotConnectedError, match="created"):
            await module.send("echo")
        with pytest.raises(UnknownEventError):
            module.on_event("nothing", print)
        async with ModuleManager(module):
            with pytest.raises(UnknownMethodError, match="'nothing'"):
                await module.send("nothing")
            with pytest.raises(TypeError, match=r"stream\(\)"):
                await module.send("count", 1)
            with pytest.raises(TypeError, match=r"send\(\)"):
                module.stream("echo", 1)
            with pytest.raises(CodecError):
                await module.send("echo", object())
            with pytest.raises(CodecError):
                await module.send("raw", "text")
            assert module.unanswered == []
        with pytest.raises(NotConnectedError, match="closed"):
            await module.send("echo")

    run(loop_name, main)


def test_an_answer_that_its_codec_cannot_read(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python")
        for name in ("raw", "count"):
            module.declared.methods.pop(name)
        module.method("raw", request_codec="raw", response_codec="msgpack")
        module.method("count", response="stream", response_codec=Refusing())
        async with ModuleManager(module):
            with pytest.raises(CodecError, match="'raw' is not msgpack"):
                await module.send("raw", b"\xc1")
            with pytest.raises(CodecError, match="'count' is not refusing: no"):
                await anext(module.stream("count", 3))
            assert await module.send("echo", 1) == 1

    run(loop_name, main)


class Refusing:
    """A codec that reads nothing."""

    name = "refusing"

    def encode(self, value: object) -> bytes:
        return b""

    def decode(self, payload: bytes) -> object:
        raise ValueError("no")


def test_authentication(loop_name: str, child: str) -> None:
    async def main() -> None:
        module = calls(child).spawn_policy(SpawnPolicy(auth=True, max_retries=0))
        async with ModuleManager(module):
            assert await module.send("echo", 1) == 1

    run(loop_name, main)


def test_handlers_of_events(loop_name: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        module = calls("python")
        seen: asyncio.Queue[object] = asyncio.Queue()

        def fails(data: object) -> None:
            raise ValueError("of the handler's")

        def looks_at_a_cancelled_future(data: object) -> None:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            future.result()

        async def slow(data: object) -> None:
            await asyncio.sleep(0)
            seen.put_nowait(data)

        module.on_event("progress", fails)
        module.on_event("progress", looks_at_a_cancelled_future)
        module.on_event("progress", slow)
        unwanted = module.on_event("progress", lambda data: seen.put_nowait("unwanted"))
        unwanted()
        async with ModuleManager(module):
            await module.send("note", 1)
            assert await seen.get() == {"noted": 1}
            assert seen.empty()
            assert await module.send("echo", "still there") == "still there"

    run(loop_name, main)
    assert "a handler of the event 'progress' failed" in caplog.text


def test_a_handler_that_is_there_twice(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python").method("tell")
        seen: list[object] = []
        ends = [module.on_event("progress", seen.append) for _ in range(2)]
        async with ModuleManager(module):
            for expected in (["a", "a"], ["a", "a", "b"], ["a", "a", "b", "c"]):
                await module.send("tell", expected[-1])
                assert seen == expected
                # The one that has ended ends nothing more.
                ends[0]()
            ends[1]()
            await module.send("tell", "d")
            assert seen == ["a", "a", "b", "c"]

    run(loop_name, main)
