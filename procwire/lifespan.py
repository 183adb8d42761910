"""Start-up and shutdown: what the user has run before the first request and after the last one.

One task does all of it, for a context manager wants to be left by the task that has entered it:
it starts up, waits until the client is closing, and takes down. The order is

1. the ``lifespan`` context manager is entered, then ``on_startup`` hooks run as registered;
2. requests are served;
3. once all handlers have ended, ``on_shutdown`` hooks run, the last registered first, and the
   ``lifespan`` is left.

When start-up fails or is given up, a ``lifespan`` that has been entered is left, and no hook runs.

The task runs in the very context variables that each handler gets a copy of: what start-up sets
is what handlers see.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from procwire.client import Client
    from procwire.threads import Threads

__all__ = ["Hook", "Lifespan", "LifespanFunction"]

Hook = Callable[[], object]
"""A function without parameters: an ``async def``, or a ``def``, which runs in a thread."""

LifespanFunction = Callable[["Client"], AbstractAsyncContextManager[Mapping[str, Any] | None]]
"""What :func:`contextlib.asynccontextmanager` makes; what it yields goes to ``client.state``."""

LAST_WORDS = 0.1
"""Seconds that a hook has to hear that its time is over."""

_logger = logging.getLogger("procwire.lifespan")


class Lifespan:
    """What is registered for start-up and shutdown, and the task that runs it.

    Attributes:
        failures: What start-up or shutdown has raised that nobody had given up; a
            :exc:`TimeoutError` when it did not end in time.
    """

    def __init__(self, manager: LifespanFunction | None) -> None:
        if inspect.isasyncgenfunction(manager):
            raise TypeError(
                "lifespan is an async context manager: put @contextlib.asynccontextmanager on it"
            )
        if manager is not None and not callable(manager):
            raise TypeError(f"lifespan is a function of the client, got {manager!r}")
        self._manager = manager
        self._startup: list[Hook] = []
        self._shutdown: list[Hook] = []
        self.forget()

    def forget(self) -> None:
        """Be as before start-up, with what is registered."""
        self._threads: Threads | None = None
        self._task: asyncio.Task[None] | None = None
        # How start-up has ended: with an exception, or without one.
        self._started: asyncio.Future[BaseException | None] | None = None
        self._ending = asyncio.Event()
        self.failures: list[BaseException] = []

    def on_startup(self, hook: Hook) -> None:
        """Have a hook run at start-up, after those that are registered."""
        self._startup.append(_checked(hook))

    def on_shutdown(self, hook: Hook) -> None:
        """Have a hook run at shutdown, before those that are registered."""
        self._shutdown.append(_checked(hook))

    @property
    def failed(self) -> bool:
        """Whether start-up or shutdown has failed."""
        return bool(self.failures)

    @property
    def takes_down(self) -> bool:
        """Whether there is something to do at the end."""
        return self._task is not None

    def begin(
        self, client: Client, variables: contextvars.Context, threads: Threads
    ) -> asyncio.Future[BaseException | None]:
        """Start up, in these context variables; the future says how that has ended."""
        loop = asyncio.get_running_loop()
        started = self._started = loop.create_future()
        if self._manager is None and not self._startup and not self._shutdown:
            started.set_result(None)
            return started
        self._threads = threads
        self._task = loop.create_task(
            self._live(client, started), name="procwire-lifespan", context=variables
        )
        return started

    async def end(self, seconds: float) -> None:
        """Take down what start-up has made, for so long at most; give a start-up up."""
        self._ending.set()
        if self._task is None:
            return
        assert self._started is not None
        if not self._started.done():
            self._task.cancel()
        _, late = await asyncio.wait([self._task], timeout=max(0.0, seconds))
        if late:
            late_end = TimeoutError("start-up or shutdown did not end in time")
            self.failures.append(late_end)
            _logger.warning("%s", late_end)
            self._task.cancel()
            await asyncio.wait([self._task], timeout=LAST_WORDS)
        if not self._started.done():
            # Cancelled before its first step, or deaf to it.
            self._started.set_result(asyncio.CancelledError())

    async def _live(self, client: Client, started: asyncio.Future[BaseException | None]) -> None:
        # Nothing leaves this task: a SystemExit would end the loop, with nobody told why.
        try:
            async with AsyncExitStack() as stack:
                try:
                    await self._start(client, stack)
                except BaseException as error:
                    if not self._ending.is_set():
                        self.failures.append(error)
                    if not started.done():
                        started.set_result(error)
                    raise
                started.set_result(None)
                await self._ending.wait()
                for hook in reversed(self._shutdown):
                    await self._take_down(hook)
        except BaseException as error:
            if error is not started.result() and not isinstance(error, asyncio.CancelledError):
                self.failures.append(error)
                _logger.error("the lifespan failed while it was left", exc_info=error)

    async def _start(self, client: Client, stack: AsyncExitStack) -> None:
        if self._manager is not None:
            loaded: object = await stack.enter_async_context(self._manager(client))
            if isinstance(loaded, Mapping):
                vars(client.state).update(loaded)
            elif loaded is not None:
                kind = type(loaded).__qualname__
                raise TypeError(f"the lifespan yields a mapping or nothing, got {kind}")
        for hook in self._startup:
            self._check_wanted()
            await self._call(hook)
        self._check_wanted()

    def _check_wanted(self) -> None:
        """A hook may have swallowed that start-up was given up."""
        if self._ending.is_set():
            raise asyncio.CancelledError

    async def _take_down(self, hook: Hook) -> None:
        try:
            await self._call(hook)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # The next one has something else to close.
            self.failures.append(error)
            _logger.exception("the shutdown hook %r failed", _name_of(hook))

    async def _call(self, hook: Hook) -> None:
        assert self._threads is not None
        if inspect.iscoroutinefunction(hook):
            await hook()
            return
        result = await self._threads.run(hook)
        if inspect.isawaitable(result):
            await result


def _checked(hook: Hook) -> Hook:
    if not callable(hook):
        raise TypeError(f"a hook is a function without parameters, got {hook!r}")
    try:
        inspect.signature(hook).bind()
    except ValueError:
        # Some functions written in C tell nothing about their parameters.
        pass
    except TypeError:
        raise TypeError(
            f"a hook is called without arguments, {_name_of(hook)} needs some"
        ) from None
    return hook


def _name_of(hook: Hook) -> str:
    return getattr(hook, "__qualname__", None) or repr(hook)
