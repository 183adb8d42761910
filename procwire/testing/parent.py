"""A parent in the process of its worker, for tests."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Any, Self

from procwire.client import Client
from procwire.codecs import Codec
from procwire.errors import UnknownEventError
from procwire.testing.declaring import declare, offer
from procwire.testing.tasks import HandlerTasks

__all__ = ["LeftBehindError", "TestParent"]

REQUEST_TIMEOUT = 10.0
"""Seconds after which a test is told that a handler does not answer."""
CLOSE_PATIENCE = 1.0
"""Seconds for what has been sent and is not on its way when the test is over."""
LAST_TURNS = 3
"""Turns of the loop that a handler's task has to end in, when all handlers have ended."""


class LeftBehindError(AssertionError):
    """A test is over, and a request has no answer yet, or a handler's task still runs."""


class TestParent:
    """Serves a client in this process, over a real socket, and calls it::

        async with TestParent(client) as parent:
            assert await parent.send("echo", 1) == 1

    Start-up hooks run at the beginning, shutdown hooks at the end; then the client is as it was
    before, and can be served again. All else is as in a worker: bytes, codecs, limits, threads.
    What only a process of its own can have is not there: standard streams that are the
    parent's, heartbeats, and an end whatever keeps it. See :func:`declare` for that.

    Args:
        client: The client, not started.
        request_timeout: Seconds for which an answer is waited for, unless the method has a
            ``timeout`` of its own.
        codec: As with :func:`declare`.

    Attributes:
        module: The :class:`procwire.parent.Module` that the calls go through.

    Raises:
        LeftBehindError: at the end, when a request has no answer that nobody has taken back, or a
            task that a handler has made still runs. Not when the test itself has failed.
    """

    # Not a class of tests, whatever its name says to pytest.
    __test__ = False

    def __init__(
        self,
        client: Client,
        *,
        request_timeout: float = REQUEST_TIMEOUT,
        codec: Codec | str | None = None,
    ) -> None:
        self.module = declare(client, request_timeout=request_timeout, codec=codec)
        self._client = client
        self._events: dict[str, asyncio.Queue[Any]] = {}
        self._tasks: HandlerTasks | None = None

    async def send(self, method: str, data: Any = None) -> Any:
        """As :meth:`procwire.parent.Module.send`."""
        return await self.module.send(method, data)

    def stream(self, method: str, data: Any = None) -> AsyncGenerator[Any, None]:
        """As :meth:`procwire.parent.Module.stream`."""
        return self.module.stream(method, data)

    def on_event(self, name: str, handler: Callable[[Any], object]) -> Callable[[], None]:
        """As :meth:`procwire.parent.Module.on_event`."""
        return self.module.on_event(name, handler)

    async def next_event(self, name: str) -> Any:
        """The data of the next such event; those that have come before this call are kept for it.

        Raises:
            UnknownEventError: the client does not register the event.
        """
        if name not in self._events:
            raise UnknownEventError(f"the client registers no event {name!r}")
        return await self._events[name].get()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for name in self.module.declared.events:
            events = self._events[name] = asyncio.Queue()
            self.module.on_event(name, events.put_nowait)
        variables = contextvars.copy_context()
        tasks = self._tasks = HandlerTasks(loop)
        tasks.watch(variables)
        theirs, ours = socket.socketpair()
        for sock in (theirs, ours):
            sock.setblocking(False)
        try:
            await self._client._serve_inside(theirs, variables)
            connection = self.module.make_connection(offer(self._client), None)
            await loop.create_unix_connection(lambda: connection, sock=ours)
        except BaseException:
            theirs.close()
            ours.close()
            await self._end(tasks)
            raise
        self.module.connected()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        assert self._tasks is not None
        unanswered = self.module.unanswered
        left = await self._end(self._tasks)
        if error is not None:
            return
        if unanswered:
            counted = ", ".join(f"{name!r} ({n})" for name, n in Counter(unanswered).items())
            raise LeftBehindError(f"requests have not been answered: {counted}")
        if left:
            raise LeftBehindError(f"tasks of handlers still run: {', '.join(left)}")

    async def _end(self, tasks: HandlerTasks) -> list[str]:
        """End the worker; returns the tasks of its handlers that had not ended."""
        try:
            await self.module.close_connection(CLOSE_PATIENCE)
            await self._client.shutdown()
            for _turn in range(LAST_TURNS):
                await asyncio.sleep(0)
            running = tasks.running
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running, timeout=CLOSE_PATIENCE)
            return sorted(repr(task.get_coro()) for task in running)
        finally:
            tasks.close()
            self.module._set_state("closed")
            self._client._reopen()
