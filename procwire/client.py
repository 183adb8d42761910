"""The client: what a worker offers, and the calls that serve it."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Self, TypeVar

from procwire import breakpoints, logs, stdio
from procwire._core import DEFAULT_MAX_PAYLOAD_SIZE, WorkerConnection
from procwire.authentication import take_token
from procwire.codecs import Codec, MsgpackCodec
from procwire.emitting import emit_from_thread
from procwire.errors import AlreadyStartedError, NotConnectedError, UnknownEventError
from procwire.executors import check_not_in_pool
from procwire.lifespan import Hook, Lifespan, LifespanFunction
from procwire.middleware import Middleware, check_middleware
from procwire.options import (
    DEFAULT_MAX_CONCURRENCY,
    DEFAULT_MAX_IN_FLIGHT_BYTES,
    Announce,
    Liveness,
    Options,
)
from procwire.own_process import LoopName, OwnProcess, refuse_terminal
from procwire.policies import Arrays, Default, Ints, Keys, Naive, NaN, Surrogates
from procwire.registrations import Registrations
from procwire.session import Session
from procwire.stats import Stats, collect

__all__ = ["Client"]

AnyHook = TypeVar("AnyHook", bound=Hook)
AnyMiddleware = TypeVar("AnyMiddleware", bound=Middleware)


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
        max_concurrency: How many handlers may be under way. At the limit further requests wait,
            in order, up to 4 MiB of them; above that nothing is read until half of that is left.
            None is ever dropped.
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
        ints: What is sent for integers that JavaScript would round. It and the next six are for
            the methods and events whose codec is ``"msgpack"``, and for the details of errors; a
            codec object has its own. :class:`MsgpackCodec` says what each may be.
        keys: What is sent for keys that JavaScript would refuse.
        naive: What is sent for a ``datetime`` without a time zone.
        surrogates: What is sent for a text with a lone surrogate.
        nan: What is sent for NaN and the infinities.
        arrays: What is sent for arrays of NumPy and :mod:`array`.
        default: Called for a value of a type that has no form; what it returns is sent.
        nil_as_missing: Whether nil stands for a field's default where the field's type has no
            ``None``. JavaScript sends nil for ``{limit: undefined}``.

    Attributes:
        state: What start-up has loaded: a namespace for attributes of your own.

    Raises:
        TypeError: ``lifespan`` is no function that returns a context manager, or ``default`` is
            no function.
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
        ints: Ints = "error",
        keys: Keys = "error",
        naive: Naive = "error",
        surrogates: Surrogates = "error",
        nan: NaN = "allow",
        arrays: Arrays = "bytes",
        default: Default | None = None,
        nil_as_missing: bool = False,
    ) -> None:
        # Handlers, child processes and tracebacks have no business with it.
        self._token = take_token(auth_token)
        del auth_token
        self._options = Options(
            max_payload_size=max_payload_size,
            max_concurrency=max_concurrency,
            max_in_flight_bytes=max_in_flight_bytes,
            max_threads=max_threads,
            max_processes=max_processes,
            backpressure_timeout=backpressure_timeout,
            liveness=liveness,
            stall_report=stall_report,
            announce=announce,
            error_details=error_details,
            debug=debug,
        )
        msgpack = MsgpackCodec(
            ints=ints,
            keys=keys,
            naive=naive,
            surrogates=surrogates,
            nan=nan,
            arrays=arrays,
            default=default,
        )
        super().__init__(default_codec, msgpack, nil_as_missing=nil_as_missing)
        self.state = SimpleNamespace()
        self._lifespan = Lifespan(lifespan)
        self._event_ids: dict[str, int] = {}
        self._session: Session | None = None

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
        session = self._session
        if session is None:
            return collect(list(self._methods), [], None)
        return collect(list(self._methods), session.methods, session.counted)

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
            loop: ``"asyncio"``, ``"uvloop"`` or on Windows ``"winloop"`` (both need the extra
                ``uvloop``), ``"auto"`` for that where it is installed, or a function that makes an
                event loop.

        Raises:
            SystemExit: with status 1 when the worker cannot start, which the parent is told, or
                when its shutdown hooks have failed; with status 2 when a person has started it
                in a terminal.
            RuntimeError: a pool process of this worker has come here, by importing the script.
        """
        self._run(loop, self._open_session)

    def _run(
        self,
        loop: LoopName | Callable[[], asyncio.AbstractEventLoop],
        open_session: Callable[[], Session],
    ) -> None:
        """:meth:`run`, for those who want to do more with the session."""
        self._check_not_started()
        check_not_in_pool()
        logs.speak_up()
        refuse_terminal(len(self._methods))
        breakpoints.install(answers_pings=self._options.liveness == "process")
        OwnProcess().run(open_session, loop)

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
        await self._open_session().start()

    async def wait_closed(self) -> None:
        """Wait until the client has shut down, for whatever reason.

        Raises:
            NotConnectedError: the client has not been started.
        """
        if self._session is None:
            raise NotConnectedError("the client has not been started")
        await self._session.wait_closed()

    async def shutdown(self) -> None:
        """Cancel all handlers, wait for their clean-up, close the connection.

        Returns when that is done, after 4 seconds at most; may be called more than once.
        """
        if self._session is not None:
            await self._session.shutdown()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    @property
    def connected(self) -> bool:
        """Whether the parent is there."""
        return self._session is not None and self._session.connected

    @property
    def max_threads(self) -> int:
        """How many threads run plain functions at most."""
        return self._options.threads

    @property
    def max_processes(self) -> int:
        """How many processes run handlers with ``executor="process"`` at most."""
        return self._options.processes

    @property
    def module_name(self) -> str | None:
        """The name that the parent gave this worker; ``None`` if no parent has spawned it."""
        return stdio.module_name()

    def _check_not_started(self) -> None:
        if self._started:
            raise AlreadyStartedError("a client can be started once")

    def _open_session(self) -> Session:
        """From now on nothing more can be registered."""
        self._check_not_started()
        if not self._methods:
            raise ValueError("no method has been registered")
        self._check_sendable()
        self._close_registrations()
        session = self._session = Session(self, self._options, self._lifespan, self._token)
        return session

    def _close_registrations(self) -> None:
        self._started = True
        self._event_ids = {name: number for number, name in enumerate(self._events, 1)}

    async def _take_over(self, former: Client) -> None:
        """Be what the parent of a client that has been started calls from now on.

        Raises:
            SchemaChangedError: this client offers something else.
            AlreadyStartedError: it has been started.
            BaseException: what its start-up has raised; the former goes on then.
        """
        session = former._session
        assert session is not None
        self._check_not_started()
        self._check_sendable()
        self._number_as(former)
        self._close_registrations()
        self._session = session
        await session.replace(self, self._options, self._lifespan, self._make_methods)

    async def _serve_inside(self, sock: socket.socket, variables: contextvars.Context) -> None:
        """:meth:`start` for :mod:`procwire.testing`, with a parent in this very process."""
        await self._open_session().start_inside(sock, variables)

    def _reopen(self, state: SimpleNamespace, attributes: Mapping[str, Any]) -> None:
        """Be as before the start, after the end: the next test may start it again.

        Args:
            state: What :attr:`state` was then.
            attributes: What that had.
        """
        self._started = False
        self._lifespan.forget()
        # The same object: others may have a reference to it.
        self.state = state
        vars(state).clear()
        vars(state).update(attributes)

    # ---- events ----------------------------------------------------------------------------

    async def emit(self, name: str, data: Any = None) -> None:
        """Send an event to the parent; waits while the parent does not read.

        Raises:
            UnknownEventError: no event of that name is registered.
            NotConnectedError: there is no parent (any more).
            BackpressureTimeoutError: the parent has not read for ``backpressure_timeout``.
            CodecError: the data cannot be encoded.
            RuntimeError: this is another event loop than the worker's.
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
        connection = None if self._session is None else self._session.connection
        if connection is None:
            raise NotConnectedError(f"there is no parent to send the event {name!r} to")
        return connection, self._event_ids[name], codec
