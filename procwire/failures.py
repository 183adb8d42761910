"""What the caller and the log are told when a handler fails.

Nothing here raises, whatever an exception's class does: the caller's one answer depends on it.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from procwire.errors import HandlerError
from procwire.outgoing import MAX_SAFE_INTEGER, MAX_STRING_LENGTH

__all__ = [
    "MAX_TRACEBACK",
    "describe",
    "error_value",
    "explain_start",
    "log_about",
    "log_failure",
    "log_unsendable",
    "printable",
    "reductions",
]

MAX_TRACEBACK = 65_536
"""Characters of a traceback that are sent; of a longer one the end, which says what happened."""

MAX_CODE_LENGTH = 200
"""Characters of a ``code`` or ``name`` that is still sent when other details cannot be."""

MAX_CAUSES = 8
"""Causes and parts of a failed start that its parent is told."""

_logger = logging.getLogger("procwire.requests")


def printable(text: str) -> str:
    """The text as UTF-8 can carry it: lone surrogates are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def describe(error: BaseException) -> str:
    """One text that says what went wrong.

    The exception's own text, or its class name where it has none.  A ``KeyError``'s text is
    only the key, so its class name comes first.
    """
    name = type(error).__name__
    try:
        text = printable(str(error))
    except BaseException:
        return f"{name} (whose text cannot be made)"
    if not text:
        return name
    if isinstance(error, KeyError):
        text = f"{name}: {text}"
    return text


def explain_start(error: BaseException) -> str:
    """Why a start failed, in one text: the exception, its causes, and the parts of a group."""
    parts: list[str] = []
    todo: list[tuple[str, BaseException]] = [("", error)]
    while todo and len(parts) < MAX_CAUSES:
        relation, error = todo.pop(0)
        name, text = type(error).__name__, describe(error)
        parts.append(relation + (text if text.startswith(name) else f"{name}: {text}"))
        if isinstance(error, BaseExceptionGroup):
            todo += [("; in it ", part) for part in error.exceptions]
        if error.__cause__ is not None:
            todo.append(("; caused by ", error.__cause__))
    return "".join(parts)


def error_value(
    error: object, *, with_name: bool = False, with_traceback: bool = False
) -> str | dict[str, Any]:
    """The value of an error frame for an exception, a text or a mapping.

    JavaScript shows a text as ``err.message``; a mapping's ``message`` likewise, with the whole
    mapping as ``err.data``.

    Args:
        error: What is to be told.
        with_name: Whether the class name of an exception that is no ``HandlerError`` is told.
        with_traceback: Whether its traceback is.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(error, HandlerError):
        try:
            payload = dict(error.to_payload())
            if isinstance(payload.get("message"), str):
                payload["message"] = printable(payload["message"])
        except BaseException:
            # A subclass that has not called its base class's __init__(), for instance.
            _log(logging.WARNING, "the details of %s cannot be told", type(error).__name__)
        else:
            return payload
    if isinstance(error, BaseException):
        text = describe(error)
        if not with_name and not with_traceback:
            return text
        value: dict[str, Any] = {"message": text, "name": printable(type(error).__name__)}
        if with_traceback:
            value["traceback"] = _format(error)
        return value
    if isinstance(error, str):
        return printable(error)
    if isinstance(error, Mapping):
        return dict(error)
    raise TypeError(
        f"an error is a text, an exception or a mapping, got {type(error).__qualname__}"
    )


def reductions(value: object, max_payload_size: int) -> Iterator[object]:
    """An error's value, and for the case that it cannot be sent, ever less of it.

    First without the details that may be at fault, then nothing but a text that fits.
    """
    yield value
    fields = value if isinstance(value, dict) else {"message": value}
    message = fields.get("message")
    text = printable(message) if isinstance(message, str) else "an error without a text"
    # A character has 4 bytes at most, and the text's own length up to 5.
    room = min(max(0, (max_payload_size - 5) // 4), MAX_STRING_LENGTH)
    kept = {key: fields[key] for key in ("code", "name") if _is_plain(fields.get(key))}
    if kept:
        # As much as these may take, with their keys.
        yield {"message": text[: max(0, room - 3 * MAX_CODE_LENGTH)], **kept}
    yield text[:room]


def _is_plain(value: object) -> bool:
    if type(value) is str:
        return len(value) <= MAX_CODE_LENGTH
    return type(value) is int and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER


def log_failure(method: str, request_id: int, error: BaseException, *, told: bool = True) -> None:
    """Log a handler's exception: with its traceback, unless it was meant for the caller.

    Args:
        method: The handler's method.
        request_id: Its request.
        error: What it has raised.
        told: Whether the caller gets to know of it; if not, the log is the only place to say so.
    """
    if isinstance(error, HandlerError):
        level, text = (
            (logging.INFO, "%r answered request #%d with an error: %s")
            if told
            else (logging.WARNING, "%r failed on request #%d, whose caller is not told: %s")
        )
        log_about(method, request_id, level, text, method, request_id, error)
        return
    log_about(
        method, request_id, logging.ERROR, "%r failed on request #%d",
        method, request_id, error=error,
    )  # fmt: skip


def log_about(
    method: str,
    request_id: int,
    level: int,
    message: str,
    *arguments: object,
    error: BaseException | None = None,
) -> None:
    """Log something about a request, which the record names."""
    about = {"method": method, "request_id": request_id}
    _log(level, message, *arguments, exc_info=error, extra=about)


def log_unsendable(error: BaseException) -> None:
    """Log why an error frame has less in it than the handler said."""
    _log(logging.WARNING, "an error cannot be sent as it is: %s", describe(error))


def _log(level: int, message: str, *arguments: object, **options: Any) -> None:
    try:
        _logger.log(level, message, *arguments, **options)
    except BaseException as error:
        # A filter or a handler of the user's, or the text of an exception.
        with suppress(Exception):
            print(f"procwire: logging failed with {type(error).__name__}", file=sys.stderr)


def _format(error: BaseException) -> str:
    try:
        text = printable("".join(traceback.format_exception(error)))
    except BaseException:
        return "(a traceback that cannot be made)"
    return text if len(text) <= MAX_TRACEBACK else f"…{text[-MAX_TRACEBACK:]}"
