"""What the caller and the log are told when a handler fails."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from procwire.errors import HandlerError

__all__ = ["describe", "error_value", "log_failure", "printable"]

_logger = logging.getLogger("procwire")


def printable(text: str) -> str:
    """The text as UTF-8 can carry it: lone surrogates are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def describe(error: BaseException) -> str:
    """One text that says what went wrong; never raises, whatever the exception's class does.

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
        text = f"{name}: {text}"
    return printable(text)


def error_value(error: object) -> str | dict[str, Any]:
    """The value of an error frame for an exception, a text or a mapping.

    JavaScript shows a text as ``err.message``; a mapping's ``message`` likewise, with the whole
    mapping as ``err.data``.
    """
    if isinstance(error, HandlerError):
        try:
            return error.to_payload()
        except Exception:
            # A subclass that has not called its base class's __init__().
            _logger.warning("the details of %s cannot be told", type(error).__name__)
    if isinstance(error, BaseException):
        return describe(error)
    if isinstance(error, str):
        return printable(error)
    if isinstance(error, Mapping):
        return dict(error)
    raise TypeError(
        f"an error is a text, an exception or a mapping, got {type(error).__qualname__}"
    )


def log_failure(method: str, request_id: int, error: BaseException) -> None:
    """Log a handler's exception: with its traceback, unless it was meant for the caller."""
    if isinstance(error, HandlerError):
        _logger.info("%r answered request #%d with an error: %s", method, request_id, error)
        return
    _logger.error("%r failed on request #%d", method, request_id, exc_info=error)
