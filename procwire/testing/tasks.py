"""Tasks that handlers have made: a handler that does not wait for its task leaks it."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from procwire._core import running_request

__all__ = ["HandlerTasks"]

_watched: contextvars.ContextVar[HandlerTasks | None] = contextvars.ContextVar(
    "procwire_watched", default=None
)


class HandlerTasks:
    """Watches for tasks that are made in certain context variables, and in copies of them.

    Args:
        loop: The loop that they are made on; its task factory is replaced until :meth:`close`.
        methods: The names of methods, by their ids.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, methods: Mapping[int, str]) -> None:
        self._loop = loop
        self._methods = methods
        self._previous = loop.get_task_factory()
        # With each task who has made it, in words.
        self._tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], str] = weakref.WeakKeyDictionary()
        # Its options differ between versions of Python.
        factory: Any = self._make_task
        loop.set_task_factory(factory)

    def watch(self, variables: contextvars.Context) -> None:
        """Watch for tasks that are made in these variables."""
        variables.run(_watched.set, self)

    @property
    def running(self) -> dict[asyncio.Task[Any], str]:
        """Those that have not ended, each with what it is and who has made it, in words."""
        return {
            task: f"{task.get_coro()!r}, made by {maker}"
            for task, maker in self._tasks.items()
            if not task.done()
        }

    def close(self) -> None:
        """Give the loop its own task factory back."""
        self._loop.set_task_factory(self._previous)

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        **options: Any,
    ) -> asyncio.Task[Any]:
        make: Callable[..., Any] = self._previous or _make_plain_task
        task: asyncio.Task[Any] = make(loop, coroutine, **options)
        watcher = _watched.get()
        if watcher is not None:
            watcher._tasks[task] = watcher._maker()
        return task

    def _maker(self) -> str:
        request = running_request()
        if request is not None:
            method, number = request
            return f"{self._methods[method]!r} (request {number})"
        # A task that a handler's task has made.
        current = asyncio.current_task()
        found = None if current is None else self._tasks.get(current)
        return "no request" if found is None else found


def _make_plain_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    return asyncio.Task(coroutine, loop=loop, **options)
