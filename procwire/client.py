"""The client: a worker's life from start-up to the parent's good-bye."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import importlib
import json
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal, Self, TypeVar

from procwire import forks, logs, startup, stdio
from procwire._core import (
    DEFAULT_MAX_PAYLOAD_SIZE,
    MAX_PAYLOAD_SIZE,
    Method,
    WorkerConnection,
    watcher_begin_exit,
    watcher_exit_on_signal,
    watcher_set_liveness,
    watcher_set_names,
)
from procwire.authentication import Token, take_token
from procwire.codecs import Codec
from procwire.control import ControlChannel, own_process
from procwire.emitting import emit_from_thread
from procwire.errors import (
    AlreadyStartedError,
    HandlerError,
    NotConnectedError,
    UnknownEventError,
)
from procwire.executors import Runners, check_not_in_pool, default_max_processes
from procwire.failures import error_value, explain_start
from procwire.lifespan import Hook, Lifespan, LifespanFunction
from procwire.listener import UnixListener, listen
from procwire.middleware import Middleware, check_middleware
from procwire.registrations import Registrations
from procwire.stats import Stats, collect
from procwire.strangers import Strangers
from procwire.threads import Threads, default_max_threads

__all__ = ["Client"]

LoopName = Literal["auto", "asyncio", "uvloop"]
Liveness = Literal["loop", "process"]
Announce = Literal["ready", "early"]
AnyHook = TypeVar("AnyHook", bound=Hook)
AnyMiddleware = TypeVar("AnyMiddleware", bound=Middleware)

_logger = logging.getLogger("procwire")
_lifespan_logger = logging.getLogger("procwire.lifespan")

START_FAILED = "E_START"
"""The ``code`` of the error that callers get whose worker was announced early and cannot start."""

SHUTDOWN_GRACE = 4.0
"""Seconds that handlers have for their clean-up; the parent kills after 5."""
SHUTDOWN_RESERVE = 1.0
"""Seconds of that which are kept for the lifespan and shutdown hooks, if there are any."""
EXIT_DEADLINE = SHUTDOWN_GRACE + 0.4
"""Seconds after which the process ends, whatever keeps it: the last chance to end with status 0."""
MIN_STALL_REPORT = 0.1
"""Seconds; a loop that is asked whether it turns more often does little else."""
DEFAULT_MAX_CONCURRENCY = 1024
DEFAULT_MAX_IN_FLIGHT_BYTES = 12 * 1024 * 1024


class _Protocol(WorkerConnection, asyncio.BufferedProtocol):
    """A compiled class cannot have the Python base that event loops look for."""

    __slots__ = ()


class Client(Registrations):
    """A worker that a Procwire parent calls.

    Register handlers, then :meth:`run`::

        client = Client()

        @client.handle("echo")
        async def echo(data):
            return data

        if __name__ == "__main__":
            client.run()

    Args:
        default_codec: The codec of methods and events that name none: an object or a name.
        max_payload_size: The largest payload in bytes, in both directions. A parent that
            declares more loses the connection; an answer with more is an error to the caller.
        max_concurrency: How many handlers may be under way. At the limit no more requests are
            read until one ends; none is ever dropped.
        max_in_flight_bytes: How many bytes the payloads of the requests may have whose handlers
            are under way, together with the answers that the parent has not taken. At the limit
            it is as with ``max_concurrency``; a single request is let through whatever its size.
        max_threads: How many threads run plain functions; as many as
            :class:`concurrent.futures.ThreadPoolExecutor` thinks right when ``None``.
        max_processes: How many processes there may be for handlers with ``executor="process"``;
            as many as processors when ``None``. One is started when none is idle, and stays.
        backpressure_timeout: Seconds for which the parent may take nothing of what a handler
            sends. A handler that waits for it then gets a :class:`BackpressureTimeoutError`
            where it waits; one that yields its chunks is closed. A parent that reads, however
            slowly, is never given up. ``None`` waits for ever.
        auth_token: What the parent must prove to know, 32 KiB at most. The parent's own, from
            ``PROCWIRE_TOKEN``, when ``None``.
        liveness: Whose life a parent's heartbeat tests. With ``"loop"`` a ping is answered when
            the event loop turns, so that a parent kills a worker whose loop is stuck. With
            ``"process"`` a native thread answers at once, even while C code keeps Python's lock
            for minutes: for workers that compute on the loop or import for long.
        stall_report: Seconds, 0.1 at least, after which an event loop that stands still is
            reported on standard error, once: for how long, the methods and request ids that are
            running and in flight, and the stacks of all threads. The report comes a quarter
            later at most, so half of the parent's heartbeat timeout leaves it time. ``None``
            reports nothing: stacks are read while other threads run, as :mod:`faulthandler`
            does it, and an idle loop is woken four times in that time.
        lifespan: A function that takes this client and returns an async context manager, made by
            :func:`contextlib.asynccontextmanager` as a rule. It is entered before the first
            request and left when all handlers have ended. A mapping that it yields becomes
            attributes of :attr:`state`.
        announce: When the parent hears of this worker. With ``"ready"`` after start-up, which
            must not take longer than the parent's ``initTimeout``. With ``"early"`` at once:
            requests wait until start-up is done; if it fails, each of them is answered with that
            error, for as long as the parent stays.
        error_details: Whether the parent is told the class name of an exception that is no
            :class:`HandlerError`, as ``err.data.name``.
        debug: Whether it is told the traceback as well, as ``err.data.traceback``. Paths and
            source lines of this machine are in it.
        nil_as_missing: Whether nil stands for a field's default where the field's type has no
            ``None``. JavaScript sends nil for ``{limit: undefined}``.

    Attributes:
        state: What start-up has loaded: a namespace for attributes of your own.

    Raises:
        TypeError: ``lifespan`` is no function that returns a context manager.
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        *,
        default_codec: Codec | str = "msgpack",
        max_payload_size: int = DEFAULT_MAX_PAYLOAD_SIZE,
        max_concurrency: int = DEFAULT_MAX_CONCURRENCY,
        max_in_flight_bytes: int = DEFAULT_MAX_IN_FLIGHT_BYTES,
        max_threads: int | None = None,
        max_processes: int | None = None,
        backpressure_timeout: float | None = None,
        auth_token: str | None = None,
        liveness: Liveness = "loop",
        stall_report: float | None = None,
        lifespan: LifespanFunction | None = None,
        announce: Announce = "ready",
        error_details: bool = False,
        debug: bool = False,
        nil_as_missing: bool = False,
    ) -> None:
        # Handlers, child processes and tracebacks have no business with it.
        self._token = take_token(auth_token)
        del auth_token
        if not 1 <= max_payload_size <= MAX_PAYLOAD_SIZE:
            raise ValueError(
                f"max_payload_size is from 1 to {MAX_PAYLOAD_SIZE} bytes, got {max_payload_size}"
            )
        if max_concurrency < 1:
            raise ValueError(f"max_concurrency is 1 at least, got {max_concurrency}")
        if max_in_flight_bytes < 1:
            raise ValueError(f"max_in_flight_bytes is 1 at least, got {max_in_flight_bytes}")
        for name, count in (("max_threads", max_threads), ("max_processes", max_processes)):
            if count is not None and count < 1:
                raise ValueError(f"{name} is 1 at least, got {count}")
        if backpressure_timeout is not None and not 0 < backpressure_timeout < math.inf:
            raise ValueError(
                f"backpressure_timeout is a number of seconds above 0, got {backpressure_timeout}"
            )
        if liveness not in ("loop", "process"):
            raise ValueError(f"liveness is 'loop' or 'process', got {liveness!r}")
        if stall_report is not None and not MIN_STALL_REPORT <= stall_report < math.inf:
            raise ValueError(f"stall_report is {MIN_STALL_REPORT} s at least, got {stall_report}")
        if announce not in ("ready", "early"):
            raise ValueError(f"announce is 'ready' or 'early', got {announce!r}")
        super().__init__(default_codec, nil_as_missing=nil_as_missing)
        self.state = SimpleNamespace()
        self._lifespan = Lifespan(lifespan)
        self._announce = announce
        self._error_value = functools.partial(
            error_value, with_name=error_details, with_traceback=debug
        )
        self._event_ids: dict[str, int] = {}
        self._max_payload_size = max_payload_size
        self._max_concurrency = max_concurrency
        self._max_in_flight_bytes = max_in_flight_bytes
        self._max_threads = max_threads or default_max_threads()
        self._max_processes = max_processes or default_max_processes()
        self._backpressure_timeout = backpressure_timeout
        self._liveness = liveness
        self._stall_report = stall_report
        # Set by run(): the process is this worker's.
        self._owns_process = False
        # What run() has taken, and what was set for it before.
        self._signals: dict[signal.Signals, Any] = {}

        # What the dispatcher has been given, and where its counters are.
        self._served: list[Method] = []
        self._counted: WorkerConnection | None = None

        self._announced = False
        # Start-up is over, whatever came of it: requests need not wait any more.
        self._serving = False
        self._closing: asyncio.Task[None] | None = None
        self._closed: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._control: ControlChannel | None = None
        self._listener: UnixListener | None = None
        self._runners: Runners | None = None
        # Connections that have not proved the token yet, and the parent's.
        self._strangers: Strangers | None = None
        self._connection: WorkerConnection | None = None

    def __repr__(self) -> str:
        return f"<procwire.Client methods={list(self._methods)} events={list(self._events)}>"

    # ---- what runs around the handlers -----------------------------------------------------

    def on_startup(self, hook: AnyHook) -> AnyHook:
        """Have a function without parameters run before the first request; a decorator.

        An ``async def`` runs on the event loop, a ``def`` in a thread that no handler uses. Hooks
        run one after the other, as registered, when the ``lifespan`` has been entered. Context
        variables that they set are seen by every handler.

        Raises:
            AlreadyStartedError: the client has been started.
            TypeError: it cannot be called without arguments.
        """
        self._check_open("a start-up hook")
        self._lifespan.on_startup(hook)
        return hook

    def on_shutdown(self, hook: AnyHook) -> AnyHook:
        """Have a function without parameters run when all handlers have ended; a decorator.

        The last registered runs first, the ``lifespan`` is left after them. They have what is
        left of the 4 seconds of the end, 1 second at least. One that fails is logged, does not
        keep the others from running, and makes :meth:`run` end with status 1. None runs when
        start-up has failed.

        Raises:
            AlreadyStartedError: the client has been started.
            TypeError: it cannot be called without arguments.
        """
        self._check_open("a shutdown hook")
        self._lifespan.on_shutdown(hook)
        return hook

    def middleware(self, function: AnyMiddleware) -> AnyMiddleware:
        """Have an ``async def`` wrapped around every handler; a decorator.

        It is called with the decoded data, the request's :class:`Context` and ``call_next``,
        which takes the data to go on with and returns what the handler answers with; for a stream
        that is ``None``, when the stream has ended::

            @client.middleware
            async def timed(data, ctx, call_next):
                began = time.perf_counter()
                try:
                    return await call_next(data)
                finally:
                    print(ctx.method, time.perf_counter() - began)

        The first registered is the outermost. What it returns is the answer, what it raises is
        the error. It runs in the handler's own task: context variables that it sets are seen by
        the handler, also by one in a thread. Every handler is in a task then, those with
        ``sync_to_thread=False`` included. Without any, handlers are called directly.

        Raises:
            AlreadyStartedError: the client has been started.
            TypeError: it is no ``async def``.
        """
        self._check_open("a middleware")
        check_middleware(function)
        self._middlewares.append(function)
        return function

    def stats(self) -> Stats:
        """What has been done since the start: requests, bytes, time spent waiting.

        The counters are always kept; asking costs microseconds. May be called from any thread.
        """
        return collect(list(self._methods), self._served, self._counted)

    # ---- life ------------------------------------------------------------------------------

    def run(self, *, loop: LoopName | Callable[[], asyncio.AbstractEventLoop] = "asyncio") -> None:
        """Serve the parent until it says good-bye; returns when all is cleaned up.

        ``$shutdown``, the end of standard input, the loss of the data connection, ``SIGTERM``,
        ``SIGINT`` and ``SIGHUP`` all end it in the same way: handlers are cancelled and have
        4 seconds to clean up. 4.4 seconds after that began the process ends with status 0,
        whatever still keeps it: a handler that blocks, C code that keeps Python's lock, a thread
        that is no daemon, an exit handler, or what the program does after this function has
        returned. A signal that is ignored when this is called stays ignored.

        Args:
            loop: ``"asyncio"``, ``"uvloop"`` (needs the extra of that name), ``"auto"`` for
                uvloop where it is installed, or a function that makes an event loop.

        Raises:
            SystemExit: with status 1 when the worker cannot start, which the parent is told, or
                when its shutdown hooks have failed; with status 2 when a person has started it
                in a terminal.
            RuntimeError: a pool process of this worker has come here, by importing the script.
        """
        check_not_in_pool()
        logs.speak_up()
        if _started_by_hand():
            print(self._hint(), file=sys.stderr)
            raise SystemExit(2)
        self._owns_process = True
        # Before the runner has its own for SIGINT.
        previous = {number: signal.getsignal(number) for number in forks.END_SIGNALS}
        try:
            own_process(stdio.take(), EXIT_DEADLINE)
            factory = _loop_factory(loop)
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(self._serve(previous))
        except BaseException as error:
            if self._announced:
                raise
            _logger.exception("the worker cannot start")
            startup.report_failure(error)
            raise SystemExit(1) from None
        if self._runners is not None and self._runners.running:
            # The interpreter would wait for threads that nobody can stop.
            _logger.warning("%d handlers did not end in time", self._runners.running)
            logging.shutdown()
            os._exit(int(self._lifespan.failed))
        if self._lifespan.failed:
            raise SystemExit(1)

    async def _serve(self, previous: dict[signal.Signals, Any]) -> None:
        loop = asyncio.get_running_loop()
        for number, handler in previous.items():
            if handler is signal.SIG_IGN:
                # Somebody has said so, nohup for instance.
                continue
            try:
                loop.add_signal_handler(number, self._stop)
            except (NotImplementedError, RuntimeError, ValueError):
                # Not every platform's loop has it, and only the main thread may.
                continue
            watcher_exit_on_signal(number)
            self._signals[number] = signal.SIG_DFL if handler is None else handler
        await self.start()
        await self.wait_closed()

    async def start(self) -> None:
        """Start up, listen, and tell the parent; with ``announce="early"`` in another order.

        For those who own the event loop: :meth:`wait_closed` waits for the end.

        Raises:
            AlreadyStartedError: this client has been started before.
            ValueError: no method has been registered.
            TypeError: a handler for another process cannot be found by one.
            OSError: there is no place for the socket.
            BaseException: what the ``lifespan`` or a start-up hook has raised, unless
                ``announce`` is ``"early"``: then the callers are told.
        """
        loop = asyncio.get_running_loop()
        variables = contextvars.copy_context()
        runners, make_connection = self._prepare(loop, variables, self._token)
        schema = self._schema()
        control = self._control = ControlChannel(stdio.take())
        forks.protect(self)
        try:
            watcher_set_names(self._methods)
            watcher_set_liveness(self._liveness == "process")
            if self._stall_report is not None:
                control.report_stalls(self._stall_report)
            await control.open(self._stop)
            await self._start_up(variables, runners.hooks)
            if self._closing is None:
                assert self._strangers is not None
                self._listener = listen(loop, make_connection, self._strangers.drop_oldest)
        except BaseException:
            await self._undo_start()
            raise
        if self._listener is None:
            # The end came first: there is nothing to announce any more.
            control.close()
            return
        control.send_init(self._listener.address, schema)
        self._announced = True
        startup.announced()

    def _prepare(
        self,
        loop: asyncio.AbstractEventLoop,
        variables: contextvars.Context,
        token: Token | None,
    ) -> tuple[Runners, Callable[[], _Protocol]]:
        """What any start begins with; returns where handlers run, and what a connection gets."""
        if self._started:
            raise AlreadyStartedError("a client can be started once")
        if not self._methods:
            raise ValueError("no method has been registered")
        self._check_sendable()
        self._started = True
        self._loop = loop
        self._closed = asyncio.Event()
        runners = self._runners = Runners(loop, variables, self._max_threads, self._max_processes)
        methods = self._served = self._make_methods(runners)
        strangers = self._strangers = Strangers(loop)
        self._event_ids = {name: number for number, name in enumerate(self._events, 1)}

        def make_connection() -> _Protocol:
            connection = _Protocol(
                self,
                loop,
                variables,
                [None, *methods],
                runners.threads,
                token=token,
                max_payload_size=self._max_payload_size,
                max_concurrency=self._max_concurrency if self._serving else 0,
                max_in_flight_bytes=self._max_in_flight_bytes,
                backpressure_timeout=self._backpressure_timeout,
                error_value=self._error_value,
            )
            strangers.admit(connection)
            if self._closing is not None:
                connection.abort()
            return connection

        return runners, make_connection

    async def _undo_start(self) -> None:
        """Take down what a start has made that has failed."""
        await self._lifespan.end(SHUTDOWN_GRACE)
        if self._control is not None:
            self._control.close()
        if self._runners is not None:
            self._runners.close()
        forks.release(self)
        assert self._closed is not None
        self._closed.set()

    async def _start_inside(self, sock: socket.socket, variables: contextvars.Context) -> None:
        """Serve a parent in this very process, over a socket that is connected already.

        For :mod:`procwire.testing`: the process is not this worker's, so there is no control
        plane, and nobody who has to be told from strangers.
        """
        loop = asyncio.get_running_loop()
        runners, make_connection = self._prepare(loop, variables, None)
        try:
            await self._start_up(variables, runners.hooks)
            await loop.connect_accepted_socket(make_connection, sock)
        except BaseException:
            await self._undo_start()
            raise

    def _forget_start(self) -> None:
        """Be as before the start, after the end: the next test may start it again."""
        self._started = self._serving = False
        self._closing = self._closed = self._loop = None
        self._runners = self._strangers = None
        self._lifespan.forget()

    async def _start_up(self, variables: contextvars.Context, threads: Threads) -> None:
        """Begin with it, and wait until it is done, unless the parent is told before."""
        if self._closing is not None:
            return
        started = self._lifespan.begin(self, variables, threads)
        if self._announce == "early":
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

            for method in self._served:
                method.refuse(refuse)
        self._serving = True
        assert self._strangers is not None
        for connection in (self._connection, *self._strangers):
            if connection is not None:
                connection.set_max_concurrency(self._max_concurrency)

    async def wait_closed(self) -> None:
        """Wait until the client has shut down, for whatever reason.

        Raises:
            NotConnectedError: the client has not been started.
        """
        if self._closed is None:
            raise NotConnectedError("the client has not been started")
        await self._closed.wait()

    async def shutdown(self) -> None:
        """Cancel all handlers, wait for their clean-up, close the connection.

        Returns when that is done, after 4 seconds at most; may be called more than once.
        """
        if self._closed is None or self._closed.is_set():
            return
        self._stop()
        await self._closed.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    @property
    def connected(self) -> bool:
        """Whether the parent is there."""
        return self._connection is not None

    @property
    def max_threads(self) -> int:
        """How many threads run plain functions at most."""
        return self._max_threads

    @property
    def max_processes(self) -> int:
        """How many processes run handlers with ``executor="process"`` at most."""
        return self._max_processes

    @property
    def module_name(self) -> str | None:
        """The name that the parent gave this worker; ``None`` if no parent has spawned it."""
        return stdio.module_name()

    def _hint(self) -> str:
        # The arguments as they were, "-m procwire run …" included.
        arguments = ", ".join(json.dumps(argument) for argument in sys.orig_argv[1:])
        return (
            f"This is a Procwire worker ({len(self._methods)} methods): a Node.js program starts "
            f'it with new Module("worker").executable({json.dumps(sys.executable)}, '
            f"[{arguments}]) of @procwire/core."
        )

    # ---- events ----------------------------------------------------------------------------

    async def emit(self, name: str, data: Any = None) -> None:
        """Send an event to the parent; waits while the parent does not read.

        Raises:
            UnknownEventError: no event of that name is registered.
            NotConnectedError: there is no parent (any more).
            BackpressureTimeoutError: the parent has not read for ``backpressure_timeout``.
            CodecError: the data cannot be encoded.
        """
        connection, event_id, codec = self._event(name)
        await connection.emit(event_id, codec, data)

    def emit_threadsafe(self, name: str, data: Any = None, *, timeout: float | None = None) -> None:
        """:meth:`emit` for any thread but the event loop's: blocks where that waits.

        Returns when the event has been handed over, so ``data`` may be changed from then on, and
        a thread can have one event on its way at most.

        Args:
            name: The event's name.
            data: What it carries.
            timeout: Seconds to wait for a parent that does not read; ``None`` is for ever.

        Raises:
            TimeoutError: the event could not be sent in that time, and will not be.
            RuntimeError: this is the event loop's thread, which has :meth:`emit`.
            Exception: as :meth:`emit`.
        """
        connection, event_id, codec = self._event(name)
        emit_from_thread(connection, event_id, codec, data, timeout)

    def _event(self, name: str) -> tuple[WorkerConnection, int, Codec]:
        codec = self._events.get(name)
        if codec is None:
            raise UnknownEventError(f"the event {name!r} is not registered")
        connection = self._connection
        if connection is None:
            raise NotConnectedError(f"there is no parent to send the event {name!r} to")
        return connection, self._event_ids[name], codec

    # ---- what the channels report ----------------------------------------------------------

    def _adopted(self, connection: WorkerConnection) -> None:
        """The parent is there: nobody else is let in."""
        assert self._strangers is not None
        self._strangers.discard(connection)
        self._connection = self._counted = connection
        if self._listener is not None:
            self._listener.close()
        self._strangers.abort_all()

    def _lost(self, connection: WorkerConnection, error: BaseException | None) -> None:
        if connection is not self._connection:
            assert self._strangers is not None
            self._strangers.discard(connection)
            return
        self._connection = None
        if error is not None:
            _logger.info("the connection to the parent was lost: %s", error)
        self._stop(connection)

    def _stop(self, connection: WorkerConnection | None = None) -> None:
        watcher_begin_exit()
        if self._closing is None and self._loop is not None:
            self._closing = self._loop.create_task(
                self._close(connection or self._connection), name="procwire-shutdown"
            )

    def _cut_off_child(self) -> None:
        """In a child process that a handler has forked: nothing of the worker's is the child's."""
        if self._signals:
            # The child's signals would wake the worker's loop, which ends it, and not the child.
            signal.set_wakeup_fd(-1)
            for number, handler in self._signals.items():
                signal.signal(number, handler)
        assert self._strangers is not None
        for connection in (self._connection, *self._strangers):
            if connection is not None and connection.transport is not None:
                stdio.sever(connection.transport.get_extra_info("socket").fileno())
        if self._owns_process:
            assert self._loop is not None
            # What the loop would do next is the worker's affair, and its descriptors are shared.
            self._loop.call_soon(forks.end_child)

    async def _close(self, connection: WorkerConnection | None) -> None:
        """The one way out."""
        assert self._closed is not None
        assert self._loop is not None
        deadline = self._loop.time() + SHUTDOWN_GRACE
        if self._listener is not None:
            self._listener.close()
        assert self._strangers is not None
        self._strangers.abort_all()
        try:
            # One that has just been accepted gets its transport in a turn of the loop to come.
            for turn in range(10):
                if turn < 3 or len(self._strangers):
                    await asyncio.sleep(0)
            connection = connection or self._connection
            if connection is not None:
                connection.cancel_handlers()
                reserve = SHUTDOWN_RESERVE if self._lifespan.takes_down else 0.0
                await connection.wait_idle(deadline - reserve - self._loop.time())
            # Before the connection is closed: a parent kills whose connection it has lost.
            await self._lifespan.end(deadline - self._loop.time())
            if connection is not None:
                await connection.close(max(0.0, deadline - self._loop.time()))
        finally:
            if self._runners is not None:
                self._runners.close()
            if self._control is not None:
                self._control.close()
            forks.release(self)
            self._closed.set()


def _started_by_hand() -> bool:
    return stdio.module_name() is None and os.isatty(0)


def _loop_factory(
    loop: LoopName | Callable[[], asyncio.AbstractEventLoop],
) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if callable(loop):
        return loop
    if loop == "asyncio":
        return None
    if loop not in ("auto", "uvloop"):
        raise ValueError(f"loop is 'auto', 'asyncio', 'uvloop' or a function; got {loop!r}")
    try:
        factory: Callable[[], asyncio.AbstractEventLoop]
        factory = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        if loop == "auto":
            return None
        raise
    return factory
