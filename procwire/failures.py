"""What the caller and the log are told when a handler fails."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from procwire._msgpack import MsgpackCodec
from procwire.errors import CodecError, HandlerError

__all__ = ["describe", "error_payload", "log_failure"]

_logger = logging.getLogger("procwire")
_codec = MsgpackCodec()


def describe(error: BaseException) -> str:
    """One line that says what went wrong; never raises, whatever the exception's class does.

    The exception's own text, or its class name where it has none.  A ``KeyError``'s text is
    only the key, so its class name comes first.
    """
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:
        return f"{name} (whose text cannot be made)"
    if not text:
        return name
    if isinstance(error, KeyError):
        return f"{name}: {text}"
    return text.encode("utf-8", "backslashreplace").decode()


def error_payload(error: object) -> Any:
    """The value of an error frame for an exception, a text or a mapping; it can be packed.

    JavaScript shows a text as ``err.message``; a mapping's ``message`` likewise, with the whole
    mapping as ``err.data``.
    """
    payload: Any
    if isinstance(error, HandlerError):
        payload = error.to_payload()
    elif isinstance(error, BaseException):
        return describe(error)
    elif isinstance(error, str):
        return error.encode("utf-8", "backslashreplace").decode()
    elif isinstance(error, Mapping):
        payload = dict(error)
    else:
        raise TypeError(
            f"an error is a text, an exception or a mapping, got {type(error).__qualname__}"
        )
    try:
        _codec.encode(payload)
    except CodecError as failure:
        _logger.warning("the details of an error cannot be sent: %s", failure)
        message = payload.get("message")
        return error_payload(message if isinstance(message, str) else f"{failure}")
    return payload


def log_failure(method: str, request_id: int, error: BaseException) -> None:
    """Log a handler's exception: with its traceback, unless it was meant for the caller."""
    if isinstance(error, HandlerError):
        _logger.info("%r answered request #%d with an error: %s", method, request_id, error)
        return
    _logger.error("%r failed on request #%d", method, request_id, exc_info=error)
