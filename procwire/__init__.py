"""Python workers for Node.js programs: the worker side of the Procwire protocol.

The way of a byte: a socket (:mod:`procwire.listener`), the frame reader (``_framing``), the
dispatch (``_worker``), a codec (``_codecs``, ``_msgpack``), your handler (its task: ``_task``),
and back through the frame writer (``_framing``).  The control plane is :mod:`procwire.control`;
:mod:`procwire.client` holds it together.
"""

from procwire import stdio as _stdio

# First of all: from here on nothing that is printed reaches a parent that has spawned us.
_spawned = _stdio.take_if_spawned()

from procwire import startup as _startup  # noqa: E402
from procwire._core import Context  # noqa: E402
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
)
from procwire.threads import BlockingContext  # noqa: E402

__version__ = "0.1.0"

if _spawned:
    _startup.watch_main_module()

__all__ = [
    "AlreadyStartedError",
    "BackpressureTimeoutError",
    "BlockingContext",
    "Client",
    "Codec",
    "CodecError",
    "Context",
    "HandlerError",
    "MsgpackCodec",
    "NotConnectedError",
    "ProcwireError",
    "ProtocolError",
    "RawCodec",
    "ResponseAlreadySentError",
    "UnknownEventError",
    "UnknownMethodError",
    "__version__",
]
