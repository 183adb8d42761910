"""The test kit, on workers in this process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from procwire import Client, HandlerError
from procwire.errors import AlreadyStartedError, RemoteError, RequestTimeoutError
from procwire.parent import ModuleManager
from procwire.testing import LeftBehindError, TestParent, declare

from .driving import WORKERS, run


def make_client() -> Client:
    client = Client().event("told")

    @client.handle
    async def echo(data: Any) -> Any:
        return data

    @client.handle("raw", codec="raw")
    def raw(data: bytes) -> bytes:
        return data[::-1]

    @client.handle
    def count(data: int) -> Iterator[int]:
        yield from range(data)

    @client.handle
    async def fail(_data: Any) -> None:
        raise HandlerError("no", code="E_NO")

    @client.handle
    async def tell(data: Any) -> None:
        await client.emit("told", data)

    @client.handle
    async def hang(_data: Any) -> None:
        await asyncio.get_running_loop().create_future()

    @client.handle
    async def leak(_data: Any) -> None:
        leaked.append(asyncio.create_task(asyncio.sleep(3600)))

    @client.handle
    async def tidy(data: Any) -> Any:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.sleep(0, data))
        return task.result()

    return client


leaked: list[asyncio.Task[None]] = []


def test_a_worker_in_this_process(loop_name: str) -> None:
    async def main() -> None:
        client = make_client()
        # Twice: a client of a module is tested more than once.
        for _ in range(2):
            async with TestParent(client) as parent:
                assert client.connected
                assert await parent.send("echo", 1) == 1
                assert await parent.send("raw", b"ab") == b"ba"
                assert [n async for n in parent.stream("count", 300)] == list(range(300))
                with pytest.raises(RemoteError, match="no") as caught:
                    await parent.send("fail")
                assert caught.value.code == "E_NO"
                await parent.send("tell", "x")
                assert await parent.next_event("told") == "x"
                assert await parent.send("tidy", 2) == 2
                with pytest.raises(AlreadyStartedError):
                    await client.start()
            assert not client.connected
            assert asyncio.get_running_loop().get_task_factory() is None

    run(loop_name, main)


def test_a_request_without_an_answer_fails(loop_name: str) -> None:
    async def main() -> None:
        client = make_client()
        parent = await TestParent(client).__aenter__()
        calls = [asyncio.create_task(parent.send("hang")) for _ in range(2)]
        assert await parent.send("echo", 1) == 1
        with pytest.raises(LeftBehindError, match=r"not been answered: 'hang' \(2\)"):
            await parent.__aexit__(None, None, None)
        await asyncio.wait(calls)
        assert [type(call.exception()).__name__ for call in calls] == ["NotConnectedError"] * 2

    run(loop_name, main)


def test_a_request_that_was_taken_back_does_not(loop_name: str) -> None:
    async def main() -> None:
        async with TestParent(make_client(), request_timeout=0.01) as parent:
            with pytest.raises(RequestTimeoutError):
                await parent.send("hang")
            call = asyncio.create_task(parent.send("hang"))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])

    run(loop_name, main)


def test_a_leaked_task_fails(loop_name: str) -> None:
    async def main() -> None:
        with pytest.raises(LeftBehindError, match=r"handlers still run: .*sleep"):
            async with TestParent(make_client()) as parent:
                await parent.send("leak")
        assert leaked.pop().cancelled()

    run(loop_name, main)


def test_a_task_of_the_test_does_not(loop_name: str) -> None:
    async def main() -> None:
        async with TestParent(make_client()) as parent:
            mine = asyncio.create_task(asyncio.sleep(3600))
            await parent.send("echo")
        assert not mine.done()
        mine.cancel()
        await asyncio.wait([mine])

    run(loop_name, main)


def test_a_failed_test_is_told_as_it_is(loop_name: str) -> None:
    async def main() -> None:
        parent = await TestParent(make_client()).__aenter__()
        await parent.send("leak")
        await parent.__aexit__(ZeroDivisionError, ZeroDivisionError(), None)
        assert leaked.pop().cancelled()

    run(loop_name, main)


def test_start_up_and_shutdown_run(loop_name: str) -> None:
    async def main() -> None:
        log: list[str] = []

        @contextlib.asynccontextmanager
        async def lifespan(_client: Client) -> AsyncIterator[dict[str, str]]:
            log.append("up")
            yield {"model": "loaded"}
            log.append("down")

        client = Client(lifespan=lifespan)

        @client.handle
        async def ask(_data: Any) -> str:
            model: str = client.state.model
            return model

        for _ in range(2):
            async with TestParent(client) as parent:
                assert await parent.send("ask") == "loaded"
        assert log == ["up", "down"] * 2

    run(loop_name, main)


def test_a_start_up_that_fails(loop_name: str) -> None:
    async def main() -> None:
        client = make_client()

        @client.on_startup
        async def fail() -> None:
            raise RuntimeError("no model")

        for _ in range(2):
            with pytest.raises(RuntimeError, match="no model"):
                async with TestParent(client):
                    pytest.fail("not reached")

    run(loop_name, main)


def test_the_same_client_as_a_process(loop_name: str) -> None:
    async def main() -> None:
        client = Client().event("progress").event("aborted")

        @client.handle
        async def echo(data: Any) -> Any:
            return data

        module = declare(client).executable(sys.executable, [str(WORKERS / "calls.py")])
        async with ModuleManager(module):
            assert await module.send("echo", 1) == 1

    run(loop_name, main)
