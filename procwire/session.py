"""A worker's life, from its start to the close that everything ends in.

A client is what has been registered; a session serves it once. It owns what a start makes: the
control plane, the socket on which the parent connects, the threads and processes that run
handlers, the connections, and the task that closes all of it.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from procwire import forks, startup, stdio
from procwire._core import (
    Method,
    ObservedWorkerConnection,
    WorkerConnection,
    watcher_begin_exit,
    watcher_set_liveness,
    watcher_set_names,
)
from procwire.attaching import attach
from procwire.control import ControlChannel
from procwire.errors import HandlerError
from procwire.executors import Runners
from procwire.failures import error_value, explain_start
from procwire.listener import Listener, listen
from procwire.replaced import Replaced
from procwire.strangers import Strangers
from procwire.wire import Observers, observers

if TYPE_CHECKING:
    from procwire.authentication import Token
    from procwire.client import Client
    from procwire.lifespan import Lifespan
    from procwire.options import Options

__all__ = ["EXIT_DEADLINE", "SHUTDOWN_GRACE", "Session", "WorkerProtocol"]

MakeMethods = Callable[[Runners], list[Method]]

START_FAILED = "E_START"
"""The ``code`` of the error that callers get whose worker was announced early and cannot start."""

SHUTDOWN_GRACE = 4.0
"""Seconds that handlers have for their clean-up; the parent kills after 5."""
SHUTDOWN_RESERVE = 1.0
"""Seconds of that which are kept for the lifespan and shutdown hooks, if there are any."""
EXIT_DEADLINE = SHUTDOWN_GRACE + 0.4
"""Seconds after which a process that is the worker's own ends, whatever keeps it: the last chance
to end with status 0."""

_logger = logging.getLogger("procwire")
_lifespan_logger = logging.getLogger("procwire.lifespan")


class WorkerProtocol(WorkerConnection, asyncio.BufferedProtocol):
    """A compiled class cannot have the Python base that event loops look for."""

    __slots__ = ()


class ObservedProtocol(ObservedWorkerConnection, asyncio.BufferedProtocol):
    """The same for a connection whose frames are watched."""

    __slots__ = ()


class Session:
    """One life of a client.

    Args:
        client: Whose handlers are served.
        options: What it was made with.
        lifespan: What runs before the first request and after the last one.
        token: What a connection must prove; ``None`` lets the first one in.

    Attributes:
        announced: The parent has been told where this worker listens.
        connection: The parent's, as long as it is there.
        counted: The same, and after its end: its counters go on to be asked for.
        methods: What the dispatcher has been given, from the start on.
    """

    def __init__(
        self, client: Client, options: Options, lifespan: Lifespan, token: Token | None
    ) -> None:
        self.announced = False
        self.connection: WorkerConnection | None = None
        self.counted: WorkerConnection | None = None
        self.methods: list[Method] = []
        self._client = client
        self._options = options
        self._lifespan = lifespan
        self._token = token
        # Start-up is over, whatever came of it: requests need not wait any more.
        self._serving = False
        self._closing: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self._control: ControlChannel | None = None
        self._listener: Listener | None = None
        self._loop: asyncio.AbstractEventLoop
        self._runners: Runners
        self._variables: contextvars.Context
        # Connections that have not proved the token yet.
        self._strangers: Strangers
        self._observers: Observers | None = None
        self._replaced = Replaced(SHUTDOWN_GRACE)

    # ---- start -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start up, listen, and tell the parent; with ``announce="early"`` in another order."""
        schema = self._prepare(contextvars.copy_context())
        control = self._control = ControlChannel(stdio.take())
        forks.protect(self)
        try:
            watcher_set_names(list(schema["methods"]))
            watcher_set_liveness(self._options.liveness == "process")
            if self._options.stall_report is not None:
                control.report_stalls(self._options.stall_report)
            await control.open(self.stop)
            await self._start_up()
            if self._closing is None:
                self._listener = listen(
                    self._loop, self._make_connection, self._strangers.drop_oldest
                )
        except BaseException:
            await self._undo_start()
            raise
        if self._listener is None:
            # The end came first: there is nothing to announce any more.
            control.close()
            return
        control.send_init(self._listener.address, schema)
        self.announced = True
        startup.announced()

    async def start_inside(self, sock: socket.socket, variables: contextvars.Context) -> None:
        """Serve a parent in this very process, over a socket that is connected already.

        For :mod:`procwire.testing`: the process is not this worker's, so there is no control
        plane, and nobody who has to be told from strangers.
        """
        self._token = None
        self._prepare(variables)
        try:
            await self._start_up()
            await attach(sock, self._make_connection())
        except BaseException:
            await self._undo_start()
            raise

    def _prepare(self, variables: contextvars.Context) -> dict[str, Any]:
        """What any start begins with; what the parent is to know."""
        loop = self._loop = asyncio.get_running_loop()
        self._variables = variables
        options = self._options
        self._runners = Runners(loop, variables, options.threads, options.processes)
        self._strangers = Strangers(loop)
        self.methods = self._client._make_methods(self._runners)
        schema = self._client._schema()
        self._observers = observers(schema)
        return schema

    def _make_connection(self) -> WorkerProtocol | ObservedProtocol:
        options = self._options
        make: Callable[..., WorkerProtocol | ObservedProtocol] = WorkerProtocol
        if self._observers is not None:
            make = functools.partial(ObservedProtocol, observer=self._observers)
        connection = make(
            self,
            self._loop,
            self._variables,
            [None, *self.methods],
            self._runners.threads,
            token=self._token,
            max_payload_size=options.max_payload_size,
            max_concurrency=options.max_concurrency if self._serving else 0,
            max_in_flight_bytes=options.max_in_flight_bytes,
            backpressure_timeout=options.backpressure_timeout,
            error_value=_error_value(options),
            error_codec=self._client._msgpack,
        )
        self._strangers.admit(connection)
        if self._closing is not None:
            connection.abort()
        return connection

    async def _undo_start(self) -> None:
        """Take down what a start has made that has failed."""
        await self._lifespan.end(SHUTDOWN_GRACE)
        for connection in self._connections():
            connection.abort()
        self._let_go()

    async def _start_up(self) -> None:
        """Begin with it, and wait until it is done, unless the parent is told before."""
        if self._closing is not None:
            return
        started = self._lifespan.begin(self._client, self._variables, self._runners.hooks)
        if self._options.announce == "early":
            started.add_done_callback(self._started_up)
            return
        # Not the future itself, which a caller that is cancelled would cancel.
        await asyncio.wait([started])
        failure = started.result()
        if failure is not None and self._closing is None:
            raise failure
        self._serving = True

    def _started_up(self, started: asyncio.Future[BaseException | None]) -> None:
        """After an early announcement: the requests that wait are begun, or refused."""
        if self._closing is not None:
            return
        failure = started.result()
        if failure is not None:
            _lifespan_logger.error("the worker cannot start", exc_info=failure)
            text = f"the worker cannot start: {explain_start(failure)}"
            name = type(failure).__name__

            def refuse(_data: object) -> None:
                raise HandlerError(text, code=START_FAILED, name=name)

            for method in self.methods:
                method.refuse(refuse)
        self._serving = True
        for connection in self._connections():
            connection.set_max_concurrency(self._options.max_concurrency)

    # ---- another client --------------------------------------------------------------------

    @property
    def replaceable(self) -> bool:
        """Whether start-up is over, and the end has not begun."""
        return self._serving and self.announced and self._closing is None

    async def replace(
        self, client: Client, options: Options, lifespan: Lifespan, make_methods: MakeMethods
    ) -> None:
        """Serve another client's handlers from now on, on the same connection.

        Its start-up comes first. Requests that are here already end where they have begun; then
        what the former client has made is taken down. Limits that a connection has from its
        beginning stay.

        Args:
            client: The client; what it offers must be what the parent knows.
            options: What it was made with.
            lifespan: What runs before its first request and after its last one.
            make_methods: Makes its methods, numbered as those of the former client.

        Raises:
            BaseException: what its start-up has raised; all is as before then.
        """
        variables = contextvars.copy_context()
        runners = Runners(self._loop, variables, options.threads, options.processes)
        try:
            methods = make_methods(runners)
            started = lifespan.begin(client, variables, runners.hooks)
            await asyncio.wait([started])
            failure = started.result()
            if failure is not None:
                raise failure
            if self._closing is not None:
                raise asyncio.CancelledError
        except BaseException:
            await lifespan.end(SHUTDOWN_GRACE)
            runners.close()
            raise
        connection = self.connection
        idle = None
        if connection is not None:
            idle = functools.partial(connection.wait_replaced, self.methods)
        self._replaced.add(self._lifespan, self._runners, idle)
        self._client, self._options, self._lifespan = client, options, lifespan
        self._runners, self._variables, self.methods = runners, variables, methods
        for connection in self._connections():
            connection.replace(
                variables,
                [None, *methods],
                runners.threads,
                max_concurrency=options.max_concurrency,
                max_in_flight_bytes=options.max_in_flight_bytes,
                error_value=_error_value(options),
                error_codec=client._msgpack,
            )
        watcher_set_liveness(options.liveness == "process")

    # ---- what the connections report -------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the parent is there."""
        return self.connection is not None

    def adopted(self, connection: WorkerConnection) -> None:
        """The parent is there: nobody else is let in."""
        self._strangers.discard(connection)
        self.connection = self.counted = connection
        if self._listener is not None:
            self._listener.close()
        self._strangers.abort_all()

    def lost(self, connection: WorkerConnection, error: BaseException | None) -> None:
        """A connection has ended; the parent's ends this worker."""
        if connection is not self.connection:
            self._strangers.discard(connection)
            return
        self.connection = None
        if error is not None:
            _logger.info("the connection to the parent was lost: %s", error)
        self._begin_close(connection)

    def _connections(self) -> list[WorkerConnection]:
        parents = [] if self.connection is None else [self.connection]
        return [*parents, *self._strangers]

    # ---- the end ---------------------------------------------------------------------------

    def stop(self) -> None:
        """Begin the end; may be called more than once."""
        self._begin_close(self.connection)

    async def wait_closed(self) -> None:
        """Wait until all is closed, for whatever reason."""
        await self._closed.wait()

    async def shutdown(self) -> None:
        """Begin the end, and wait for it; a session that has ended is left as it is."""
        if not self._closed.is_set():
            self.stop()
            await self._closed.wait()

    @property
    def running(self) -> int:
        """How many threads have not come back from their handlers."""
        return self._runners.running + self._replaced.running

    @property
    def failed(self) -> bool:
        """Whether start-up or shutdown has failed."""
        return self._lifespan.failed or self._replaced.failed

    def _begin_close(self, connection: WorkerConnection | None) -> None:
        watcher_begin_exit()
        if self._closing is None:
            self._closing = self._loop.create_task(
                self._close(connection), name="procwire-shutdown"
            )

    async def _close(self, connection: WorkerConnection | None) -> None:
        """The one way out."""
        deadline = self._loop.time() + SHUTDOWN_GRACE
        if self._listener is not None:
            self._listener.close()
        self._strangers.abort_all()
        try:
            # One that has just been accepted gets its transport in a turn of the loop to come.
            for turn in range(10):
                if turn < 3 or len(self._strangers):
                    await asyncio.sleep(0)
            connection = connection or self.connection
            if connection is not None:
                connection.cancel_handlers()
                reserve = SHUTDOWN_RESERVE if self._lifespan.takes_down else 0.0
                await connection.wait_idle(deadline - reserve - self._loop.time())
            await self._replaced.end(deadline)
            # Before the connection is closed: a parent kills whose connection it has lost.
            await self._lifespan.end(deadline - self._loop.time())
            if connection is not None:
                await connection.close(max(0.0, deadline - self._loop.time()))
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._runners.close()
        self._replaced.close()
        if self._observers is not None:
            self._observers.close()
        if self._control is not None:
            self._control.close()
        forks.release(self)
        self._closed.set()

    def cut_off_child(self) -> None:
        """In a child process that a handler has forked: no connection is the child's."""
        for connection in self._connections():
            if connection.transport is not None:
                stdio.sever(connection.transport.get_extra_info("socket").fileno())
        # Events are refused, where a thread would wait for a loop that never turns.
        self.connection = None


def _error_value(options: Options) -> Callable[[object], str | dict[str, Any]]:
    """What callers are told of an exception."""
    return functools.partial(
        error_value, with_name=options.error_details, with_traceback=options.debug
    )
