"""An event loop without a clock and without fairness: what a seed says is what happens.

Callbacks of one turn run in any order, which no code may depend on, and time passes only when
nothing else can happen, so that hours take no time.
"""

from __future__ import annotations

import asyncio
import heapq
from concurrent.futures import Executor, Future
from random import Random
from typing import Any


class Deadlock(Exception):
    """Nothing is scheduled, and what is waited for has not happened."""


class ShuffledLoop(asyncio.BaseEventLoop):
    """Runs what is ready in shuffled order; jumps to the next timer when nothing is.

    Attributes:
        turn: How many turns have begun.
        reported: What the exception handler was told: errors that nobody looked at.
    """

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.turn = 0
        self.reported: list[dict[str, Any]] = []
        self._random = random
        self._now = 0.0
        self.set_exception_handler(lambda _, context: self.reported.append(context))

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        self.turn += 1
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        ready = self._ready  # type: ignore[attr-defined]
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False  # type: ignore[attr-defined]
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not timers:
                raise Deadlock
            self._now = max(self._now, timers[0].when())
        while timers and timers[0].when() <= self._now:
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]
            ready.append(timer)
        turn = list(ready)
        ready.clear()
        self._random.shuffle(turn)
        for handle in turn:
            if not handle.cancelled():
                handle._run()

    def _write_to_self(self) -> None:
        """There is one thread, and it never sleeps."""


class LoopExecutor(Executor):
    """Runs jobs one by one on the loop, some turns later; a job must not block."""

    def __init__(self, loop: ShuffledLoop, random: Random) -> None:
        self._loop = loop
        self._random = random
        self._closed = False

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._after(self._random.randrange(5), future, lambda: function(*args, **kwargs))
        return future

    def _after(self, turns: int, future: Future[Any], job: Any) -> None:
        if turns:
            self._loop.call_soon(self._after, turns - 1, future, job)
        elif self._closed:
            future.cancel()
        elif future.set_running_or_notify_cancel():
            try:
                future.set_result(job())
            except BaseException as error:
                future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._closed = True
