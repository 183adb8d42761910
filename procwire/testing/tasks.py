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
        loop: The loop that they are made on; its task factory is replaced until all that watch it
            are closed.
        methods: The names of methods, by their ids.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, methods: Mapping[int, str]) -> None:
        self._loop = loop
        self._methods = methods
        # With each task who has made it, in words.
        self._tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], str] = weakref.WeakKeyDictionary()
        # Its options differ between versions of Python.
        factory: Any = loop.get_task_factory()
        if not isinstance(factory, _TaskFactory):
            factory = _TaskFactory(factory)
            loop.set_task_factory(factory)
        factory.users += 1
        self._factory: _TaskFactory = factory

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
        """Watch no more; the last one gives the loop its own task factory back."""
        factory = self._factory
        factory.users -= 1
        current: Any = self._loop.get_task_factory()
        if current is factory and not factory.users:
            self._loop.set_task_factory(factory.previous)

    def made(self, task: asyncio.Task[Any]) -> None:
        """A task has been made in variables that are watched."""
        self._tasks[task] = self._maker()

    def _maker(self) -> str:
        request = running_request()
        if request is not None:
            method, number = request
            return f"{self._methods[method]!r} (request {number})"
        # A task that a handler's task has made.
        current = asyncio.current_task()
        found = None if current is None else self._tasks.get(current)
        return "no request" if found is None else found


class _TaskFactory:
    """A loop's, shared by all that watch it: they may end in any order.

    Args:
        previous: The one that the loop had before.
    """

    def __init__(self, previous: Callable[..., Any] | None) -> None:
        self.previous: Any = previous
        self.users = 0

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        **options: Any,
    ) -> asyncio.Task[Any]:
        make: Callable[..., Any] = self.previous or _make_plain_task
        task: asyncio.Task[Any] = make(loop, coroutine, **options)
        watcher = _watched.get()
        if watcher is not None:
            watcher.made(task)
        return task


def _make_plain_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    return asyncio.Task(coroutine, loop=loop, **options)
