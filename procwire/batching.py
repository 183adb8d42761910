"""Concurrent requests gathered into one call of their handler."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from procwire.counts import check_count
from procwire.handlers import HandlerShape
from procwire.runners import Call, Cancellable, Runner, Tasks

if TYPE_CHECKING:
    from procwire._core import Method

__all__ = ["Batch", "Batcher", "check_batch"]


@dataclass(frozen=True)
class Batch:
    """How concurrent requests are gathered into one call of their handler.

    The handler takes a list of payloads and returns a list with an answer for each, in the same
    order. An exception in the list is the error of its request.

    Args:
        max_size: How many requests one call gets at most.
        max_wait: Seconds that the first request waits for others; with ``0`` it takes those that
            arrive in the same turn of the event loop.
        max_running: How many calls may be under way at a time. Those that arrive meanwhile are
            gathered, however long it takes.

    Raises:
        TypeError: a count is no integer.
        ValueError: an argument is out of its range.
    """

    max_size: int = 32
    max_wait: float = 0.005
    max_running: int = 1

    def __post_init__(self) -> None:
        check_count("max_size", self.max_size)
        check_count("max_running", self.max_running)
        if not 0 <= self.max_wait <= 3600:
            raise ValueError(f"max_wait is from 0 to 3600 seconds, got {self.max_wait}")


def check_batch(shape: HandlerShape, batch: Batch, max_concurrency: int | None) -> None:
    """Whether a handler can take such batches.

    Raises:
        TypeError: it has a context, which belongs to one request.
        ValueError: it streams, or no batch would ever be full.
    """
    if shape.response == "stream":
        raise ValueError("a batch has one answer for each request, it cannot stream")
    if shape.takes_context:
        raise TypeError("a batch handler has no context: it takes the list of payloads alone")
    if max_concurrency is not None and max_concurrency < batch.max_size:
        raise ValueError(
            f"with a max_concurrency of {max_concurrency} requests no batch has "
            f"{batch.max_size}; Batch(max_running=...) is the limit of calls"
        )


class _Item:
    """A request in a batch; what its context cancels when it is aborted."""

    __slots__ = ("_batcher", "call", "value", "while_running")

    def __init__(self, batcher: Batcher, call: Call, value: Any) -> None:
        self._batcher = batcher
        self.call = call
        self.value = value
        # The handler's call that it has become part of.
        self.while_running: _Running | None = None

    def cancel(self) -> None:
        if self.while_running is not None:
            self.while_running.give_up_one()
        else:
            self._batcher.take_out(self)


class _Running:
    """A call of the handler, as its runner knows it."""

    def __init__(self, batcher: Batcher, items: Sequence[_Item]) -> None:
        self._batcher = batcher
        self.items = items
        self._wanted = len(items)
        self.handler: Cancellable | None = None

    def give_up_one(self) -> None:
        """One of its requests is aborted; when it was the last one, so is the call."""
        self._wanted -= 1
        if not self._wanted and self.handler is not None:
            self.handler.cancel()

    def go_on(self, handler: Cancellable) -> None:
        """What the handler has returned is its second half."""
        self.handler = handler
        if not self._wanted:
            handler.cancel()

    def thread_ended(self, result: Any, error: BaseException | None) -> None:
        self._batcher.ended(self, result, error)


class Batcher:
    """Gathers a method's requests, and gives them to the runner of its handler.

    All of it happens on the event loop. What is gathered counts as under way, so the limits of
    the client and of the method bound it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Batch,
        method: Method,
        runner: Runner,
        tasks: Tasks,
    ) -> None:
        self._loop = loop
        # For functions that are no coroutines, and return one.
        self._tasks = tasks
        self._batch = batch
        self._method = method
        self._runner = runner
        # In the order of arrival; a set that forgets those that are aborted.
        self._gathered: dict[_Item, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        # The first of those that are gathered has waited long enough.
        self._waited = False
        self._begin_scheduled = False
        self._running = 0

    def call(self, call: Call, method: Method, data: Any) -> Cancellable:
        """Take a request; its answer reaches ``call.thread_ended``."""
        item = _Item(self, call, data)
        self._gathered[item] = None
        self._look()
        return item

    def take_out(self, item: _Item) -> None:
        """The request is aborted before the handler was called: it never sees it."""
        del self._gathered[item]
        if not self._gathered:
            self._forget_wait()
        # Not from within: the abort is not through with it yet.
        self._loop.call_soon(item.call.thread_ended, None, asyncio.CancelledError())

    def ended(self, running: _Running, result: Any, error: BaseException | None) -> None:
        """A call of the handler has ended: each request gets its own part."""
        if error is None and inspect.isawaitable(result):
            running.go_on(self._tasks.wait(running, self._method, result))
            return
        self._running -= 1
        if error is None:
            error = self._fault(result, len(running.items))
        ends: deque[tuple[Call, Any, BaseException | None]] = deque()
        for index, item in enumerate(running.items):
            answer = None if error is not None else result[index]
            if isinstance(answer, BaseException):
                ends.append((item.call, None, answer))
            else:
                ends.append((item.call, answer, error))
        self._tell(ends)
        self._look()

    def _tell(self, ends: deque[tuple[Call, Any, BaseException | None]]) -> None:
        try:
            while ends:
                call, answer, error = ends.popleft()
                call.thread_ended(answer, error)
        finally:
            if ends:
                self._loop.call_soon(self._tell, ends)

    def _fault(self, result: Any, count: int) -> BaseException | None:
        name = self._method.name
        if not isinstance(result, list | tuple):
            return TypeError(
                f"the handler of the batch method {name!r} returned "
                f"{type(result).__qualname__}, not a list"
            )
        if len(result) != count:
            return ValueError(
                f"the handler of the batch method {name!r} returned {len(result)} answers "
                f"to {count} requests"
            )
        return None

    def _look(self) -> None:
        """See whether a call is due, or when."""
        if not self._gathered:
            return
        if self._is_due():
            if not self._begin_scheduled:
                self._begin_scheduled = True
                # Not from within: this may be another handler's task.
                self._loop.call_soon(self._begin)
        elif self._timer is None and not self._waited:
            self._timer = self._loop.call_later(self._batch.max_wait, self._has_waited)

    def _is_due(self) -> bool:
        return self._running < self._batch.max_running and (
            self._waited or len(self._gathered) >= self._batch.max_size
        )

    def _has_waited(self) -> None:
        self._timer = None
        self._waited = True
        self._look()

    def _forget_wait(self) -> None:
        self._waited = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._begin_scheduled = False
        if self._gathered and self._is_due():
            items = list(itertools.islice(self._gathered, self._batch.max_size))
            for item in items:
                del self._gathered[item]
            self._forget_wait()
            self._run(items)
        self._look()

    def _run(self, items: Sequence[_Item]) -> None:
        running = _Running(self, items)
        self._running += 1
        for item in items:
            item.while_running = running
        try:
            handler = self._runner.call(running, self._method, [item.value for item in items])
            # Without one it has ended at once, and what it has returned may go on already.
            if handler is not None:
                running.handler = handler
        except Exception as error:
            self.ended(running, None, error)
