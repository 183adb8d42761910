"""Types of the compiled core; what it does is in ``core/``."""

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self, final

from typing_extensions import Buffer, disjoint_base

from procwire.authentication import Token
from procwire.codecs import Codec
from procwire.deadlines import TimeLimit
from procwire.errors import RequestTimeoutError
from procwire.parent.link import Link
from procwire.policies import Arrays, Default, Ints, Keys, Naive, NaN, Surrogates
from procwire.runners import Runner
from procwire.session import Session
from procwire.threads import Threads
from procwire.wire import Observer

__all__ = [
    "CONTROL_MAX_DEPTH",
    "CONTROL_MAX_LINE_SIZE",
    "DEFAULT_MAX_PAYLOAD_SIZE",
    "FLAG_ACK",
    "FLAG_ERROR",
    "FLAG_RESPONSE",
    "FLAG_STREAM",
    "FLAG_STREAM_END",
    "FLAG_TO_PARENT",
    "HEADER_SIZE",
    "MAX_PAYLOAD_SIZE",
    "METHOD_ID_ABORT",
    "METHOD_ID_AUTH",
    "NEWS_ENDED",
    "NEWS_SHUTDOWN",
    "STRANGER_PAYLOAD_LIMIT",
    "Call",
    "Connection",
    "Context",
    "EventReceiver",
    "Frame",
    "FrameReader",
    "FrameWriter",
    "Header",
    "Method",
    "MsgpackCodec",
    "ParentConnection",
    "RawCodec",
    "RemoteMethod",
    "ResultCall",
    "StreamCall",
    "WorkerConnection",
    "control_message",
    "forget_socket_file",
    "guard_socket_file",
    "hold_lifeline",
    "pack_header",
    "set_standard_handle",
    "stream_async",
    "stream_sync",
    "unpack_header",
    "watcher_begin_exit",
    "watcher_exit_on_signal",
    "watcher_own_process",
    "watcher_report_stalls",
    "watcher_send",
    "watcher_set_listener",
    "watcher_set_liveness",
    "watcher_set_names",
    "watcher_start",
    "watcher_turn",
    "wipe_variable",
]

HEADER_SIZE: int
FLAG_TO_PARENT: int
FLAG_RESPONSE: int
FLAG_ERROR: int
FLAG_STREAM: int
FLAG_STREAM_END: int
FLAG_ACK: int
METHOD_ID_AUTH: int
METHOD_ID_ABORT: int
DEFAULT_MAX_PAYLOAD_SIZE: int
MAX_PAYLOAD_SIZE: int
STRANGER_PAYLOAD_LIMIT: int

class Header(NamedTuple):
    method_id: int
    flags: int
    request_id: int
    payload_length: int

class Frame(NamedTuple):
    method_id: int
    flags: int
    request_id: int
    payload: bytes

def wipe_variable(name: bytes) -> None: ...
def set_standard_handle(descriptor: int, handle: int) -> None: ...
def hold_lifeline(sentinel: int) -> None: ...
def pack_header(method_id: int, flags: int, request_id: int, payload_length: int) -> bytes: ...
def unpack_header(data: Buffer) -> Header: ...

CONTROL_MAX_LINE_SIZE: int
CONTROL_MAX_DEPTH: int
NEWS_SHUTDOWN: int
NEWS_ENDED: int

def control_message(line: bytes) -> str | None: ...
def running_request() -> tuple[int, int] | None: ...
def watcher_start(input: int, output: int) -> None: ...
def watcher_set_listener(socket: int) -> None: ...
def watcher_turn() -> int: ...
def watcher_set_liveness(of_process: bool) -> None: ...
def watcher_send(line: bytes) -> None: ...
def watcher_report_stalls(seconds: float, dump_signal: int) -> None: ...
def watcher_own_process(exit_after: float) -> None: ...
def watcher_begin_exit() -> None: ...
def watcher_exit_on_signal(number: int) -> None: ...
def guard_socket_file(path: bytes, device: int, inode: int, directory: bytes | None) -> None: ...
def forget_socket_file(device: int, inode: int) -> None: ...
def watcher_set_names(names: Iterable[str]) -> None: ...

