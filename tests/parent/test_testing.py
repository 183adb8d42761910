"""The test kit, on workers in this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from procwire import Client, HandlerError
from procwire.errors import (
    AlreadyStartedError,
    RemoteError,
    RequestTimeoutError,
    UnknownEventError,
)
from procwire.parent import SpawnError
from procwire.testing import LeftBehindError, TestParent, TestProcess, declare

from ..processes import descriptors
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
        text = r"not been answered: 'hang' \(request 2\), 'hang' \(request 3\)$"
        with pytest.raises(LeftBehindError, match=text):
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
        text = r"handlers still run: .*sleep.*, made by 'leak' \(request 2\)$"
        parent = await TestParent(make_client()).__aenter__()
        await parent.send("echo")
        await parent.send("leak")
        with pytest.raises(LeftBehindError, match=text):
            await parent.__aexit__(None, None, None)
        assert leaked.pop().cancelled()

    run(loop_name, main)


def test_a_task_that_a_leaked_task_has_made(loop_name: str) -> None:
    async def main() -> None:
        client = make_client()

        async def parent_task() -> None:
            await asyncio.sleep(0)
            leaked.append(asyncio.create_task(asyncio.sleep(3600)))

        @client.handle
        async def leak_later(_data: Any) -> None:
            leaked.append(asyncio.create_task(parent_task()))  # type: ignore[arg-type]
            await asyncio.sleep(0)

        text = r"handlers still run: .*sleep.*, made by 'leak_later' \(request 1\)$"
        with pytest.raises(LeftBehindError, match=text):
            async with TestParent(client) as parent:
                await parent.send("leak_later")
        assert [leaked.pop().cancelled(), leaked.pop().cancelled()] == [True, False]

    run(loop_name, main)


def test_parents_end_in_any_order(loop_name: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        first = await TestParent(make_client()).__aenter__()
        second = await TestParent(make_client()).__aenter__()
        await first.__aexit__(None, None, None)
        await second.send("leak")
        with pytest.raises(LeftBehindError, match="made by 'leak'"):
            await second.__aexit__(None, None, None)
        assert leaked.pop().cancelled()
        assert loop.get_task_factory() is None

    run(loop_name, main)


def test_a_stream_that_is_left_last_is_not_left_behind(loop_name: str) -> None:
    async def main() -> None:
        async with TestParent(make_client()) as parent:
            async for _number in parent.stream("count", 1_000_000):
                break

    run(loop_name, main)


def test_a_test_that_is_cancelled_anywhere(loop_name: str) -> None:
    """Also in the middle of a start, and of an end: nothing stays open."""

    async def test() -> None:
        async with TestParent(make_client()) as parent:
            await parent.send("echo", 1)

    async def main() -> None:
        await test()
        before = descriptors()
        turns = 0
        cancelled = True
        while cancelled:
            running = asyncio.create_task(test())
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait([running])
            cancelled = running.cancelled()
            # What was being made is taken down when it is there.
            while descriptors() > before:
                await asyncio.sleep(0)
            turns += 1
        assert turns > 20

    run(loop_name, main)


def test_a_client_that_is_served_already(loop_name: str) -> None:
    async def main() -> None:
        client = make_client()
        async with TestParent(client) as parent:
            with pytest.raises(AlreadyStartedError):
                await TestParent(client).__aenter__()
            assert await parent.send("echo", 1) == 1

    run(loop_name, main)


def test_all_that_is_left_behind_is_told(loop_name: str) -> None:
    async def main() -> None:
        parent = await TestParent(make_client()).__aenter__()
        call = asyncio.create_task(parent.send("hang"))
        await parent.send("leak")
        with pytest.raises(LeftBehindError, match=r"'hang' .*; tasks of handlers .*'leak'"):
            await parent.__aexit__(None, None, None)
        await asyncio.wait([call])
        assert call.exception() is not None
        assert leaked.pop().cancelled()

    run(loop_name, main)


def test_what_was_sent_last_arrives(loop_name: str) -> None:
    async def main() -> None:
        client, taken = make_taking_client()
        async with TestParent(client) as parent:
            await parent.send("take", bytes(32 * 1024 * 1024))
        assert taken == [32 * 1024 * 1024]

    run(loop_name, main)


def test_what_is_taken_slowly_is_not_waited_for(
    loop_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("procwire.testing.parent.CLOSE_PATIENCE", 0.2)

    async def slow_down() -> None:
        while True:
            time.sleep(0.05)  # noqa: ASYNC251
            await asyncio.sleep(0)

    async def main() -> None:
        client, taken = make_taking_client()
        async with TestParent(client) as parent:
            slow = asyncio.create_task(slow_down())
            await parent.send("take", bytes(64 * 1024 * 1024))
        assert taken == []
        slow.cancel()
        await asyncio.wait([slow])

    run(loop_name, main)


def make_taking_client() -> tuple[Client, list[int]]:
    taken: list[int] = []

    def take(data: bytes) -> None:
        taken.append(len(data))

    return Client().handle("take", take, response="none", sync_to_thread=False), taken


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


def test_what_a_test_leaves_in_the_state_is_gone_after_it(loop_name: str) -> None:
    lives: list[int] = []

    @contextlib.asynccontextmanager
    async def lifespan(client: Client) -> AsyncIterator[dict[str, object]]:
        lives.append(1)
        yield {"cache": {}} if len(lives) == 1 else {}
        # Still there for those that take down what they have made.
        assert client.state.seen == 1

    client = Client(lifespan=lifespan)
    state = client.state
    state.seen, state.kept = 0, "before"

    @client.handle
    async def see(replaced: bool) -> list[str]:
        client.state.seen += 1
        if replaced:
            client.state = SimpleNamespace(**vars(client.state))
        del client.state.kept
        return sorted(vars(client.state))

    async def main() -> None:
        for replaced, seen in ((False, ["cache", "seen"]), (True, ["seen"]), (False, ["seen"])):
            async with TestParent(client) as parent:
                assert await parent.send("see", replaced) == seen
                # One that is refused takes nothing back.
                with pytest.raises(AlreadyStartedError):
                    await TestParent(client).__aenter__()
                assert client.state.seen == 1
            assert client.state is state
            assert vars(state) == {"seen": 0, "kept": "before"}

    run(loop_name, main)


def test_what_a_failed_start_up_leaves_in_the_state_is_gone(loop_name: str) -> None:
    async def main() -> None:
        client = make_client()

        @client.on_startup
        async def load() -> None:
            client.state.model = "half of it"
            raise RuntimeError("no model")

        with pytest.raises(RuntimeError, match="no model"):
            async with TestParent(client):
                pytest.fail("not reached")
        assert vars(client.state) == {}

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


def test_a_shutdown_that_fails(loop_name: str) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(_client: Client) -> AsyncIterator[None]:
        yield
        raise OSError("the database")

    client = Client(lifespan=lifespan).handle("echo", lambda data: data)

    @client.on_shutdown
    def close() -> None:
        raise RuntimeError("the file")

    async def main() -> None:
        text = "^the shutdown has failed: RuntimeError: the file, OSError: the database$"
        for _ in range(2):
            with pytest.raises(LeftBehindError, match=text) as caught:
                async with TestParent(client) as parent:
                    assert await parent.send("echo", 1) == 1
            assert caught.value.__cause__ is caught.value.failures[0]
            assert [type(failure) for failure in caught.value.failures] == [RuntimeError, OSError]
        with pytest.raises(ZeroDivisionError):
            async with TestParent(client):
                1 / 0  # noqa: B018

    run(loop_name, main)


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A client as the command line names it."""
    monkeypatch.syspath_prepend(WORKERS)
    yield "calls:client"
    sys.modules.pop("calls", None)


