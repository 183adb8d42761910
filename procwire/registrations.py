"""What a worker offers: methods with their handlers, and events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar, Unpack, overload

from procwire._core import Method
from procwire.annotations import FROM_ANNOTATION, UNKNOWN
from procwire.batching import Batch, check_batch
from procwire.codecs import Codec, MsgpackCodec, resolve
from procwire.counts import check_count
from procwire.deadlines import milliseconds, time_limit
from procwire.errors import AlreadyStartedError, SchemaChangedError
from procwire.handlers import ResponseKind, inspect_handler
from procwire.middleware import Middleware, wrap
from procwire.registered import EventTypes, MethodTypes, Registration
from procwire.runners import Where, check_executor, check_sendable
from procwire.splitting import Splitting, as_generator

if TYPE_CHECKING:
    from procwire.executors import Runners

__all__ = ["HandlerOptions", "Registrations"]

Handler = TypeVar("Handler", bound=Callable[..., Any])

MAX_METHOD_ID = 0xFFFD


class HandlerOptions(TypedDict, total=False):
    """What can be said about a handler besides its response; see :meth:`Client.handle`."""

    codec: Codec | str | None
    request_codec: Codec | str | None
    response_codec: Codec | str | None
    timeout: float | None
    max_duration: float | None
    max_concurrency: int | None
    sync_to_thread: bool
    executor: Where | None
    batch: Batch | None
    data: Any
    validate_result: bool


class Registrations:
    """The registering half of a client; closed when the client starts."""

    def __init__(
        self,
        default_codec: Codec | str,
        msgpack: MsgpackCodec,
        *,
        nil_as_missing: bool = False,
    ) -> None:
        # What "msgpack" means here: the codec with the client's policies.
        self._msgpack = msgpack
        self._default_codec = resolve(default_codec, msgpack)
        self._nil_as_missing = nil_as_missing
        self._methods: dict[str, Registration] = {}
        # Those whose annotations have names that were not defined yet.
        self._unresolved: list[str] = []
        self._events: dict[str, Codec] = {}
        self._event_data: dict[str, Any] = {}
        self._middlewares: list[Middleware] = []
        self._started = False

    @overload
    def handle(self, method: Handler, /) -> Handler: ...

    @overload
    def handle(
        self,
        method: str | None = None,
        handler: None = None,
        *,
        response: ResponseKind | None = None,
        codec: Codec | str | None = None,
        request_codec: Codec | str | None = None,
        response_codec: Codec | str | None = None,
        timeout: float | None = None,
        max_duration: float | None = None,
        max_concurrency: int | None = None,
        sync_to_thread: bool = True,
        executor: Where | None = None,
        batch: Batch | None = None,
        data: Any = FROM_ANNOTATION,
        validate_result: bool = False,
    ) -> Callable[[Handler], Handler]: ...

    @overload
    def handle(
        self,
        method: str,
        handler: Callable[..., Any],
        *,
        response: ResponseKind | None = None,
        codec: Codec | str | None = None,
        request_codec: Codec | str | None = None,
        response_codec: Codec | str | None = None,
        timeout: float | None = None,
        max_duration: float | None = None,
        max_concurrency: int | None = None,
        sync_to_thread: bool = True,
        executor: Where | None = None,
        batch: Batch | None = None,
        data: Any = FROM_ANNOTATION,
        validate_result: bool = False,
    ) -> Self: ...

    def handle(
        self,
        method: str | Callable[..., Any] | None = None,
        handler: Callable[..., Any] | None = None,
        *,
        response: ResponseKind | None = None,
        codec: Codec | str | None = None,
        request_codec: Codec | str | None = None,
        response_codec: Codec | str | None = None,
        timeout: float | None = None,
        max_duration: float | None = None,
        max_concurrency: int | None = None,
        sync_to_thread: bool = True,
        executor: Where | None = None,
        batch: Batch | None = None,
        data: Any = FROM_ANNOTATION,
        validate_result: bool = False,
    ) -> Any:
        """Register the handler of a method.

        Without ``handler`` a decorator, which returns the function as it was; used bare, or
        without a name, it takes the function's name. With ``handler`` it registers at once and
        returns the client, so that calls chain.

        A handler is called with the decoded payload, and with the request's :class:`Context` if
        it has a second parameter. It is an ``async def``, an async generator, a ``def`` or a
        generator; what it returns is the answer, what it yields are chunks, what it raises is
        the error.

        Args:
            method: The method's name, as the parent calls it.
            handler: The handler, when this is not used as a decorator.
            response: What the parent expects: ``"result"``, ``"stream"``, ``"ack"`` or
                ``"none"``. Left out, a generator streams and anything else gives a result. The
                parent refuses a worker whose methods answer otherwise than it declared.
            codec: The codec of both directions: an object or a name, which is ``"msgpack"``,
                ``"raw"`` or ``"arrow"``.
            request_codec: The codec of requests, if it differs.
            response_codec: The codec of answers, if it differs.
            timeout: Seconds, up to 24 days, that a result or an ack may take. The parent is told,
                and gives up after that time unless it has set a limit of its own. 0.1 s later the
                request, waiting or begun, is aborted, with an error to a parent that still waits.
                With ``0`` there is no limit on either side. ``None`` leaves it to the parent,
                which by default gives up after 30 s and does not say so.
            max_duration: Seconds that the handler of a stream, or of a method without an answer,
                may run: a consumer that leaves a stream tells nobody. Then it is aborted, with an
                error to a parent that still listens. ``None`` is no limit.
            max_concurrency: How many of the method's requests may be under way. Those above wait,
                in order, and no other method's requests wait behind them.
            sync_to_thread: Whether a plain function or generator runs in a worker thread. With
                ``False`` it runs on the event loop: the fastest way there is, for functions
                that never block.
            executor: What runs a plain function instead: ``"process"`` for the client's pool of
                processes, of which an abort kills the one that runs the call, or a
                :class:`concurrent.futures.Executor`, which stays the caller's to shut down.
            batch: Gather concurrent requests: the handler takes a list of payloads and returns a
                list of answers.
            data: The type that payloads become, if it is not the one that the handler's first
                parameter is annotated with; of a batch the type of one payload. ``object`` leaves
                them as the codec decodes them.
            validate_result: Whether answers must be what the handler's return annotation says; one
                that is not is an error to the caller. Costs as much as decoding the answer. An
                annotation that admits anything, ``Any`` or ``object``, is a ``ValueError``.

        Raises:
            AlreadyStartedError: the client has been started.
            TypeError: the handler cannot be called as a handler is, or not by that executor, or no
                payload can become what it is annotated with.
            ImportError: the annotation takes msgspec, the extra ``typed``, or the codec takes
                pyarrow, the extra ``arrow``.
            ValueError: the method is registered already, or the handler cannot answer in the way
                that ``response`` says, or there is no such codec, or a number is out of its range.
        """
        options: dict[str, Any] = {
            "response": response,
            "codec": codec,
            "request_codec": request_codec,
            "response_codec": response_codec,
            "timeout": timeout,
            "max_duration": max_duration,
            "max_concurrency": max_concurrency,
            "sync_to_thread": sync_to_thread,
            "executor": executor,
            "batch": batch,
            "data": data,
            "validate_result": validate_result,
        }
        return self._handle(method, handler, options)

    @overload
    def handle_stream(self, method: Handler, /) -> Handler: ...

    @overload
    def handle_stream(
        self, method: str | None = None, handler: None = None, **options: Unpack[HandlerOptions]
    ) -> Callable[[Handler], Handler]: ...

    @overload
    def handle_stream(
        self, method: str, handler: Callable[..., Any], **options: Unpack[HandlerOptions]
    ) -> Self: ...

    def handle_stream(self, method: Any = None, handler: Any = None, **options: Any) -> Any:
        """:meth:`handle` with ``response="stream"``."""
        return self._handle(method, handler, {**options, "response": "stream"})

    @overload
    def handle_ack(self, method: Handler, /) -> Handler: ...

    @overload
    def handle_ack(
        self, method: str | None = None, handler: None = None, **options: Unpack[HandlerOptions]
    ) -> Callable[[Handler], Handler]: ...

    @overload
    def handle_ack(
        self, method: str, handler: Callable[..., Any], **options: Unpack[HandlerOptions]
    ) -> Self: ...

    def handle_ack(self, method: Any = None, handler: Any = None, **options: Any) -> Any:
        """:meth:`handle` with ``response="ack"``."""
        return self._handle(method, handler, {**options, "response": "ack"})

    def _handle(self, method: Any, handler: Any, options: dict[str, Any]) -> Any:
        """The three ways of calling :meth:`handle`."""
        if callable(method):
            self._register(_name_of(method), method, **options)
            return method
        if handler is not None:
            self._register(method or _name_of(handler), handler, **options)
            return self

        def decorate(function: Handler) -> Handler:
            self._register(method or _name_of(function), function, **options)
            return function

        return decorate

    def event(self, name: str, *, codec: Codec | str | None = None, data: Any = UNKNOWN) -> Self:
        """Register an event that this worker emits; returns the client.

        Args:
            name: The event's name.
            codec: The codec of what it carries: an object or a name.
            data: The type of what it carries, for ``python -m procwire types``.

        Raises:
            AlreadyStartedError: the client has been started.
            ValueError: the event is registered already, or there is no such codec.
        """
        self._check_open_for("event", name, self._events)
        self._events[name] = self._default_codec if codec is None else resolve(codec, self._msgpack)
        self._event_data[name] = data
        return self

    def _register(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        response: ResponseKind | None = None,
        codec: Codec | str | None = None,
        request_codec: Codec | str | None = None,
        response_codec: Codec | str | None = None,
        timeout: float | None = None,
        max_duration: float | None = None,
        max_concurrency: int | None = None,
        sync_to_thread: bool = True,
        executor: Where | None = None,
        batch: Batch | None = None,
        data: Any = FROM_ANNOTATION,
        validate_result: bool = False,
    ) -> None:
        self._check_open_for("method", name, self._methods)
        if codec is not None and (request_codec is not None or response_codec is not None):
            raise ValueError("give either codec, or request_codec and response_codec")
        if max_concurrency is not None:
            check_count("max_concurrency", max_concurrency)
        both = self._default_codec if codec is None else resolve(codec, self._msgpack)
        requests = both if request_codec is None else resolve(request_codec, self._msgpack)
        responses = both if response_codec is None else resolve(response_codec, self._msgpack)
        splits = isinstance(responses, Splitting)
        shape = inspect_handler(function, response, sync_to_thread, splits)
        check_executor(executor, function, shape)
        if batch is not None:
            check_batch(shape, batch, max_concurrency)
        registered = Registration(
            function,
            shape,
            requests,
            responses,
            timeout,
            time_limit(name, shape.response, timeout, max_duration),
            max_concurrency,
            executor,
            batch,
            data,
            validate_result,
            decoder=requests,
            encoder=responses,
        )
        try:
            registered = registered.typed(nil_as_missing=self._nil_as_missing)
        except NameError:
            # Perhaps it is defined further down in the module.
            self._unresolved.append(name)
        self._methods[name] = registered

    def _resolve_annotations(self) -> None:
        """Look again for what was not defined when the handlers were registered.

        Raises:
            TypeError: it still is not.
        """
        while self._unresolved:
            name = self._unresolved[0]
            registered = self._methods[name]
            try:
                self._methods[name] = registered.typed(nil_as_missing=self._nil_as_missing)
            except NameError as error:
                raise TypeError(
                    f"an annotation of the handler of {name!r} cannot be resolved: {error}; "
                    "import the name when the program runs, or give the handler data=..."
                ) from error
            del self._unresolved[0]

    def _check_open_for(self, what: str, name: str, registered: Iterable[str]) -> None:
        self._check_open(f"{what} {name!r}")
        if not isinstance(name, str) or not name:
            raise TypeError(f"the name of a {what} is a text, got {name!r}")
        if name in registered:
            raise ValueError(f"the {what} {name!r} is registered already")
        if len(list(registered)) == MAX_METHOD_ID:
            raise ValueError(f"there can be {MAX_METHOD_ID} {what}s at most")

    def _check_open(self, what: str) -> None:
        if self._started:
            raise AlreadyStartedError(f"the client has been started, {what} is late")

    def _check_sendable(self) -> None:
        """Whether other processes can find the handlers that they are to run."""
        for name, registered in self._methods.items():
            if registered.executor == "process":
                check_sendable(name, registered.function)

    def _make_methods(self, runners: Runners) -> list[Method]:
        """The methods for the dispatcher, numbered from 1 in the order of registration."""
        self._resolve_annotations()
        return [
            self._make_method(name, number, registered, runners)
            for number, (name, registered) in enumerate(self._methods.items(), 1)
        ]

    def _make_method(
        self, name: str, number: int, registered: Registration, runners: Runners
    ) -> Method:
        shape = registered.shape
        # A batch is handed over, whatever its handler is.
        form = "thread" if registered.batch is not None else shape.form

        def method(form: str, function: Callable[..., Any], takes_context: bool) -> Method:
            return Method(
                name,
                number,
                shape.response,
                form,
                function,
                takes_context,
                registered.decoder,
                registered.encoder,
                registered.time_limit,
                registered.max_concurrency,
            )

        function = registered.function
        if shape.is_split and isinstance(registered.response_codec, Splitting):
            function = as_generator(function, form, registered.response_codec)
        made = method(form, function, shape.takes_context)
        runners.assign(made, registered)
        if not self._middlewares:
            return made
        wrapped = wrap(made, form, runners.threads, self._middlewares)
        return method("coroutine", wrapped, True)

    def _types(self) -> tuple[dict[str, MethodTypes], dict[str, EventTypes]]:
        """What methods take and give, and what events carry.

        Raises:
            TypeError: an annotation has names that are not defined.
        """
        self._resolve_annotations()
        methods = {
            name: MethodTypes(
                registered.data_type(),
                self._answer_type(name, registered),
                registered.request_codec,
                registered.response_codec,
                registered.shape.response,
            )
            for name, registered in self._methods.items()
        }
        events = {
            name: EventTypes(self._event_data[name], codec) for name, codec in self._events.items()
        }
        return methods, events

    def _answer_type(self, name: str, registered: Registration) -> Any:
        try:
            return registered.answer_type()
        except NameError as error:
            raise TypeError(
                f"the return annotation of the handler of {name!r} cannot be resolved: {error}"
            ) from error

    def _number_as(self, other: Registrations) -> None:
        """Number methods and events as others are numbered, whose parent knows those numbers.

        Raises:
            SchemaChangedError: they are not the same.
        """
        then, now = other._schema(), self._schema()
        changes = [
            *_changes("method", then["methods"], now["methods"]),
            *_changes("event", then["events"], now["events"]),
        ]
        if changes:
            raise SchemaChangedError("; ".join(changes))
        self._methods = {name: self._methods[name] for name in other._methods}
        self._events = {name: self._events[name] for name in other._events}

    def _schema(self) -> dict[str, Any]:
        """What the parent is told about methods and events."""
        methods: dict[str, dict[str, Any]] = {}
        for number, (name, registered) in enumerate(self._methods.items(), 1):
            methods[name] = {"id": number, "response": registered.shape.response}
            if registered.timeout is not None:
                methods[name]["timeout"] = milliseconds(registered.timeout)
        events = {name: {"id": number} for number, name in enumerate(self._events, 1)}
        return {"methods": methods, "events": events}


def _changes(what: str, then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """How the parts of two schemas differ, but for their numbers."""
    changes = [f"the {what} {name!r} is new" for name in now if name not in then]
    changes += [f"the {what} {name!r} is gone" for name in then if name not in now]
    for name in then.keys() & now.keys():
        for key in ("response", "timeout"):
            old, new = then[name].get(key), now[name].get(key)
            if old != new:
                changes.append(f"the {key} of {name!r} was {old!r}, and is {new!r}")
    return changes


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or name == "<lambda>":
        raise TypeError(f"{function!r} has no name for the method: give one")
    return name
