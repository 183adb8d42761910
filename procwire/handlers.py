"""What kind of function a handler is, and what follows from that."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["RESPONSE_KINDS", "HandlerShape", "ResponseKind", "inspect_handler"]

ResponseKind = Literal["result", "stream", "ack", "none"]
RESPONSE_KINDS: tuple[ResponseKind, ...] = ("result", "stream", "ack", "none")


@dataclass(frozen=True)
class HandlerShape:
    """How a handler is to be called.

    Attributes:
        form: Where it runs and how it is driven; the names are those of the dispatcher.
        response: What the method answers with.
        takes_context: Whether it has a second parameter, for the request's context.
        is_split: Whether it returns what its codec makes the chunks of: it is then to be made the
            generator that ``form`` says.
    """

    form: str
    response: ResponseKind
    takes_context: bool
    is_split: bool = False


def inspect_handler(
    function: Callable[..., Any],
    response: ResponseKind | None,
    sync_to_thread: bool,
    codec_splits: bool = False,
) -> HandlerShape:
    """Look at a handler once, when it is registered.

    Args:
        function: The handler.
        response: What the method answers with, if that has been said.
        sync_to_thread: Whether plain functions run in a thread.
        codec_splits: Whether the codec of the answers can make chunks of a value.

    Raises:
        TypeError: it cannot be called as a handler is.
        ValueError: it cannot answer in the way that ``response`` says.
    """
    if not callable(function):
        raise TypeError(f"a handler is a function, got {type(function).__qualname__}")
    if response is not None and response not in RESPONSE_KINDS:
        raise ValueError(f"response is one of {', '.join(RESPONSE_KINDS)}; got {response!r}")
    form, yields = _form_of(function, sync_to_thread)
    takes_context = _takes_context(function)
    if response is None:
        response = "stream" if yields else "result"
    elif yields and response != "stream":
        raise ValueError(f"a generator streams, it cannot give a response of {response!r}")
    is_split = response == "stream" and not yields and not takes_context
    if is_split:
        if not codec_splits:
            raise ValueError(
                "a stream handler yields its chunks, or takes the context and calls ctx.chunk()"
            )
        form = "async generator" if form == "coroutine" else f"{form} generator"
    return HandlerShape(form, response, takes_context, is_split)


def _form_of(function: Callable[..., Any], sync_to_thread: bool) -> tuple[str, bool]:
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function) and not inspect.isclass(function):
        # An object with __call__ is what its __call__ is.
        function = type(function).__call__
    if inspect.isasyncgenfunction(function):
        return "async generator", True
    if inspect.iscoroutinefunction(function):
        return "coroutine", False
    where = "thread" if sync_to_thread else "inline"
    if inspect.isgeneratorfunction(function):
        return f"{where} generator", True
    return where, False


def _takes_context(function: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:
        # Some functions written in C tell nothing about their parameters.
        return False
    positional = []
    for parameter in signature.parameters.values():
        required = parameter.default is parameter.empty
        if parameter.kind is parameter.KEYWORD_ONLY and required:
            raise TypeError(f"a handler is called with data and ctx, not with {parameter.name!r}")
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional.append(parameter)
        if parameter.kind is parameter.VAR_POSITIONAL and not positional:
            positional.append(parameter)
    needed = [item for item in positional if item.default is item.empty]
    if not positional or len(needed) > 2:
        raise TypeError(
            f"a handler takes the data, or the data and the context; this one takes {signature}"
        )
    # A second parameter with a default is the handler's own affair, unless it is called ctx.
    return len(positional) >= 2 and (len(needed) == 2 or positional[1].name == "ctx")