@pytest.mark.skipif(sys.flags.isolated, reason="this Python does not look at PYTHONPATH")
def test_the_same_client_as_a_process(loop_name: str, target: str) -> None:
    async def main() -> None:
        async with TestProcess(target, loop=loop_name) as parent:
            assert await parent.send("pid") != os.getpid()
            assert [n async for n in parent.stream("count", 3)] == [0, 1, 2]
            await parent.send("note", 1)
            assert await parent.next_event("progress") == {"noted": 1}
            with pytest.raises(UnknownEventError, match="'nothing'"):
                await parent.next_event("nothing")
        parent = await TestProcess(target).__aenter__()
        await parent.send("echo")
        call = asyncio.create_task(parent.send("hang"))
        await parent.next_event("progress")
        with pytest.raises(LeftBehindError, match=r"not been answered: 'hang' \(request 2\)$"):
            await parent.__aexit__(None, None, None)
        await asyncio.wait([call])
        assert call.exception() is not None

    run(loop_name, main)


@pytest.mark.skipif(sys.flags.isolated, reason="this Python does not look at PYTHONPATH")
def test_a_process_that_ends_badly(
    loop_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ends_badly.py").write_text(
        "from procwire import Client\n"
        "client = Client().handle('echo', lambda data: data)\n"
        "@client.on_shutdown\n"
        "def close():\n"
        "    1 / 0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    async def main() -> None:
        text = "^the shutdown has failed: WorkerLostError: the worker exited with status 1 when"
        with pytest.raises(LeftBehindError, match=text):
            async with TestProcess("ends_badly:client", loop=loop_name) as parent:
                assert await parent.send("echo", 1) == 1

    run(loop_name, main)


def test_a_process_that_cannot_start(target: str) -> None:
    async def main() -> None:
        with pytest.raises(SpawnError, match="exited with status 2 before it was ready"):
            async with TestProcess(target, loop="none"):
                pytest.fail("not reached")

    run("asyncio", main)


def test_declarations_for_a_manager_of_ones_own(loop_name: str) -> None:
    async def main() -> None:
        module = declare(make_client().event("more"), "mine", request_timeout=3)
        assert module.name == "mine"
        assert module.declared.methods["count"].response == "stream"
        assert module.declared.methods["raw"].request_codec.name == "raw"
        assert set(module.declared.events) == {"told", "more"}

    run(loop_name, main)
