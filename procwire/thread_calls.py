"""From another thread to the event loop and back: a coroutine runs there and is waited for here."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from procwire.errors import NotConnectedError

__all__ = ["LOOP_CHECK", "LoopCall"]

LOOP_CHECK = 0.5
"""Seconds after which a loop that has not answered is looked at: one that was closed never will."""

T = TypeVar("T")


class LoopCall(Generic[T]):
    """A coroutine that another thread's event loop runs.

    Raises:
        NotConnectedError: that loop has been closed.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        try:
            self._future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError as error:
            coroutine.close()
            raise NotConnectedError("the worker has shut down") from error

    def cancel(self) -> None:
        """Cancel the coroutine; may be called from any thread."""
        self._future.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it has ended; returns whether it has, after so many seconds at most.

        Raises:
            NotConnectedError: the loop was closed before.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LOOP_CHECK if end is None else min(LOOP_CHECK, end - time.monotonic())
            # Asked before the wait: what was posted to a loop is done before that is closed.
            closed = self._loop.is_closed()
            if concurrent.futures.wait([self._future], max(0.0, left)).done:
                return True
            if closed:
                self._future.cancel()
                self._coroutine.close()
                raise NotConnectedError("the worker has shut down")
            if end is not None and time.monotonic() >= end:
                return False

    def result(self) -> T:
        """What it returned, once it has ended; raises what it raised."""
        return self._future.result(0)
