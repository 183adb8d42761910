"""A client served inside the test's own process, for tests that look into its memory or its loop.

All is real but the two seams with the world: no control plane, and no listening socket; the test
makes the connections itself.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import procwire.session
import procwire.stdio
from procwire import Client
from procwire._core import WorkerConnection

Factory = Callable[[], WorkerConnection]


class _NoListener:
    address = "/nowhere"

    def close(self) -> None:
        """Nothing has been opened."""


class _NoControl:
    """Takes whatever the client says to its parent."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    async def open(self, _on_end: Any) -> None:
        """There is nobody to say that the worker is to end."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


@contextmanager
def without_a_parent() -> Iterator[list[Factory]]:
    """Clients that are started have nobody to talk to; what they would listen with is given."""
    factories: list[Factory] = []

    def listen(_loop: Any, factory: Any, _make_room: Any) -> _NoListener:
        factories.append(factory)
        return _NoListener()

    with (
        mock.patch.object(procwire.session, "listen", listen),
        mock.patch.object(procwire.session, "ControlChannel", _NoControl),
        mock.patch.object(procwire.stdio, "take"),
    ):
        yield factories


async def serve(client: Client, executor: concurrent.futures.Executor | None = None) -> Factory:
    """Start a client; returns what makes the protocol of an accepted connection.

    Args:
        client: Not started yet.
        executor: What runs plain functions instead of the client's threads.
    """
    with without_a_parent() as factories:
        if executor is None:
            await client.start()
        else:
            with mock.patch.object(concurrent.futures, "ThreadPoolExecutor", return_value=executor):
                await client.start()
    (factory,) = factories
    return factory


async def connect(factory: Factory, sock: Any) -> WorkerConnection:
    """Serve the peer at the other end of a connected socket."""
    loop = asyncio.get_running_loop()
    _, protocol = await loop.connect_accepted_socket(factory, sock)  # type: ignore[type-var]
    return protocol
