"""Plain functions and generators in worker threads, so that the event loop stays free."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from procwire import forks
from procwire.errors import ResponseAlreadySentError
from procwire.runners import Call
from procwire.thread_calls import LoopCall

if TYPE_CHECKING:
    from procwire._core import Context, Method

__all__ = ["BlockingContext", "Threads", "default_max_threads"]

CHUNKS_AHEAD = 32
"""How many chunks a thread's generator may be ahead of what has been sent."""


_UNSET = object()
T = TypeVar("T")


class BlockingContext:
    """The request's context for a handler in a thread: the same methods, blocking.

    Each method returns when its frame has been handed over, and waits while the parent does not
    read.
    """

    __slots__ = ("_context", "_loop", "_pid", "_sending")

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop, pid: int) -> None:
        self._context = context
        self._loop = loop
        # Of the process that the loop turns in.
        self._pid = pid
        # More than one when the handler has threads of its own.
        self._sending: set[LoopCall[None]] = set()
        context.on_abort(self._stop_sending)

    def __repr__(self) -> str:
        return repr(self._context)

    @property
    def request_id(self) -> int:
        """The parent's number for the request; 0 when no answer is expected."""
        return self._context.request_id

    @property
    def method(self) -> str:
        """The name of the method that was called."""
        return self._context.method

    @property
    def aborted(self) -> bool:
        """Whether the caller has given up, or the connection is gone."""
        return self._context.aborted

    def respond(self, data: Any) -> Any:
        """Answer a ``result`` method."""
        return self._wait(self._context.respond(data))

    def ack(self, data: Any = None) -> Any:
        """Answer an ``ack`` method; the handler may go on."""
        return self._wait(self._context.ack(data))

    def chunk(self, data: Any) -> Any:
        """Send one chunk of a ``stream`` method."""
        return self._wait(self._context.chunk(data))

    def end(self) -> Any:
        """End a ``stream`` method."""
        return self._wait(self._context.end())

    def error(self, error: Any) -> Any:
        """Answer with an error: a text, an exception or a mapping with a ``message``."""
        return self._wait(self._context.error(error))

    def raise_if_aborted(self) -> None:
        """End a handler that has no reason to go on; to be called now and then.

        Raises:
            asyncio.CancelledError: the request is aborted. As in a coroutine it is no
                :class:`Exception`, so that ``except Exception`` does not hold it up.
        """
        self._context.raise_if_aborted()

    def on_abort(self, callback: Callable[[], object]) -> None:
        """Have ``callback`` called, on the event loop's thread, when the request is aborted."""
        self._loop.call_soon_threadsafe(self._context.on_abort, callback)

    def wait_aborted(self, timeout: float | None = None) -> bool:
        """Block until the request is aborted, for ``timeout`` seconds at most."""
        self._check_process()
        if asyncio._get_running_loop() is self._loop:
            raise RuntimeError("wait_aborted() would block the event loop")
        waiting = LoopCall(self._context.wait_aborted(), self._loop)
        if not waiting.wait(timeout):
            waiting.cancel()
        return self._context.aborted

    def _wait(self, sending: Coroutine[Any, Any, None]) -> Any:
        self._check_process()
        if asyncio._get_running_loop() is self._loop:
            # A plain function has handed out a coroutine, which runs on the loop: it awaits.
            return sending
        call = LoopCall(sending, self._loop)
        self._sending.add(call)
        if self._context.aborted:
            # Before it could be heard of.
            call.cancel()
        try:
            call.wait()
            return call.result()
        except concurrent.futures.CancelledError:
            raise ResponseAlreadySentError(f"{self._context!r} was aborted") from None
        finally:
            self._sending.discard(call)

    def _check_process(self) -> None:
        """A child would wait for a loop that never turns there."""
        forks.end_if_child(self._pid)

    def _stop_sending(self) -> None:
        """An abort must not wait until the parent reads again."""
        for sending in list(self._sending):
            sending.cancel()


def default_max_threads() -> int:
    """What :class:`concurrent.futures.ThreadPoolExecutor` thinks right."""
    count = getattr(os, "process_cpu_count", os.cpu_count)  # new in Python 3.13
    return min(32, (count() or 1) + 4)


