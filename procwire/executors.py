"""Where each method's handler runs, and what is made for that."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
from typing import TYPE_CHECKING

from procwire.batching import Batcher
from procwire.registered import Registration
from procwire.runners import ExecutorRunner, Inline, Runner, Tasks, Where, is_thread_pool
from procwire.threads import Threads

if TYPE_CHECKING:
    from procwire._core import Method
    from procwire.processes import Processes

__all__ = ["Runners", "check_not_in_pool", "default_max_processes"]


def default_max_processes() -> int:
    """As many as there are processors for this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Runners:
    """All runners of a client.

    Attributes:
        threads: That of methods that have chosen none.
        hooks: A thread for start-up and shutdown: handlers may have got stuck in all others.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        variables: contextvars.Context,
        max_threads: int,
        max_processes: int,
    ) -> None:
        self._loop = loop
        self._variables = variables
        self._max_processes = max_processes
        self.threads = Threads(loop, variables, max_threads)
        self.hooks = Threads(loop, variables, 1)
        # Those in thread pools of the user's, by pool.
        self._foreign: dict[object, Threads] = {}
        self._processes: Processes | None = None

    @property
    def running(self) -> int:
        """How many handlers and hooks have been handed to a thread and have not ended."""
        pools = [self.threads, self.hooks, *self._foreign.values()]
        if self._processes is not None:
            pools.append(self._processes.threads)
        return sum(pool.running for pool in pools)

    def assign(self, method: Method, registered: Registration) -> None:
        """Give a method its runner."""
        if registered.executor is not None:
            method.runner = self._executor_runner(registered.executor)
        if registered.batch is not None:
            inner = method.runner or self._usual_runner(registered.shape.form)
            tasks = Tasks(self._loop, self._variables)
            method.runner = Batcher(self._loop, registered.batch, method, inner, tasks)

    def close(self) -> None:
        """Take no more work; handlers that have not begun never will, processes end."""
        self.threads.close()
        self.hooks.close()
        if self._processes is not None:
            self._processes.close()

    def _executor_runner(self, executor: Where) -> Runner:
        if executor == "process":
            if self._processes is None:
                # It takes a while to import, and most workers have no use for it.
                from procwire.processes import Processes

                self._processes = Processes(self._loop, self._variables, self._max_processes)
            return self._processes
        if is_thread_pool(executor):
            if executor not in self._foreign:
                self._foreign[executor] = Threads(self._loop, self._variables, 0, executor)
            return self._foreign[executor]
        return ExecutorRunner(self._loop, executor)

    def _usual_runner(self, form: str) -> Runner:
        if form == "coroutine":
            return Tasks(self._loop, self._variables)
        if form == "inline":
            return Inline(self._variables)
        return self.threads


def check_not_in_pool() -> None:
    """Whether this is the worker itself, and not a pool process that imports its script.

    Raises:
        RuntimeError: it is one.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is not None and getattr(process.current_process(), "_inheriting", False):
        raise RuntimeError(
            "a pool process imports the worker's script, which runs the client: put "
            "client.run() behind `if __name__ == '__main__':`"
        )
