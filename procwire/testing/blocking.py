"""For tests that are plain functions: a worker, and a loop for it in a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Self, TypeVar

from procwire.testing.caller import Caller

__all__ = ["BlockingParent"]

T = TypeVar("T")

_END = object()


class BlockingParent:
    """Calls a worker from a function that is no coroutine::

        with BlockingParent(TestParent(client)) as parent:
            assert parent.send("echo", 1) == 1
            assert list(parent.stream("count", 3)) == [0, 1, 2]

    The loop is in a thread of its own, and turns while the test does something else. A worker
    that :class:`TestParent` serves runs there as well.

    Args:
        caller: A :class:`TestParent` or a :class:`TestProcess`, not entered.
        loop_factory: What makes the event loop; that of :mod:`asyncio` when ``None``.

    Attributes:
        module: The :class:`procwire.parent.Module` that the calls go through; to be used in the
            loop's thread only.

    Raises:
        LeftBehindError: at the end, as the caller does it.
    """

    def __init__(
        self,
        caller: Caller,
        *,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        self.module = caller.module
        self._caller = caller
        self._loop_factory = loop_factory
        # A daemon: a loop that stands still for good must not keep the tests from ending.
        self._thread = threading.Thread(target=self._serve, name="procwire-parent", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        # The test's own end, and what it ends with.
        self._leaving: asyncio.Future[BaseException | None] | None = None
        self._entered: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()

    def send(self, method: str, data: Any = None) -> Any:
        """As :meth:`procwire.parent.Module.send`; blocks until the answer is there."""
        return self._wait_for(self._caller.send(method, data))

    def stream(self, method: str, data: Any = None) -> Generator[Any, None, None]:
        """As :meth:`procwire.parent.Module.stream`; the iterator blocks for each chunk.

        Closing it takes the request back, and so does leaving its loop early, as soon as nothing
        refers to it any more.
        """
        chunks = self._caller.stream(method, data)
        try:
            while (chunk := self._wait_for(_next(chunks))) is not _END:
                yield chunk
        finally:
            if self._thread.is_alive():
                self._wait_for(chunks.aclose())

    def on_event(self, name: str, handler: Callable[[Any], object]) -> Callable[[], None]:
        """As :meth:`procwire.parent.Module.on_event`; it is called in the loop's thread."""

        async def add() -> Callable[[], None]:
            return self._caller.on_event(name, handler)

        return self._wait_for(add())

    def next_event(self, name: str, timeout: float | None = None) -> Any:
        """The data of the next such event; those that have come before this call are kept for it.

        Args:
            name: The event.
            timeout: Seconds to wait for it; for ever when ``None``.

        Raises:
            UnknownEventError: the worker's client does not register the event.
            TimeoutError: none has come in time.
        """

        async def next_one() -> Any:
            async with asyncio.timeout(timeout):
                return await self._caller.next_event(name)

        return self._wait_for(next_one())

    def __enter__(self) -> Self:
        self._thread.start()
        self._entered.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._leaving is not None
        self._loop.call_soon_threadsafe(self._leaving.set_result, error)
        self._thread.join()
        self._ended.result()

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                runner.run(self._live())
        except BaseException as error:
            (self._ended if self._entered.done() else self._entered).set_exception(error)
        else:
            self._ended.set_result(None)

    async def _live(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._leaving = loop.create_future()
        await self._caller.__aenter__()
        self._entered.set_result(None)
        error = await self._leaving
        await self._caller.__aexit__(None if error is None else type(error), error, None)

    def _wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or not self._thread.is_alive():
            coroutine.close()
            raise RuntimeError("the worker is served inside of `with` only")
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("the loop's own thread cannot wait for the loop")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            # Whoever is interrupted takes the request back.
            future.cancel()


async def _next(chunks: Any) -> Any:
    return await anext(chunks, _END)
