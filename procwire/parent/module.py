"""A module: what is declared about a worker, and the way to call it once it is there."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from procwire._core import (
    DEFAULT_MAX_PAYLOAD_SIZE,
    MAX_PAYLOAD_SIZE,
    ParentConnection,
    RemoteMethod,
)
from procwire.codecs import Codec, resolve
from procwire.counts import check_count
from procwire.errors import NotConnectedError, UnknownEventError, UnknownMethodError
from procwire.handlers import ResponseKind
from procwire.parent.link import Link
from procwire.parent.listeners import Listeners
from procwire.parent.policy import SpawnPolicy
from procwire.parent.schema import KINDS, Declarations, MethodDeclaration
from procwire.parent.states import State

__all__ = ["Command", "Module"]

DEFAULT_REQUEST_TIMEOUT = 30.0
"""Seconds for which a result or an ack is waited for when nobody has said anything else."""

EventHandler = Callable[[Any], object]
StateHandler = Callable[[State], object]


@dataclass(frozen=True)
class Command:
    """How a worker's process is started."""

    words: tuple[str, ...]
    cwd: str | None
    env: Mapping[str, str | None]


class Module:
    """A worker, and the way to call it.

    Declare what is called, give it to a :class:`ModuleManager`, then call::

        worker = (
            Module("worker")
            .executable(sys.executable, ["worker.py"])
            .method("add")
            .method("count", response="stream")
        )

        async with ModuleManager(worker):
            print(await worker.send("add", {"a": 1, "b": 2}))
            async for number in worker.stream("count", 3):
                print(number)

    A task that is cancelled while it waits for an answer takes its request back: the worker gets
    an abort, unless the method is declared with ``cancellable=False``. So :func:`asyncio.timeout`
    bounds a call.

    Args:
        name: What the worker is called, in errors and by itself.
        default_codec: The codec of methods and events that name none: an object or a name.
        max_payload_size: The largest payload in bytes, in both directions. A worker that
            declares more loses the connection.
        request_timeout: Seconds for which a result or an ack is waited for; 0 for ever. A
            method's own ``timeout`` comes first, then the one that its worker announces.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        name: str,
        *,
        default_codec: Codec | str = "msgpack",
        max_payload_size: int = DEFAULT_MAX_PAYLOAD_SIZE,
        request_timeout: float = DEFAULT_REQUEST_TIMEOUT,
    ) -> None:
        check_count("max_payload_size", max_payload_size, most=MAX_PAYLOAD_SIZE)
        self.name = name
        self.command: Command | None = None
        self.policy = SpawnPolicy()
        self._default_codec = resolve(default_codec)
        self.declared = Declarations({}, {})
        self._state: State = "created"
        self._state_listeners: Listeners[State] = Listeners(f"{name!r}'s state")
        self._event_listeners: dict[str, Listeners[Any]] = {}
        self.link = Link(
            self.declared,
            self._event_listeners,
            max_payload_size=max_payload_size,
            request_timeout=_checked_timeout(request_timeout),
            # Whoever has its worker takes a moment to find out what has become of it.
            on_lost=lambda: self.set_state("disconnected"),
        )

    def __repr__(self) -> str:
        return f"<procwire.parent.Module {self.name!r} {self._state}>"

    # ---- what is declared ------------------------------------------------------------------

    def executable(
        self,
        command: str,
        arguments: Sequence[str] = (),
        *,
        cwd: str | None = None,
        env: Mapping[str, str | None] | None = None,
    ) -> Self:
        """How the worker is started; returns the module.

        Args:
            command: The program.
            arguments: Its arguments.
            cwd: The directory that it is started in; this process's own when ``None``.
            env: Variables that it has besides this process's own; it has none where the value
                is ``None``.

        Raises:
            TypeError: the arguments are a string and not several, or one of them or of the
                variables is none.
            ValueError: an argument has a null byte, which no system takes.
        """
        if isinstance(arguments, str | bytes):
            raise TypeError(f"arguments are a list of strings, got {arguments!r}")
        for key, value in (env or {}).items():
            if value is not None and not isinstance(value, str):
                raise TypeError(f"the variable {key!r} is a string or None, got {value!r}")
        words = tuple(map(os.fspath, (command, *arguments)))
        if any("\0" in word for word in words):
            # uvloop would start the program with what is before it.
            raise ValueError(f"an argument has a null byte: {words}")
        self.command = Command(words, cwd, dict(env or {}))
        return self

    def method(
        self,
        name: str,
        *,
        response: ResponseKind = "result",
        codec: Codec | str | None = None,
        request_codec: Codec | str | None = None,
        response_codec: Codec | str | None = None,
        timeout: float | None = None,
        cancellable: bool = True,
    ) -> Self:
        """Declare a method of the worker; returns the module.

        Args:
            name: Its name; the worker must have it.
            response: How it answers; the worker must say the same.
            codec: That of requests and answers; they can have different ones.
            request_codec: That of requests.
            response_codec: That of answers.
            timeout: Seconds for which a result or an ack is waited for; 0 for ever. That of the
                worker, or the module's, when ``None``. Streams have none.
            cancellable: Whether the worker is told when nobody waits for the answer any more. It
                goes on in vain otherwise, as a method must that should not be left half done.

        Raises:
            ValueError: it is declared already, or an argument is out of its range.
        """
        if name in self.declared.methods:
            raise ValueError(f"the method {name!r} is declared already")
        if response not in KINDS:
            raise ValueError(f"a response is one of {', '.join(KINDS)}, got {response!r}")
        if codec is not None and (request_codec is not None or response_codec is not None):
            raise ValueError("give either codec, or request_codec and response_codec")
        if timeout is not None and response in ("stream", "none"):
            raise ValueError(
                f"timeout is for results and acks, and {name!r} is a {response!r} method"
            )
        both = self._default_codec if codec is None else resolve(codec)
        self.declared.methods[name] = MethodDeclaration(
            response,
            both if request_codec is None else resolve(request_codec),
            both if response_codec is None else resolve(response_codec),
            None if timeout is None else _checked_timeout(timeout),
            cancellable,
        )
        return self

    def event(self, name: str, *, codec: Codec | str | None = None) -> Self:
        """Declare an event of the worker; returns the module.

        Raises:
            ValueError: it is declared already, or there is no such codec.
        """
        if name in self.declared.events:
            raise ValueError(f"the event {name!r} is declared already")
        self.declared.events[name] = self._default_codec if codec is None else resolve(codec)
        self._event_listeners[name] = Listeners(f"the event {name!r}")
        return self

    def spawn_policy(self, policy: SpawnPolicy) -> Self:
        """How the worker is started, watched and started again; returns the module."""
        self.policy = policy
        return self

    # ---- calls -----------------------------------------------------------------------------

    async def send(self, method: str, data: Any = None) -> Any:
        """Call a method; returns its result, what its ack says, or ``None`` where none comes.

        Waits while the worker takes nothing. ``data`` may be changed when this has returned.

        Raises:
            UnknownMethodError: the method is not declared.
            TypeError: it answers with a stream.
            NotConnectedError: the worker is not there, or was lost before it had answered.
            CodecError: the data or the answer does not fit the codec.
            RemoteError: the worker has answered with an error.
            RequestTimeoutError: it has not answered in time; it is told so.
        """
        remote, connection = self._find(method)
        if remote.streams:
            raise TypeError(f"{method!r} answers with a stream: use stream()")
        if connection.writer.paused:
            return await self._send_when_writable(connection, remote, data)
        call = connection.call(remote, data)
        if call is None:
            return None
        try:
            return await call.future
        except asyncio.CancelledError:
            call.cancel()
            raise

    async def _send_when_writable(
        self, connection: ParentConnection, remote: RemoteMethod, data: Any
    ) -> Any:
        """The time limit is the caller's: it counts from here, not from when there is room."""
        limit = asyncio.timeout(remote.timeout)
        try:
            async with limit:
                await connection.wait_writable()
                return await self.send(remote.name, data)
        except TimeoutError:
            if limit.expired():
                raise remote.late() from None
            raise

    def stream(self, method: str, data: Any = None) -> AsyncGenerator[Any, None]:
        """Call a ``stream`` method; returns an async iterator over its chunks.

        The request is sent when the first chunk is asked for. Whoever leaves the loop early takes
        it back; :func:`contextlib.aclosing` does so at once, and not a turn of the loop later.
        A worker waits while nobody takes its chunks.

        Raises:
            UnknownMethodError: the method is not declared.
            TypeError: it does not answer with a stream.
            NotConnectedError: the worker is not there, or was lost before the stream's end.
            CodecError: the data or a chunk does not fit the codec.
            RemoteError: the worker has ended the stream with an error.
        """
        remote, _ = self._find(method)
        if not remote.streams:
            raise TypeError(f"{method!r} does not answer with a stream: use send()")
        return self._iterate(method, data)

    async def _iterate(self, method: str, data: Any) -> AsyncGenerator[Any, None]:
        remote, connection = self._find(method)
        if connection.writer.paused:
            await connection.wait_writable()
        call = connection.stream(remote, data)
        try:
            while True:
                while call.chunks:
                    yield call.take()
                if call.finished:
                    break
                await call.wait()
            if call.error is not None:
                raise call.error
        finally:
            call.close()

    def _find(self, method: str) -> tuple[RemoteMethod, ParentConnection]:
        link = self.link
        connection = link.connection
        if connection is not None and (remote := link.methods.get(method)) is not None:
            return remote, connection
        if method not in self.declared.methods:
            raise UnknownMethodError(f"the module {self.name!r} declares no method {method!r}")
        if connection is not None:
            raise UnknownMethodError(
                f"{method!r} was declared when the worker of {self.name!r} had been started"
            )
        raise NotConnectedError(f"the module {self.name!r} is not ready, it is {self._state}")

    @property
    def unanswered(self) -> list[str]:
        """The methods of calls that have not had their end, each as often as there are."""
        return [method for method, _ in self.link.unanswered]

    # ---- events ----------------------------------------------------------------------------

    def on_event(self, name: str, handler: EventHandler) -> Callable[[], None]:
        """Have a function called with the data of each such event, in the order of arrival.

        An ``async def`` runs in a task of its own. What a handler raises is logged. It has the
        context variables of whoever has started the worker.

        Returns:
            A function that ends it.

        Raises:
            UnknownEventError: the event is not declared.
        """
        if name not in self._event_listeners:
            raise UnknownEventError(f"the module {self.name!r} declares no event {name!r}")
        return self._event_listeners[name].add(handler)

    # ---- its state -------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where it is in its life; calls succeed while it is ``ready``."""
        return self._state

    def on_state(self, handler: StateHandler) -> Callable[[], None]:
        """Have a function called with each new state; returns a function that ends it."""
        return self._state_listeners.add(handler)

    def traffic(self) -> tuple[int, int]:
        """Bytes sent to the worker and received from it since it was connected.

        Raises:
            NotConnectedError: the worker is not there.
        """
        connection = self.link.connection
        if connection is None:
            raise NotConnectedError(f"the module {self.name!r} is not ready, it is {self._state}")
        received, sent, _held, _paused = connection.traffic()
        return sent, received

    def set_state(self, state: State) -> None:
        """For whoever has its worker: it has come to this."""
        if state != self._state:
            self._state = state
            self._state_listeners.tell(state)


def _checked_timeout(seconds: float) -> float:
    if not 0 <= seconds < math.inf:
        raise ValueError(f"a timeout is a number of seconds, 0 at least, got {seconds}")
    return seconds