@disjoint_base
class FrameReader:
    max_payload_size: int
    def __new__(cls, max_payload_size: int = ..., buffer_size: int = ...) -> Self: ...
    @property
    def at_boundary(self) -> bool: ...
    def feed(self, data: Buffer) -> list[Frame]: ...

@disjoint_base
class FrameWriter:
    def __new__(cls, max_payload_size: int = ...) -> Self: ...
    @property
    def paused(self) -> bool: ...

@final
class RawCodec:
    """Payloads as they are: ``bytes`` in, any bytes-like object out."""

    @property
    def name(self) -> str:
        """What error messages call it."""

    def encode(self, value: Any) -> bytes:
        """The bytes of a bytes-like value."""

    def decode(self, payload: Buffer) -> bytes:
        """A copy of the payload."""

@final
class MsgpackCodec:
    """One MessagePack value a payload, as ``msgpackCodec`` of ``@procwire/codecs``."""

    def __new__(
        cls,
        *,
        ints: Ints = "error",
        keys: Keys = "error",
        naive: Naive = "error",
        surrogates: Surrogates = "error",
        nan: NaN = "allow",
        arrays: Arrays = "bytes",
        default: Default | None = None,
    ) -> Self:
        """What JavaScript would change or refuse is an error by default. The choices:

        Args:
            ints: Integers beyond ±(2**53 - 1), where JavaScript loses digits: ``"error"``, or sent
                as a ``"string"`` or as a ``"float"``, or with ``"allow"`` as they are, up to 64
                bits.
            keys: Keys of mappings that are no strings or numbers: ``"error"``, or ``"string"`` for
                what JavaScript makes of them: ``null``, ``true``, ``1,2`` for a tuple.
            naive: A ``datetime`` without a time zone: ``"error"``, or taken as ``"utc"`` or as
                ``"local"`` time, or sent as a ``"string"`` in ISO 8601 without an offset.
            surrogates: Strings with lone surrogates: ``"error"``, or ``"replace"`` for U+FFFD in
                their place.
            nan: Floats that are not finite: ``"allow"``, or ``"null"`` as in JSON, or ``"error"``.
                With one of the last two every value is walked in Python, which is slow.
            arrays: NumPy arrays and ``array.array``: their ``"bytes"``, or a ``"list"`` of numbers.
            default: Called with a value of any type that has no form; what it returns is sent in
                its place, and what it raises is the error. It may be called again for the same
                value.

        Raises:
            ValueError: a choice is none of these.
            TypeError: ``default`` is no function.
        """

    @property
    def name(self) -> str:
        """What error messages call it."""

    def encode(self, value: Any) -> bytes:
        """Pack one value.

        Raises:
            CodecError: the value cannot be packed, or JavaScript would change it.
        """

    def decode(self, payload: Buffer) -> Any:
        """Unpack one value.

        Raises:
            CodecError: the payload is not exactly one MessagePack value.
        """

def ext_hook(code: int, data: bytes) -> Any: ...
def replace_extensions(payload: bytes) -> bytes: ...

@final
class TypedCodec:
    def __init__(
        self,
        name: str,
        decode: Callable[[bytes], Any],
        recover: Callable[[bytes, Exception], Any],
        *,
        replaces_extensions: bool,
        runs_user_code: bool,
    ) -> None: ...
    @property
    def name(self) -> str: ...
    def encode(self, value: Any) -> bytes: ...
    def decode(self, payload: Buffer) -> Any: ...

@final
class CheckedCodec:
    def __init__(self, codec: Codec, check: Callable[[bytes], object]) -> None: ...
    @property
    def name(self) -> str: ...
    def encode(self, value: Any) -> bytes: ...
    def decode(self, payload: Buffer) -> Any: ...

