"""Where functions that do not run on the event loop run, and who may choose."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import inspect
import os
import pickle
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeGuard

from procwire import forks
from procwire.handlers import HandlerShape

if TYPE_CHECKING:
    from procwire._core import Method

__all__ = [
    "Call",
    "Cancellable",
    "ExecutorRunner",
    "Inline",
    "Runner",
    "Tasks",
    "Where",
    "check_executor",
    "check_sendable",
]

Where = Literal["process"] | concurrent.futures.Executor
"""Who runs a method's handler: the client's pool of processes, or an executor of the user's."""


class Call(Protocol):
    """A request, or a batch of them: told once how its handler ended, on the loop."""

    def thread_ended(self, result: Any, error: BaseException | None) -> None: ...


class Cancellable(Protocol):
    """A handler that has been handed over, as its call knows it."""

    def cancel(self) -> object: ...


class Runner(Protocol):
    """What calls a method's function somewhere else, with the data of a request."""

    def call(self, call: Call, method: Method, data: Any) -> Cancellable | None:
        """Hand the function over; ``None`` when it has ended already."""


class Tasks:
    """Coroutines on the event loop, for batches: single requests have a shorter way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, variables: contextvars.Context) -> None:
        self._loop = loop
        self._variables = variables

    def call(self, call: Call, method: Method, data: Any) -> Cancellable:
        async def handle() -> Any:
            return await method.function(data)

        return self.wait(call, method, handle())

    def wait(self, call: Call, method: Method, awaitable: Awaitable[Any]) -> Cancellable:
        """Await a coroutine, or what else a function has returned."""

        async def run() -> tuple[Any, BaseException | None]:
            try:
                return await awaitable, None
            except BaseException as error:
                return None, error

        def ended(task: asyncio.Task[tuple[Any, BaseException | None]]) -> None:
            if task.cancelled():
                # Before its first step.
                if inspect.iscoroutine(awaitable):
                    awaitable.close()
                call.thread_ended(None, asyncio.CancelledError())
            else:
                call.thread_ended(*task.result())

        name = f"procwire-{method.name}"
        task = self._loop.create_task(run(), name=name, context=self._variables.copy())
        task.add_done_callback(ended)
        return task


class Inline:
    """Functions on the event loop, for batches."""

    def __init__(self, variables: contextvars.Context) -> None:
        self._variables = variables

    def call(self, call: Call, method: Method, data: Any) -> Cancellable | None:
        try:
            result = self._variables.copy().run(method.function, data)
        except BaseException as error:
            call.thread_ended(None, error)
        else:
            call.thread_ended(result, None)
        return None


class ExecutorRunner:
    """An executor that somebody else owns, and ends."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, executor: concurrent.futures.Executor
    ) -> None:
        self._loop = loop
        self._executor = executor
        self._pid = os.getpid()

    def call(self, call: Call, method: Method, data: Any) -> Cancellable:
        # One that runs cannot be cancelled: its end is waited for all the same.
        future = self._executor.submit(method.function, data)
        future.add_done_callback(functools.partial(self._tell, call))
        return future

    def _tell(self, call: Call, future: concurrent.futures.Future[Any]) -> None:
        # It may be an executor of threads.
        forks.end_if_child(self._pid)
        # A closed loop has nobody left to be told.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended, call, future)

    def _ended(self, call: Call, future: concurrent.futures.Future[Any]) -> None:
        if future.cancelled():
            call.thread_ended(None, asyncio.CancelledError())
        elif (error := future.exception()) is not None:
            call.thread_ended(None, error)
        else:
            call.thread_ended(future.result(), None)


def check_executor(
    executor: Where | None, function: Callable[..., Any], shape: HandlerShape
) -> None:
    """Whether a handler can run there.

    Raises:
        TypeError: it is no executor, or the handler cannot be called by one.
        ValueError: its processes would be forked from a worker with threads and connections.
    """
    if executor is None:
        return
    if executor != "process" and not isinstance(executor, concurrent.futures.Executor):
        raise TypeError(f"executor is 'process' or a concurrent.futures.Executor, got {executor!r}")
    if shape.form not in ("thread", "thread generator"):
        raise TypeError(f"an executor runs plain functions, {function!r} is for the event loop")
    if is_thread_pool(executor):
        return
    if shape.form == "thread generator":
        raise TypeError("a generator's chunks cannot be fetched from another process: use a thread")
    if shape.takes_context:
        raise TypeError("a handler in another process has no context: it takes the data alone")
    if executor == "process":
        name = getattr(function, "__qualname__", "")
        if "<" in name:
            raise TypeError(
                f"{name} is found by no other process: a handler for one is a function of a module"
            )
    elif isinstance(executor, concurrent.futures.ProcessPoolExecutor):
        context = getattr(executor, "_mp_context", None)
        if context is not None and context.get_start_method() == "fork":
            raise ValueError(
                "processes that are forked from a worker may hang: make the pool with "
                "mp_context=multiprocessing.get_context('spawn'), or use executor='process'"
            )


def is_thread_pool(executor: object) -> TypeGuard[concurrent.futures.ThreadPoolExecutor]:
    """Whether functions run there as in the client's own threads."""
    # Not those that derive from it: there are some for other interpreters.
    return type(executor) is concurrent.futures.ThreadPoolExecutor


def check_sendable(name: str, function: Callable[..., Any]) -> None:
    """Whether another process can be told which function this is; when all modules are there.

    Raises:
        TypeError: it cannot.
    """
    try:
        pickle.dumps(function)
    except Exception as error:
        raise TypeError(
            f"the handler of {name!r} cannot be sent to another process ({error}): "
            "it should be a function of a module"
        ) from error
