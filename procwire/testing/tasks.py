"""Tasks that handlers have made: a handler that does not wait for its task leaks it."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["HandlerTasks"]

_watched: contextvars.ContextVar[HandlerTasks | None] = contextvars.ContextVar(
    "procwire_watched", default=None
)


class HandlerTasks:
    """Watches for tasks that are made in certain context variables, and in copies of them.

    Args:
        loop: The loop that they are made on; its task factory is replaced until :meth:`close`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._previous = loop.get_task_factory()
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        # Its options differ between versions of Python.
        factory: Any = self._make_task
        loop.set_task_factory(factory)

    def watch(self, variables: contextvars.Context) -> None:
        """Watch for tasks that are made in these variables."""
        variables.run(_watched.set, self)

    @property
    def running(self) -> set[asyncio.Task[Any]]:
        """Those that have not ended."""
        return {task for task in self._tasks if not task.done()}

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
            watcher._tasks.add(task)
        return task


def _make_plain_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    return asyncio.Task(coroutine, loop=loop, **options)