@disjoint_base
class Method:
    def __init__(
        self,
        name: str,
        id: int,
        kind: str,
        form: str,
        function: Callable[..., Any],
        takes_context: bool,
        request_codec: Codec,
        response_codec: Codec,
        time_limit: TimeLimit | None = None,
        max_concurrency: int | None = None,
    ) -> None: ...
    runner: Runner | None
    @property
    def name(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def function(self) -> Callable[..., Any]: ...
    @property
    def takes_context(self) -> bool: ...
    @property
    def requests(self) -> int: ...
    @property
    def succeeded(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def aborted(self) -> int: ...
    @property
    def late(self) -> int: ...
    @property
    def failed_after_answer(self) -> int: ...
    def refuse(self, function: Callable[[Any], Any]) -> None: ...

@disjoint_base
class Connection:
    loop: asyncio.AbstractEventLoop
    reader: FrameReader
    writer: FrameWriter
    closed: bool
    @property
    def transport(self) -> asyncio.Transport | None: ...
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        max_payload_size: int = ...,
        read_buffer_size: int = ...,
        backpressure_timeout: float | None = None,
    ) -> None: ...
    # asyncio.BufferedProtocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def get_buffer(self, sizehint: int) -> memoryview: ...
    def buffer_updated(self, nbytes: int) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, error: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    # What the event loop calls later.
    def write_on(self) -> None: ...
    def wake_writer(self) -> None: ...
    def flush(self) -> None: ...
    def resume_reading(self) -> None: ...
    def look_for_end(self) -> None: ...
    def look_for_stall(self) -> None: ...
    def close_when_sent(self) -> None: ...
    def stall_error(self) -> Exception: ...
    def traffic(self) -> tuple[int, int, float, float]: ...
    async def wait_writable(self) -> None: ...
    async def close(self, seconds: float) -> None: ...
    def abort(self) -> None: ...

@disjoint_base
class WorkerConnection(Connection):
    def __init__(
        self,
        session: Session,
        loop: asyncio.AbstractEventLoop,
        variables: contextvars.Context,
        methods: Sequence[Method | None],
        threads: Threads,
        *,
        token: Token | None,
        max_payload_size: int,
        max_concurrency: int,
        max_in_flight_bytes: int,
        backpressure_timeout: float | None,
        error_value: Callable[[object], str | dict[str, Any]],
        error_codec: MsgpackCodec | None = None,
    ) -> None: ...
    @property
    def pending(self) -> int: ...
    @property
    def waiting_count(self) -> int: ...
    def process_waiting(self) -> None: ...
    def set_max_concurrency(self, max_concurrency: int) -> None: ...
    async def emit(self, event_id: int, codec: Codec, data: Any) -> None: ...
    def cancel_handlers(self) -> None: ...
    def replace(
        self,
        variables: contextvars.Context,
        methods: Sequence[Method | None],
        threads: Threads,
        *,
        max_concurrency: int,
        max_in_flight_bytes: int,
        error_value: Callable[[object], str | dict[str, Any]],
        error_codec: MsgpackCodec,
    ) -> None: ...
    async def wait_idle(self, seconds: float | None) -> None: ...
    async def wait_ended(self, methods: list[Method] | None, seconds: float | None) -> None: ...
    async def wait_replaced(self, methods: Sequence[Method]) -> None: ...

@disjoint_base
class ObservedWorkerConnection(WorkerConnection):
    def __init__(self, *arguments: Any, observer: Observer, **options: Any) -> None: ...

@disjoint_base
class RemoteMethod:
    def __init__(
        self,
        name: str,
        id: int,
        kind: str,
        request_codec: Codec,
        response_codec: Codec,
        cancellable: bool,
        timeout: float | None,
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def streams(self) -> bool: ...
    @property
    def cancellable(self) -> bool: ...
    @property
    def timeout(self) -> float | None: ...
    def late(self) -> RequestTimeoutError: ...

@disjoint_base
class Call:
    @property
    def method(self) -> RemoteMethod: ...
    def cancel(self) -> None: ...

@disjoint_base
class ResultCall(Call):
    @property
    def future(self) -> asyncio.Future[Any]: ...

@disjoint_base
class StreamCall(Call):
    @property
    def chunks(self) -> deque[Any]: ...
    @property
    def finished(self) -> bool: ...
    @property
    def error(self) -> BaseException | None: ...
    def wait(self) -> asyncio.Future[None]: ...
    def take(self) -> Any: ...
    def close(self) -> None: ...

@disjoint_base
class EventReceiver:
    def __init__(self, codec: Codec, deliver: Callable[[Any], object]) -> None: ...

@disjoint_base
class ParentConnection(Connection):
    def __init__(
        self,
        link: Link,
        loop: asyncio.AbstractEventLoop,
        methods: Sequence[RemoteMethod],
        events: Mapping[int, EventReceiver],
        *,
        token: bytes | None,
        max_payload_size: int,
    ) -> None: ...
    @property
    def unanswered(self) -> list[tuple[str, int]]: ...
    def call(self, method: RemoteMethod, data: Any) -> ResultCall | None: ...
    def stream(self, method: RemoteMethod, data: Any) -> StreamCall: ...
    def catch_wakeup(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Any: ...
    def wake(
        self,
        wakeups: list[tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]],
    ) -> None: ...

@final
class Context:
    """One request, as its handler sees it.

    A handler gets it as its second parameter. Returning, yielding and raising answer a request
    as well, so most handlers need no context.
    """

    def __init__(self, connection: WorkerConnection, method: Method, request_id: int) -> None: ...
    @property
    def request_id(self) -> int:
        """The parent's number for the request; 0 when no answer is expected."""

    @property
    def method(self) -> str:
        """The name of the method that was called."""

    @property
    def aborted(self) -> bool:
        """Whether the caller has given up, or the connection is gone."""

    async def respond(self, data: Any) -> None:
        """Answer a ``result`` method.

        Raises:
            ProtocolError: the method's response is of another kind.
            ResponseAlreadySentError: the request has had its end.
            CodecError: the data cannot be encoded; nothing has been sent.
        """

    async def ack(self, data: Any = None) -> None:
        """Answer an ``ack`` method; the handler may go on.

        Raises: as :meth:`respond`.
        """

    async def chunk(self, data: Any) -> None:
        """Send one chunk of a ``stream`` method; waits while the parent does not read.

        Raises: as :meth:`respond`.
        """

    async def end(self) -> None:
        """End a ``stream`` method. Returning from the handler does that as well.

        Raises: as :meth:`respond`.
        """

    async def error(self, error: str | BaseException | Mapping[str, Any]) -> None:
        """Answer with an error; raising an exception does that as well.

        Args:
            error: A text, an exception, or a mapping, whose ``message`` JavaScript shows as
                ``err.message`` and which it has as ``err.data``.

        Raises:
            ResponseAlreadySentError: the request has had its end.
        """

    def raise_if_aborted(self) -> None:
        """Raise :class:`asyncio.CancelledError` if the request is aborted."""

    def on_abort(self, callback: Callable[[], object]) -> None:
        """Have ``callback`` called when the request is aborted; at once if it is already."""

    async def wait_aborted(self) -> None:
        """Wait until the request is aborted."""

    async def wait_writable(self, kind: int, verb: str) -> None: ...
    def call_back(self, callback: Callable[[], object]) -> None: ...
    def thread_ended(self, result: Any, error: BaseException | None) -> None: ...

async def stream_async(context: Context, source: AsyncIterator[Any]) -> None: ...
async def stream_sync(context: Context, source: Iterator[Any]) -> None: ...
