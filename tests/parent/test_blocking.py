"""The test kit for tests that are no coroutines."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from procwire import Client
from procwire.errors import RemoteError, UnknownEventError, UnknownMethodError
from procwire.testing import BlockingParent, LeftBehindError, TestParent

DEADLINE = 20.0
"""Seconds after which a test gives up."""


def make_client() -> Client:
    client = Client().event("told").event("closed")

    @client.handle
    async def echo(data: Any) -> Any:
        return data

    @client.handle
    async def count(data: int) -> Any:
        try:
            for number in range(data):
                yield number
        finally:
            # The task may be being cancelled.
            background.append(asyncio.create_task(client.emit("closed", None)))

    @client.handle
    async def fail(_data: Any) -> None:
        raise ValueError("no")

    async def tell(data: Any) -> None:
        # So long after the answer that nobody can take it for a part of it.
        await asyncio.sleep(0.05)
        await client.emit("told", data)

    @client.handle
    async def tell_later(data: Any) -> None:
        background.append(asyncio.create_task(tell(data)))

    @client.handle
    async def hang(_data: Any) -> None:
        await asyncio.get_running_loop().create_future()

    return client


background: list[asyncio.Task[None]] = []


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    background.clear()
    assert "procwire-parent" not in [thread.name for thread in threading.enumerate()]


def test_calls_that_block() -> None:
    client = make_client()
    for _ in range(2):
        with BlockingParent(TestParent(client)) as parent:
            assert parent.send("echo", {"a": 1}) == {"a": 1}
            assert list(parent.stream("count", 300)) == list(range(300))
            with pytest.raises(RemoteError, match="no"):
                parent.send("fail")
            with pytest.raises(UnknownMethodError):
                parent.send("nothing")
            with pytest.raises(UnknownEventError):
                parent.next_event("nothing")
    assert not client.connected


def test_the_worker_goes_on_meanwhile() -> None:
    with BlockingParent(TestParent(make_client())) as parent:
        told = threading.Event()
        unwanted = parent.on_event("told", lambda _data: told.set())
        parent.send("tell_later", 1)
        assert told.wait(DEADLINE)
        assert parent.next_event("told") == 1
        unwanted()
        with pytest.raises(TimeoutError):
            parent.next_event("told", timeout=0.01)
        parent.send("tell_later", 2)
        assert parent.next_event("told", timeout=DEADLINE) == 2


def test_a_stream_that_is_left_early() -> None:
    with BlockingParent(TestParent(make_client())) as parent:
        for number in parent.stream("count", 1_000_000):
            if number == 2:
                break
        parent.next_event("closed", timeout=DEADLINE)
        chunks = parent.stream("count", 1_000_000)
        next(chunks)
        chunks.close()
        assert parent.module.unanswered == []


def test_a_stream_that_outlives_its_worker() -> None:
    parent = BlockingParent(TestParent(make_client())).__enter__()
    chunks = parent.stream("count", 1_000_000)
    next(chunks)
    with pytest.raises(LeftBehindError, match=r"'count' \(request 1\)"):
        parent.__exit__(None, None, None)
    chunks.close()


def test_what_is_left_behind() -> None:
    def call() -> None:
        with pytest.raises(Exception, match="the connection was lost"):
            parent.send("hang")

    parent = BlockingParent(TestParent(make_client())).__enter__()
    thread = threading.Thread(target=call)
    thread.start()
    while not parent.module.unanswered:
        time.sleep(0.001)
    with pytest.raises(LeftBehindError, match=r"'hang' \(request 1\)"):
        parent.__exit__(None, None, None)
    thread.join()


def test_a_failed_test_is_told_as_it_is() -> None:
    parent = BlockingParent(TestParent(make_client())).__enter__()
    chunks = parent.stream("count", 1_000_000)
    next(chunks)
    parent.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    chunks.close()


def test_a_start_up_that_fails() -> None:
    client = make_client()

    @client.on_startup
    async def fail() -> None:
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"), BlockingParent(TestParent(client)):
        pytest.fail("not reached")


def test_calls_from_the_wrong_place() -> None:
    parent = BlockingParent(TestParent(make_client()))
    with pytest.raises(RuntimeError, match="inside of `with`"):
        parent.send("echo")
    failures: list[BaseException] = []

    def call(_data: Any) -> None:
        try:
            parent.send("echo")
        except RuntimeError as error:
            failures.append(error)

    with parent:
        parent.on_event("told", call)
        parent.send("tell_later", 1)
        parent.next_event("told")
    assert "own thread" in str(failures)
    with pytest.raises(RuntimeError, match="inside of `with`"):
        parent.send("echo")
