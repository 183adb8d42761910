"""Threads that the system refuses, and those with an event loop of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from procwire import Client
from procwire.errors import RemoteError
from procwire.testing import TestParent

from ..parent.driving import DEADLINE, run


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While it is set, the system has no further thread for handlers."""
    refuses = threading.Event()
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if refuses.is_set() and thread.name.startswith("procwire-handler"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    return refuses


@pytest.mark.parametrize("method", ["work", "work_then_chunks"])
def test_what_is_refused_for_want_of_a_thread_never_runs(
    loop_name: str, no_threads: threading.Event, method: str
) -> None:
    """The pool queues it all the same, for the thread that it has."""
    began = threading.Event()
    go_on = threading.Event()
    runs = []
    client = Client(max_threads=2)

    @client.handle
    def hold(_data: Any) -> None:
        began.set()
        assert go_on.wait(DEADLINE)

    @client.handle
    def work(data: Any) -> Any:
        runs.append(data)
        return data

    @client.handle
    def work_then_chunks(data: Any) -> Iterator[Any]:
        runs.append(data)
        yield data

    async def main() -> None:
        async with TestParent(client) as parent:
            holding = asyncio.create_task(parent.send("hold"))
            while not began.is_set():
                await asyncio.sleep(0)
            no_threads.set()
            call = parent.send("work", 1) if method == "work" else anext(parent.stream(method, 1))
            with pytest.raises(RemoteError, match="can't start new thread"):
                await call
            go_on.set()
            await holding
            assert await parent.send("work", 2) == 2
            assert runs == [2]
            assert client._session is not None
            assert client._session.running == 0

    run(loop_name, main)


def test_events_are_sent_on_the_workers_own_loop(loop_name: str) -> None:
    client = Client().event("progress")

    @client.handle
    def work(_data: Any) -> None:
        asyncio.run(client.emit("progress", 1))

    async def main() -> None:
        async with TestParent(client) as parent:
            with pytest.raises(RemoteError, match="emit_threadsafe"):
                await parent.send("work")

    run(loop_name, main)
