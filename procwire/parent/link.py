"""The connection that a module's calls go through, made anew with each start of its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from procwire import forks
from procwire._core import EventReceiver, ParentConnection, RemoteMethod
from procwire.parent import forked
from procwire.parent.listeners import Listeners
from procwire.parent.schema import Declarations, Init, MethodDeclaration

__all__ = ["Link"]


class _Protocol(ParentConnection, asyncio.BufferedProtocol):
    """A compiled class cannot have the Python base that event loops look for."""

    __slots__ = ()


class Link:
    """What connects a module with its worker, while there is one.

    Args:
        declared: What the module calls and listens to.
        listeners: Who is told of the data of each event, by its name.
        max_payload_size: The largest payload in bytes, in both directions.
        request_timeout: Seconds for which a result or an ack is waited for where neither the
            declaration nor the worker says anything else; 0 for ever.
        on_lost: Called when a connection has ended that nobody here has closed.

    Attributes:
        connection: What calls go through; ``None`` while the worker is not there.
        methods: The methods of the latest worker, ready to be called.
        ended: Why the latest connection has ended, once it has.
    """

    def __init__(
        self,
        declared: Declarations,
        listeners: Mapping[str, Listeners[Any]],
        *,
        max_payload_size: int,
        request_timeout: float,
        on_lost: Callable[[], None],
    ) -> None:
        self._declared = declared
        self._listeners = listeners
        self._max_payload_size = max_payload_size
        self._request_timeout = request_timeout
        self._on_lost = on_lost
        self._latest: ParentConnection | None = None
        self.connection: ParentConnection | None = None
        self.methods: dict[str, RemoteMethod] = {}
        self.ended: asyncio.Future[BaseException | None] | None = None

    def make(self, offered: Init, token: bytes | None) -> asyncio.BufferedProtocol:
        """The protocol for a worker that offers what is declared; :meth:`adopt` follows.

        Args:
            offered: What the worker has announced.
            token: What it wants to see first, if anything.
        """
        loop = asyncio.get_running_loop()
        self.methods = {
            name: RemoteMethod(
                name,
                offered.methods[name].id,
                method.response,
                method.request_codec,
                method.response_codec,
                method.cancellable,
                self._timeout_of(method, offered.methods[name].timeout),
            )
            for name, method in self._declared.methods.items()
        }
        events = {
            offered.events[name]: EventReceiver(codec, self._listeners[name].tell)
            for name, codec in self._declared.events.items()
        }
        connection = _Protocol(
            self,
            loop,
            list(self.methods.values()),
            events,
            token=token,
            max_payload_size=self._max_payload_size,
        )
        self._latest = connection
        forks.protect(self)
        self.ended = loop.create_future()
        return connection

    def adopt(self) -> None:
        """The protocol that was made last is connected: calls may go through it."""
        self.connection = self._latest

    def drop(self) -> None:
        """Close the connection now; calls that have no answer fail."""
        self.connection = None
        if self._latest is not None:
            self._latest.abort()

    async def close(self, seconds: float) -> None:
        """Close it when what has been sent is on its way, after so many seconds at most."""
        self.connection = None
        if self._latest is not None and self._latest.transport is not None:
            await self._latest.close(seconds)

    @property
    def unanswered(self) -> list[tuple[str, int]]:
        """The methods and ids of requests that have not had their end."""
        return [] if self.connection is None else self.connection.unanswered

    def lost(self, connection: ParentConnection, error: BaseException | None) -> None:
        """A connection has ended, and this is why."""
        if connection is self.connection:
            self.connection = None
            self._on_lost()
        if connection is self._latest and self.ended is not None:
            forks.release(self)
            self.ended.set_result(error)

    def cut_off_child(self) -> None:
        """In a child process that is being forked: no connection is the child's."""
        if self._latest is not None:
            forked.sever(self._latest.transport)

    def _timeout_of(self, method: MethodDeclaration, offered: float | None) -> float | None:
        if method.response == "none":
            return None
        # A worker must not be able to lengthen what its parent has chosen.
        for seconds in (method.timeout, offered, self._request_timeout):
            if seconds is not None:
                return seconds if seconds > 0 else None
        return None
