"""Python workers for Node.js programs: the worker side of the Procwire protocol.

The way of a byte: a socket (:mod:`procwire.listener`), then the compiled core, whose files in
``core/`` are named after their parts: connection, reader, dispatch, codecs, task and context of
your handler, writer.  The control plane is :mod:`procwire.control`; :mod:`procwire.client` holds
it all together.
"""

from procwire import stdio as _stdio

# First of all: from here on nothing that is printed reaches a parent that has spawned us.
_spawned = _stdio.take_if_spawned()

from procwire import authentication as _authentication  # noqa: E402
from procwire import logs as _logs  # noqa: E402
from procwire import startup as _startup  # noqa: E402
from procwire._core import Context  # noqa: E402
from procwire.batching import Batch  # noqa: E402
from procwire.client import Client  # noqa: E402
from procwire.codecs import Codec, MsgpackCodec, RawCodec  # noqa: E402
from procwire.errors import (  # noqa: E402
    AlreadyStartedError,
    BackpressureTimeoutError,
    CodecError,
    HandlerError,
    NotConnectedError,
    ProcwireError,
    ProtocolError,
    ResponseAlreadySentError,
    UnknownEventError,
    UnknownMethodError,
    ValidationError,
)
from procwire.logs import (  # noqa: E402
    RequestFilter,
    current_method,
    current_request_id,
    track_requests,
)
from procwire.middleware import CallNext  # noqa: E402
from procwire.stats import MethodStats, Stats  # noqa: E402
from procwire.threads import BlockingContext  # noqa: E402
from procwire.version import __version__  # noqa: E402

_logs.be_quiet()
if _spawned:
    _startup.watch_main_module()
    # Before user code can start a process that would inherit it.
    _authentication.take_from_environment()

__all__ = [
    "AlreadyStartedError",
    "BackpressureTimeoutError",
    "Batch",
    "BlockingContext",
    "CallNext",
    "Client",
    "Codec",
    "CodecError",
    "Context",
    "HandlerError",
    "MethodStats",
    "MsgpackCodec",
    "NotConnectedError",
    "ProcwireError",
    "ProtocolError",
    "RawCodec",
    "RequestFilter",
    "ResponseAlreadySentError",
    "Stats",
    "UnknownEventError",
    "UnknownMethodError",
    "ValidationError",
    "__version__",
    "current_method",
    "current_request_id",
    "track_requests",
]
