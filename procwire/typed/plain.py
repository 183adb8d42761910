"""Annotations that the values of the codec itself have, so that nothing need be made of them."""

from __future__ import annotations

import collections.abc
import datetime
import types
import typing
from typing import Any

from procwire.annotations import LISTS

__all__ = ["is_plain", "name_of"]

_SCALARS = (None, types.NoneType, bool, int, float, str, bytes, datetime.datetime, Any, object)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_UNIONS = (typing.Union, types.UnionType)


def is_plain(annotation: Any) -> bool:
    """Whether a payload that is in order has that type when the codec has decoded it."""
    if annotation in _SCALARS or annotation in (*LISTS, *_MAPPINGS):
        return True
    if typing.is_typeddict(annotation):
        hints = typing.get_type_hints(annotation)
        return all(is_plain(hint) for hint in hints.values())
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return is_plain(arguments[0])
    if origin is typing.Literal:
        return True
    if origin in _UNIONS or origin in LISTS:
        return all(is_plain(argument) for argument in arguments)
    if origin in _MAPPINGS:
        # JavaScript's keys are strings.
        return arguments[0] in (str, Any) and is_plain(arguments[1])
    return False


def name_of(annotation: Any) -> str:
    """The annotation as a person writes it."""
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return annotation.__qualname__
    return str(annotation).replace("typing.", "")
