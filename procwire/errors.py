"""Every exception that Procwire raises on purpose; all derive from :class:`ProcwireError`."""

from __future__ import annotations

from typing import Any

__all__ = [
    "AlreadyStartedError",
    "BackpressureTimeoutError",
    "CodecError",
    "HandlerError",
    "NotConnectedError",
    "ProcwireError",
    "ProtocolError",
    "RemoteError",
    "RequestTimeoutError",
    "ResponseAlreadySentError",
    "SchemaChangedError",
    "UnknownEventError",
    "UnknownMethodError",
    "ValidationError",
]


class ProcwireError(Exception):
    """The base of every error of this package."""


class ProtocolError(ProcwireError):
    """A rule of the wire was broken: by the peer's bytes, or by an answer of the wrong kind."""


class CodecError(ProcwireError):
    """A payload cannot be decoded, or a value cannot be encoded.

    The text names what was wrong and, for a value, where: ``$.items[3].id``.
    """


class NotConnectedError(ProcwireError):
    """There is no parent to send to: not yet, or not any more."""


class AlreadyStartedError(ProcwireError):
    """The client has been started; methods and events are fixed from then on."""


class UnknownMethodError(ProcwireError):
    """A method that is not registered was asked for."""


class UnknownEventError(ProcwireError):
    """An event that is not registered was emitted."""


class ResponseAlreadySentError(ProcwireError):
    """The request has had its one end: a response, an ack, a stream end, an error or an abort."""


class BackpressureTimeoutError(ProcwireError):
    """The parent has not read for longer than was allowed."""


class RequestTimeoutError(ProcwireError, TimeoutError):
    """A worker has not answered in time."""


class SchemaChangedError(ProcwireError):
    """Code that is loaded anew offers something else than the parent has been told."""


class RemoteError(ProcwireError):
    """What a worker has answered a request with, instead of a result.

    The text of the exception is the text, or the mapping's ``message``, that the worker has sent.

    Attributes:
        data: All that it has sent: a text, or a mapping as a rule.
    """

    def __init__(self, data: Any) -> None:
        message = data.get("message") if isinstance(data, dict) else data
        super().__init__(message if isinstance(message, str) else repr(data))
        self.data = data

    @property
    def code(self) -> Any:
        """The mapping's ``code``, or ``None``."""
        return self.data.get("code") if isinstance(self.data, dict) else None


class HandlerError(ProcwireError):
    """Raised by a handler to tell the caller what went wrong, with structured details.

    In Node the text is ``err.message`` and everything is in ``err.data``::

        raise HandlerError("no such user", code="E_USER", user_id=7)
        # err.message === "no such user"
        # err.data    === { message: "no such user", code: "E_USER", user_id: 7 }

    Args:
        message: What went wrong, for a person.
        code: What went wrong, for a program; left out of ``err.data`` when ``None``.
        **details: Anything else that the method's caller should see. The values must be
            encodable as MessagePack, whatever codec the method has.
    """

    def __init__(self, message: str, *, code: str | int | None = None, **details: Any) -> None:
        super().__init__(message)
        # HandlerError(error) is written easily, and JavaScript shows nothing but a text.
        self.message = message if isinstance(message, str) else str(message)
        self.code = code
        self.details = details

    def to_payload(self) -> dict[str, Any]:
        """The mapping that travels in the error frame."""
        payload: dict[str, Any] = {"message": self.message}
        if self.code is not None:
            payload["code"] = self.code
        payload.update(self.details)
        # A detail called "message" must not be able to take the text away from JavaScript.
        payload["message"] = self.message
        return payload


class ValidationError(HandlerError):
    """A payload is not what its handler's annotation says; raised before the handler is called.

    In Node the text is ``err.message``, for instance ``$.items[3].id: expected int, got str``, and
    ``err.data`` has ``code: "VALIDATION"`` and the three attributes.

    Attributes:
        path: Where in the payload: ``$`` is all of it.
        expected: What the annotation says, as Python writes it.
        got: What came: a type, or the value where the type was right.
    """

    def __init__(self, path: str, expected: str, got: str, reason: str | None = None) -> None:
        text = f"{path}: expected {expected}, got {got}"
        super().__init__(
            text if reason is None else f"{text} ({reason})",
            code="VALIDATION",
            path=path,
            expected=expected,
            got=got,
        )
        self.path = path
        self.expected = expected
        self.got = got
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.expected, self.got, self.reason)
