"""What is wrapped around every handler; handlers without it are called directly."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from procwire._core import Context, Method, stream_async, stream_sync
from procwire.runners import Runner
from procwire.threads import Threads

__all__ = ["CallNext", "Middleware", "check_middleware", "wrap"]

CallNext = Callable[[Any], Awaitable[Any]]
"""Calls the next middleware, or the handler, with the data; returns what it answers with."""

Middleware = Callable[[Any, Context, CallNext], Awaitable[Any]]

_Endpoint = Callable[[Any, Context], Awaitable[Any]]


def check_middleware(middleware: Middleware) -> None:
    """Refuse what cannot be awaited.

    Raises:
        TypeError: it is no ``async def``.
    """
    function: Any = middleware
    while isinstance(function, functools.partial):
        function = function.func
    call = getattr(type(function), "__call__", None)  # noqa: B004 - its own function is wanted
    if not inspect.iscoroutinefunction(function) and not inspect.iscoroutinefunction(call):
        raise TypeError(
            f"a middleware is an async def with data, ctx and call_next, got {middleware!r}"
        )


def wrap(
    method: Method, form: str, threads: Threads, middlewares: Sequence[Middleware]
) -> _Endpoint:
    """A coroutine function in a method's place: the middlewares, the first outermost, around it.

    Args:
        method: The method as it would be called without them.
        form: Where its handler runs and how it is driven.
        threads: Where those run that block.
        middlewares: One at least.
    """
    endpoint = _endpoint(method, form, threads)
    for middleware in reversed(middlewares):
        endpoint = _around(middleware, endpoint)
    return endpoint


def _around(middleware: Middleware, inner: _Endpoint) -> _Endpoint:
    async def call(data: Any, context: Context) -> Any:
        return await middleware(data, context, lambda data: inner(data, context))

    return call


async def _elsewhere(runner: Runner, method: Method, data: Any, context: Context) -> Any:
    """The handler in a process, in an executor or in a batch; ends when that has ended."""
    call = _AwaitedCall()
    handed = runner.call(call, method, data)
    try:
        await asyncio.wait([call.ended])
    except asyncio.CancelledError:
        if handed is not None:
            handed.cancel()
        await asyncio.wait([call.ended])
        raise
    result, error = call.ended.result()
    if error is not None:
        raise error
    return await result if inspect.isawaitable(result) else result


class _AwaitedCall:
    """A handler's call whose end somebody awaits."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[tuple[Any, BaseException | None]] = (
            asyncio.get_running_loop().create_future()
        )

    def thread_ended(self, result: Any, error: BaseException | None) -> None:
        self.ended.set_result((result, error))


def _endpoint(method: Method, form: str, threads: Threads) -> _Endpoint:
    """The handler as a coroutine function, whatever its form; a stream's ends with the stream."""
    function = method.function
    if isinstance(method.runner, Threads):
        threads = method.runner
    elif method.runner is not None:
        return functools.partial(_elsewhere, method.runner, method)

    def start(data: Any, context: Context) -> Any:
        return function(data, context) if method.takes_context else function(data)

    async def inline(data: Any, context: Context) -> Any:
        result = start(data, context)
        return await result if inspect.isawaitable(result) else result

    async def async_generator(data: Any, context: Context) -> None:
        await stream_async(context, start(data, context))

    async def inline_generator(data: Any, context: Context) -> None:
        await stream_sync(context, start(data, context))

    async def thread(data: Any, context: Context) -> Any:
        result = await threads.run(function, *threads.arguments(context, method, data))
        return await result if inspect.isawaitable(result) else result

    async def thread_generator(data: Any, context: Context) -> None:
        await stream_async(context, threads.iterate(context, method, data))

    forms: dict[str, _Endpoint] = {
        "coroutine": start,
        "inline": inline,
        "async generator": async_generator,
        "inline generator": inline_generator,
        "thread": thread,
        "thread generator": thread_generator,
    }
    return forms[form]
