"""How a test calls a worker, wherever that runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from procwire.errors import UnknownEventError
from procwire.parent import Module

__all__ = ["REQUEST_TIMEOUT", "Caller", "LeftBehindError"]

REQUEST_TIMEOUT = 10.0
"""Seconds after which a test is told that a handler does not answer."""
LEAVING_TURNS = 3
"""Turns of the loop that a stream has to be closed in, when its consumer has left."""


class LeftBehindError(AssertionError):
    """A test is over, and a request has no answer yet, a handler's task still runs, or the worker's
    shutdown has failed.

    Attributes:
        failures: How the shutdown has failed, an exception for each hook; the first one is the
            ``__cause__``.
    """

    def __init__(self, message: str, failures: Sequence[BaseException] = ()) -> None:
        super().__init__(message)
        self.failures = list(failures)
        self.__cause__ = next(iter(failures), None)


class Caller:
    """Calls a worker, and tells at the end what has been left behind.

    Args:
        module: What the calls go through.

    Attributes:
        module: The same.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        # How the worker's shutdown has failed.
        self._failures: list[BaseException] = []
        self._events: dict[str, asyncio.Queue[Any]] = {}
        for name in module.declared.events:
            events = self._events[name] = asyncio.Queue()
            module.on_event(name, events.put_nowait)

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
            UnknownEventError: the worker's client does not register the event.
        """
        if name not in self._events:
            raise UnknownEventError(f"the client registers no event {name!r}")
        return await self._events[name].get()

    async def _begin(self) -> None:
        raise NotImplementedError

    async def _end(self) -> list[str]:
        """End the worker; returns what has been left behind, in words."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            # The loop closes the generators that have been left, and takes two turns for it.
            for _turn in range(LEAVING_TURNS):
                await asyncio.sleep(0)
        finally:
            unanswered = self.module.link.unanswered
            left = await self._end()
        if unanswered:
            requests = ", ".join(f"{method!r} (request {number})" for method, number in unanswered)
            left.insert(0, f"requests have not been answered: {requests}")
        if self._failures:
            reasons = ", ".join(f"{type(one).__name__}: {one}" for one in self._failures)
            left.append(f"the shutdown has failed: {reasons}")
        if left and error is None:
            raise LeftBehindError("; ".join(left), self._failures)
