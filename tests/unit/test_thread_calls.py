"""Coroutines that another thread's event loop runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from procwire import NotConnectedError
from procwire.thread_calls import LoopCall


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


async def answer() -> int:
    return 42


async def fail() -> None:
    raise KeyError("k")


def test_what_it_returns_and_raises(loop: asyncio.AbstractEventLoop) -> None:
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        call = LoopCall(answer(), loop)
        assert call.wait()
        assert call.result() == 42
        failing = LoopCall(fail(), loop)
        assert failing.wait()
        with pytest.raises(KeyError):
            failing.result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def test_it_has_time_up_to_a_limit(loop: asyncio.AbstractEventLoop) -> None:
    call = LoopCall(answer(), loop)
    assert not call.wait(0.01)
    call.cancel()
    # What cancels it, in the loop.
    loop.run_until_complete(asyncio.sleep(0))


def test_a_loop_that_is_closed(loop: asyncio.AbstractEventLoop) -> None:
    loop.close()
    with pytest.raises(NotConnectedError):
        LoopCall(answer(), loop)


def test_a_loop_that_is_closed_before_it_gets_there(loop: asyncio.AbstractEventLoop) -> None:
    """It is posted, and nobody runs the loop any more."""
    call = LoopCall(answer(), loop)
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            call.wait()
        except NotConnectedError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    loop.close()
    thread.join(30)
    assert not thread.is_alive()
    assert len(errors) == 1