class Threads:
    """A pool of threads that run handlers, and the way back to the loop.

    Args:
        loop: Where the end of each handler is told.
        variables: What each handler starts with a copy of.
        max_threads: How many threads there may be.
        executor: A pool that somebody else owns, instead of one with ``max_threads``.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        variables: contextvars.Context,
        max_threads: int | None,
        executor: concurrent.futures.ThreadPoolExecutor | None = None,
    ) -> None:
        self._loop = loop
        self._variables = variables
        self._executor = executor or concurrent.futures.ThreadPoolExecutor(
            max_workers=max_threads, thread_name_prefix="procwire-handler"
        )
        # Ends of handlers on their way to the loop, which is woken once for all of them.
        self._ended: deque[tuple[Call, Any, BaseException | None]] = deque()
        self._delivery_scheduled = False
        self._running = 0
        self._pid = os.getpid()

    @property
    def running(self) -> int:
        """How many handlers have been handed to a thread and have not ended."""
        return self._running

    def close(self) -> None:
        """Take no more work; handlers that have not begun never will."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def call(self, call: Call, method: Method, data: Any) -> concurrent.futures.Future[None]:
        """Run a method's function; its end reaches ``call.thread_ended``."""
        return self.submit(call, method.function, *self.arguments(call, method, data))

    def submit(
        self, call: Call, function: Callable[..., Any], *arguments: Any
    ) -> concurrent.futures.Future[None]:
        """Run a function; its end reaches ``call.thread_ended``."""

        def job() -> None:
            try:
                result = function(*arguments)
            except BaseException as error:
                self._report(call, None, error)
            else:
                self._report(call, result, None)

        def cancelled(future: concurrent.futures.Future[None]) -> None:
            if future.cancelled():
                self._report(call, None, asyncio.CancelledError())

        future = self._hand_over(self._variables.copy(), job)
        self._running += 1
        future.add_done_callback(cancelled)
        return future

    def _hand_over(
        self, variables: contextvars.Context, function: Callable[..., T], *arguments: Any
    ) -> concurrent.futures.Future[T]:
        """Give a function to the pool, or have it never run.

        Raises:
            RuntimeError: the pool is closed, or the system gives it no further thread. Then the
                pool has queued the function all the same, for a thread that it has already.
        """
        is_refused = False

        def begin() -> T:
            if is_refused:
                raise RuntimeError("the caller has been told already that this does not run")
            return variables.run(function, *arguments)

        try:
            return self._executor.submit(begin)
        except BaseException:
            is_refused = True
            raise

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function in a thread, and return or raise what it does.

        It sees the caller's context variables, and the caller sees those that it has set. A
        cancelled call waits for the thread, which nobody can stop; cancelled again, it does not.
        """
        variables = contextvars.copy_context()
        future = self._hand_over(variables, self._outcome_of, function, arguments)
        self._running += 1
        ended = asyncio.wrap_future(future, loop=self._loop)
        ended.add_done_callback(self._run_ended)
        try:
            await asyncio.wait([ended])
        except asyncio.CancelledError:
            if not future.cancel():
                await asyncio.wait([ended])
            raise
        for variable, value in variables.items():
            if variable.get(_UNSET) is not value:
                variable.set(value)
        result, error = ended.result()
        if error is not None:
            raise error
        return result

    def _outcome_of(
        self, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> tuple[Any, BaseException | None]:
        """What a function returns or raises; a future does not take every exception."""
        try:
            return function(*arguments), None
        except BaseException as error:
            return None, error
        finally:
            forks.end_if_child(self._pid)

    def _run_ended(self, _ended: asyncio.Future[Any]) -> None:
        self._running -= 1

    def arguments(self, call: Any, method: Method, data: Any) -> tuple[Any, ...]:
        """What a handler is called with in a thread."""
        if method.takes_context:
            return data, BlockingContext(call, self._loop, self._pid)
        return (data,)

    def _report(self, call: Call, result: Any, error: BaseException | None) -> None:
        forks.end_if_child(self._pid)
        self._ended.append((call, result, error))
        if not self._delivery_scheduled:
            self._delivery_scheduled = True
            self._wake(self._deliver)

    def _deliver(self) -> None:
        # Cleared before the deque is emptied: what is appended later schedules a delivery again.
        self._delivery_scheduled = False
        try:
            while self._ended:
                self._running -= 1
                call, result, error = self._ended.popleft()
                call.thread_ended(result, error)
        finally:
            if self._ended:
                self._loop.call_soon(self._deliver)

    def _wake(self, callback: Callable[[], None]) -> None:
        # A closed loop has nobody left to be told.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)

    async def iterate(self, context: Context, method: Method, data: Any) -> AsyncIterator[Any]:
        """What a generator yields in a thread, a few chunks ahead of what has been sent."""
        arguments = self.arguments(context, method, data)
        chunks: deque[Any] = deque()
        room = threading.Semaphore(CHUNKS_AHEAD)
        news = asyncio.Event()
        closed = threading.Event()

        def job() -> None:
            if closed.is_set():
                return
            generator: Generator[Any, None, None] = method.function(*arguments)
            try:
                for chunk in generator:
                    forks.end_if_child(self._pid)
                    room.acquire()
                    if closed.is_set():
                        break
                    chunks.append(chunk)
                    if len(chunks) == 1:
                        self._wake(news.set)
            finally:
                generator.close()
                forks.end_if_child(self._pid)

        handed = self._hand_over(contextvars.copy_context(), job)
        future = asyncio.wrap_future(handed, loop=self._loop)
        self._running += 1

        def job_ended(ended: asyncio.Future[None]) -> None:
            self._running -= 1
            news.set()
            if not ended.cancelled():
                # Retrieved, so that the loop does not report it when nobody waits any more.
                ended.exception()

        future.add_done_callback(job_ended)
        try:
            while True:
                while chunks:
                    yield chunks.popleft()
                    room.release()
                if future.done():
                    break
                news.clear()
                if not chunks and not future.done():
                    await news.wait()
            future.result()
        finally:
            closed.set()
            room.release()
            # Its clean-up is part of the handler, and nobody can stop a thread.
            if not handed.cancel():
                await asyncio.wait([future])
