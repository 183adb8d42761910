"""A parent in the process of its worker, for tests."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from procwire.attaching import attach
from procwire.client import Client
from procwire.codecs import Codec
from procwire.testing.caller import REQUEST_TIMEOUT, Caller
from procwire.testing.declaring import declare, offer
from procwire.testing.tasks import HandlerTasks

__all__ = ["TestParent"]

CLOSE_PATIENCE = 1.0
"""Seconds for what has been sent and is not on its way when the test is over, and then for tasks of
handlers that are cancelled."""
LAST_TURNS = 3
"""Turns of the loop that a handler's task has to end in, when all handlers have ended."""


class TestParent(Caller):
    """Serves a client in this process, over a real socket, and calls it::

        async with TestParent(client) as parent:
            assert await parent.send("echo", 1) == 1

    Start-up hooks run at the beginning, shutdown hooks at the end; then the client is as it was
    before, its ``state`` included, and can be served again. All else is as in a worker: bytes,
    codecs, limits, threads. What only a process of its own can have is not there: standard streams
    that are the parent's, heartbeats, and an end whatever keeps it. See :class:`TestProcess` for
    that.

    Args:
        client: The client, not started.
        request_timeout: Seconds for which an answer is waited for, unless the method has a
            ``timeout`` of its own.
        codec: As with :func:`declare`.

    Attributes:
        module: The :class:`procwire.parent.Module` that the calls go through.

    Raises:
        LeftBehindError: at the end, when a request has no answer that nobody has taken back, a
            task that a handler has made still runs, or a shutdown hook or the ``lifespan`` has
            failed. Not when the test itself has.
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
        super().__init__(declare(client, request_timeout=request_timeout, codec=codec))
        self._client = client
        self._tasks: HandlerTasks | None = None
        # The client's state as it was before, and what it had.
        self._state: tuple[SimpleNamespace, dict[str, Any]]

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """Tasks of handlers that have not ended, but for those that answer requests."""
        return [] if self._tasks is None else list(self._tasks.running)

    async def _begin(self) -> None:
        # Another parent may serve it, which must not be ended for that.
        self._client._check_not_started()
        state = self._client.state
        self._state = state, dict(vars(state))
        loop = asyncio.get_running_loop()
        offered = offer(self._client)
        names = {method.id: name for name, method in offered.methods.items()}
        variables = contextvars.copy_context()
        tasks = self._tasks = HandlerTasks(loop, names)
        tasks.watch(variables)
        try:
            # What has been attached is not closed here any more.
            theirs, ours = socket.socketpair()
            with theirs, ours:
                await self._client._serve_inside(theirs, variables)
                await attach(ours, self.module.link.make(offered, None))
        except BaseException:
            await self._end()
            raise
        self.module.link.adopt()
        self.module.set_state("ready")

    async def _end(self) -> list[str]:
        tasks = self._tasks
        assert tasks is not None
        try:
            await self.module.link.close(CLOSE_PATIENCE)
            if self._client.connected:
                # What is on its way comes before the end, which the worker finds by itself.
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_PATIENCE):
                        await self._client.wait_closed()
            await self._client.shutdown()
            for _turn in range(LAST_TURNS):
                await asyncio.sleep(0)
            left = tasks.running
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=CLOSE_PATIENCE)
        finally:
            tasks.close()
            self.module.set_state("closed")
            self._failures = self._client._lifespan.failures
            self._client._reopen(*self._state)
        return [f"tasks of handlers still run: {', '.join(sorted(left.values()))}"] if left else []
