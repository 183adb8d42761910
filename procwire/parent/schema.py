"""What a module declares, what its worker says that it offers, and whether that fits."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from procwire.codecs import Codec
from procwire.handlers import ResponseKind
from procwire.parent.errors import SchemaError
from procwire.registrations import MAX_METHOD_ID

__all__ = ["Declarations", "Init", "MethodDeclaration", "check", "parse_init"]

KINDS = ("result", "stream", "ack", "none")


@dataclass(frozen=True)
class MethodDeclaration:
    """A method that a module calls."""

    response: ResponseKind
    request_codec: Codec
    response_codec: Codec
    timeout: float | None
    cancellable: bool


@dataclass(frozen=True)
class Declarations:
    """All that a module calls and listens to, by name."""

    methods: dict[str, MethodDeclaration]
    events: dict[str, Codec]


@dataclass(frozen=True)
class OfferedMethod:
    """A method as its worker announces it; the timeout is in seconds."""

    id: int
    response: str
    timeout: float | None


@dataclass(frozen=True)
class Init:
    """A worker's announcement."""

    path: str
    methods: dict[str, OfferedMethod]
    events: dict[str, int]


def parse_init(params: Any) -> Init:
    """The parameters of ``$init``.

    Raises:
        SchemaError: they are not what they must be.
    """
    try:
        schema = params["schema"]
        methods = {
            name: OfferedMethod(
                _identifier(method["id"]), _kind(method["response"]), _timeout(method)
            )
            for name, method in schema["methods"].items()
        }
        events = {name: _identifier(event["id"]) for name, event in schema["events"].items()}
        path = params["pipe"]
        if not isinstance(path, str):
            raise TypeError("the pipe is no text")
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        shown = json.dumps(params)[:200]
        raise SchemaError(f"the worker's $init is malformed ({error!r}): {shown}") from None
    return Init(path, methods, events)


def check(declared: Declarations, offered: Init) -> None:
    """Whether a worker offers what its module declares.

    Raises:
        SchemaError: a method or an event is missing, or a method answers otherwise.
    """
    for name, method in declared.methods.items():
        found = offered.methods.get(name)
        if found is None:
            raise SchemaError(f"the worker has no method {name!r}")
        if found.response != method.response:
            raise SchemaError(
                f"the method {name!r} is declared with response {method.response!r}, "
                f"the worker's is {found.response!r}"
            )
    for name in declared.events:
        if name not in offered.events:
            raise SchemaError(f"the worker has no event {name!r}")


def _identifier(value: Any) -> int:
    if not isinstance(value, int) or not 1 <= value <= MAX_METHOD_ID:
        raise ValueError(f"an id is from 1 to {MAX_METHOD_ID}, got {value!r}")
    return value


def _kind(value: Any) -> str:
    if value not in KINDS:
        raise ValueError(f"there is no response {value!r}")
    return str(value)


def _timeout(method: dict[str, Any]) -> float | None:
    milliseconds = method.get("timeout")
    if milliseconds is None:
        return None
    if not isinstance(milliseconds, int | float) or not math.isfinite(milliseconds):
        raise ValueError(f"a timeout is a number, got {milliseconds!r}")
    return milliseconds / 1000
