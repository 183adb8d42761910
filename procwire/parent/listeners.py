"""Functions that want to be told of something, again and again."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Listeners"]

_logger = logging.getLogger("procwire.parent")

T = TypeVar("T")


class Listeners(Generic[T]):
    """Functions that are called with each value, in the order in which they were added.

    An ``async def`` runs in a task of its own. What one of them raises is logged, and concerns
    nobody else.

    Args:
        subject: What the values are, for the log.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        # By a key for each time that one was added, which can be more than once.
        self._functions: dict[object, Callable[[T], object]] = {}
        # Tasks of functions that are coroutines: nobody else holds them.
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, function: Callable[[T], object]) -> Callable[[], None]:
        """Have a function called from now on; returns a function that ends it."""
        key = object()
        self._functions[key] = function

        def end() -> None:
            self._functions.pop(key, None)

        return end

    def tell(self, value: T) -> None:
        """Call them all."""
        for function in tuple(self._functions.values()):
            try:
                result = function(value)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException:
                # A CancelledError, of a future that the function has looked at for instance, would
                # look like that of whoever tells.
                self._log_failure()
            else:
                if inspect.iscoroutine(result):
                    self._run(result)

    def _run(self, coroutine: Coroutine[Any, Any, object]) -> None:
        async def run() -> None:
            try:
                await coroutine
            except Exception:
                self._log_failure()

        task = asyncio.get_running_loop().create_task(run(), name="procwire-listener")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _log_failure(self) -> None:
        _logger.exception("a handler of %s failed", self._subject)
