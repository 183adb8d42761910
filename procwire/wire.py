"""Who watches the frames of a connection: what ``PROCWIRE_DEBUG`` and ``PROCWIRE_RECORD`` ask for.

Both are looked at once, when a worker starts. Without them its connection is of a class that knows
nothing of observers.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

from procwire._core import (
    FLAG_ACK,
    FLAG_ERROR,
    FLAG_RESPONSE,
    FLAG_STREAM,
    FLAG_STREAM_END,
    METHOD_ID_ABORT,
)

__all__ = ["RECORD_VARIABLE", "FrameLog", "Observer", "Observers", "frame_kind", "observers"]

DEBUG_VARIABLE = "PROCWIRE_DEBUG"
RECORD_VARIABLE = "PROCWIRE_RECORD"

_logger = logging.getLogger("procwire.wire")


class Observer(Protocol):
    """Whoever is shown each frame of a connection; it raises nothing."""

    def __call__(
        self,
        to_parent: bool,
        method_id: int,
        flags: int,
        request_id: int,
        payload: bytes | memoryview,
    ) -> None:
        """Look at a frame, whose payload is lent for the time of the call."""

    def close(self) -> None:
        """The connection has ended."""


def observers(schema: Mapping[str, Any]) -> Observers | None:
    """The observers that the environment asks for; ``None`` when it asks for none.

    Args:
        schema: What the worker announces.

    Raises:
        OSError: the recording cannot be written.
    """
    wanted: list[Observer] = []
    if os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0"):
        wanted.append(FrameLog(schema))
    if path := os.environ.get(RECORD_VARIABLE):
        # Here, since few need what it imports.
        from procwire.recording import Recorder

        wanted.append(Recorder(path.replace("{pid}", str(os.getpid())), schema))
    return Observers(wanted) if wanted else None


class Observers:
    """Several observers as one."""

    def __init__(self, observers: list[Observer]) -> None:
        self._observers = observers

    def __call__(
        self,
        to_parent: bool,
        method_id: int,
        flags: int,
        request_id: int,
        payload: bytes | memoryview,
    ) -> None:
        """Show them all a frame."""
        for observer in self._observers:
            observer(to_parent, method_id, flags, request_id, payload)

    def close(self) -> None:
        """Tell them all that the connection has ended."""
        for observer in self._observers:
            observer.close()


class FrameLog:
    """Logs the header of each frame to ``procwire.wire``, at level ``DEBUG``.

    Nobody has to configure logging for it: the records go to standard error then.

    Args:
        schema: What the worker announces, for the names.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._methods = {method["id"]: name for name, method in schema["methods"].items()}
        self._events = {event["id"]: name for name, event in schema["events"].items()}
        # By id: the names of requests that have had no end, and when they came.
        self._open: dict[int, tuple[str, float]] = {}
        _logger.setLevel(logging.DEBUG)
        if not _is_heard(_logger):
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(
                logging.Formatter("%(asctime)s.%(msecs)03d %(name)s %(message)s", "%H:%M:%S")
            )
            _logger.addHandler(handler)

    def __call__(
        self,
        to_parent: bool,
        method_id: int,
        flags: int,
        request_id: int,
        payload: bytes | memoryview,
    ) -> None:
        """Log a frame."""
        kind = frame_kind(to_parent, method_id, flags)
        now = time.perf_counter()
        begun: float | None = None
        if kind == "event":
            name = self._events.get(method_id, f"?{method_id}")
        elif kind == "abort":
            name, begun = self._open.pop(request_id, ("?", now))
        else:
            name = self._methods.get(method_id, f"?{method_id}")
            if not to_parent and request_id:
                self._open[request_id] = name, now
            elif request_id in self._open:
                begun = self._open[request_id][1]
                if kind != "chunk":
                    del self._open[request_id]
        _logger.debug(
            "%s %s #%d %s flags=0x%02x %d bytes%s",
            "->" if to_parent else "<-",
            name,
            request_id,
            kind,
            flags,
            len(payload),
            "" if begun is None else f" after {(now - begun) * 1000:.3f} ms",
        )

    def close(self) -> None:
        """Nothing is open."""


def frame_kind(to_parent: bool, method_id: int, flags: int) -> str:
    """What a frame is: ``request``, ``abort``, ``result``, ``ack``, ``chunk``, ``end``, ``error``
    or ``event``.
    """
    if not to_parent:
        return "abort" if method_id == METHOD_ID_ABORT else "request"
    if not flags & FLAG_RESPONSE:
        return "event"
    for flag, kind in (
        (FLAG_ERROR, "error"),
        (FLAG_STREAM_END, "end"),
        (FLAG_STREAM, "chunk"),
        (FLAG_ACK, "ack"),
    ):
        if flags & flag:
            return kind
    return "result"


def _is_heard(logger: logging.Logger | None) -> bool:
    """Whether a record of this logger goes anywhere."""
    while logger is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False
