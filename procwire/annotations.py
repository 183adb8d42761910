"""What a handler's annotations say about the values that it takes and gives."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from procwire.handlers import ResponseKind

__all__ = ["FROM_ANNOTATION", "UNKNOWN", "answer_type", "data_type", "resolve"]

UNKNOWN: Final = inspect.Parameter.empty
"""The type of what nothing is said about."""


class _FromAnnotation:
    def __repr__(self) -> str:
        return "FROM_ANNOTATION"


FROM_ANNOTATION: Final = _FromAnnotation()
"""The default of options that say what an annotation says as well."""

_ITERATORS = (
    collections.abc.AsyncGenerator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncIterator,
    collections.abc.Generator,
    collections.abc.Iterable,
    collections.abc.Iterator,
)
LISTS = (
    list,
    collections.abc.Collection,
    collections.abc.Iterable,
    collections.abc.MutableSequence,
    collections.abc.Sequence,
)
"""What an annotation may call a list."""


def data_type(function: Callable[..., Any], *, batch: bool) -> Any:
    """The type that a handler's first parameter is annotated with; ``UNKNOWN`` without one.

    Args:
        function: The handler.
        batch: Whether it takes a list; then it is the type of one item.

    Raises:
        NameError: the annotation is a text with names that are not defined (yet).
        TypeError: a batch handler is annotated with something else than a list.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        # Some functions written in C tell nothing about their parameters.
        return UNKNOWN
    annotation = parameters[0].annotation
    if annotation is UNKNOWN:
        return UNKNOWN
    annotation = resolve(annotation, function)
    return _item_type(annotation) if batch else annotation


def answer_type(
    function: Callable[..., Any], response: ResponseKind, *, takes_context: bool, batch: bool
) -> Any:
    """The type of a handler's answer, of one chunk or of one item; ``UNKNOWN`` without one.

    That a handler with a context returns ``None`` says nothing about what it answers with.

    Raises:
        NameError: the annotation is a text with names that are not defined (yet).
        TypeError: a batch handler is annotated with something else than a list.
    """
    try:
        annotation = inspect.signature(function).return_annotation
    except ValueError:
        return UNKNOWN
    if annotation is UNKNOWN:
        return UNKNOWN
    annotation = resolve(annotation, function)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if response == "stream":
        return arguments[0] if origin in _ITERATORS else UNKNOWN
    if origin in (collections.abc.Awaitable, collections.abc.Coroutine):
        # What a plain function hands out is awaited.
        annotation = arguments[-1]
    if takes_context and annotation is types.NoneType:
        return UNKNOWN
    return _without_exceptions(_item_type(annotation)) if batch else annotation


def resolve(annotation: Any, function: Callable[..., Any]) -> Any:
    """An annotation with all names in it looked up, where the function was defined.

    Raises:
        NameError: a name is not defined (yet).
    """
    holder = SimpleNamespace(__annotations__={"it": annotation})
    return typing.get_type_hints(holder, _namespace(function), include_extras=True)["it"]


def _namespace(function: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    if not inspect.isroutine(function) and not inspect.isclass(function):
        function = inspect.unwrap(type(function).__call__)
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    return getattr(function, "__globals__", None) or getattr(module, "__dict__", {})


def _item_type(annotation: Any) -> Any:
    if annotation in (Any, object, list):
        return UNKNOWN
    if typing.get_origin(annotation) not in LISTS:
        raise TypeError(
            f"a batch handler takes and returns lists, its annotation is {annotation!r}"
        )
    return typing.get_args(annotation)[0]


def _without_exceptions(annotation: Any) -> Any:
    """The type of an item of a batch's answers, which may be an exception instead."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    types_ = tuple(
        item
        for item in typing.get_args(annotation)
        if not (inspect.isclass(item) and issubclass(item, BaseException))
    )
    return typing.Union[types_] if types_ else UNKNOWN  # noqa: UP007 - of a tuple
