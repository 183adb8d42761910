"""What JavaScript cannot say, read from what it says instead.

A number has no type there: whole ones of 2**53 and more travel as floats. ``undefined`` travels as
nil. The strict decoder refuses both where the type asks for something else; then the payload,
decoded without types, is made what was meant, as far as the type says what that is. String keys
need nothing done here: :func:`msgspec.convert` reads them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from msgspec import inspect

from procwire.typed.shapes import (
    ARRAYS,
    Shape,
    fields_of,
    is_array,
    is_object,
    member_for,
    tag_of,
    unwrap,
)

__all__ = ["Leniency"]

_Change = Callable[[Any], Any]

_ANY = inspect.AnyType()
"""One for all: what is looked up by a type's identity is kept."""


class Leniency:
    """Reads what JavaScript meant.

    Args:
        nil_as_missing: Whether ``None`` stands for a field's default where it is no value.
    """

    def __init__(self, *, nil_as_missing: bool) -> None:
        self._nil_as_missing = nil_as_missing
        # Made when a value of the type comes: types may contain themselves.
        self._changes: dict[int, tuple[Shape, _Change]] = {}

    def apply(self, shape: Shape, value: Any) -> Any:
        """The value as such a type has it; what is wrong with it stays as it is."""
        shape = unwrap(shape)
        known = self._changes.get(id(shape))
        if known is None:
            # With the shape, so that its id stays its own.
            known = self._changes[id(shape)] = (shape, self._change(shape))
        return known[1](value)

    def _change(self, shape: Shape) -> _Change:
        if _is_integer(shape):
            return _whole
        if isinstance(shape, inspect.UnionType):
            return lambda value: self._union(shape, value)
        if isinstance(shape, inspect.DictType):
            return lambda value: self._dict(shape, value)
        if is_object(shape):
            return lambda value: self._object(shape, value)
        if is_array(shape):
            return lambda value: self._array(shape, value)
        return lambda value: value

    def _union(self, shape: inspect.UnionType, value: Any) -> Any:
        member = member_for(shape, value)
        return value if member is shape else self.apply(member, value)

    def _dict(self, shape: inspect.DictType, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: self.apply(shape.value_type, item) for key, item in value.items()}

    def _object(self, shape: Shape, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        changed = dict(value)
        for field in fields_of(shape):
            name = field.encode_name
            if name not in changed:
                continue
            if changed[name] is None and self._is_missing(field):
                del changed[name]
            else:
                changed[name] = self.apply(field.type, changed[name])
        return changed

    def _is_missing(self, field: inspect.Field) -> bool:
        return self._nil_as_missing and not field.required and not _admits_none(field.type)

    def _array(self, shape: Shape, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if isinstance(shape, ARRAYS):
            return [self.apply(shape.item_type, item) for item in value]
        if isinstance(shape, inspect.TupleType):
            shapes = list(shape.item_types)
        else:
            shapes = [field.type for field in fields_of(shape)]
            if tag_of(shape) is not None:
                shapes.insert(0, _ANY)
        # Of an array of another length the decoder will say so.
        changed = [self.apply(item, part) for item, part in zip(shapes, value, strict=False)]
        return changed + value[len(changed) :]


def _is_integer(shape: Shape) -> bool:
    if isinstance(shape, inspect.EnumType):
        return issubclass(shape.cls, enum.Enum) and any(
            isinstance(member.value, int) for member in shape.cls
        )
    if isinstance(shape, inspect.LiteralType):
        return any(isinstance(value, int) for value in shape.values)
    return isinstance(shape, inspect.IntType)


def _whole(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _admits_none(shape: Shape) -> bool:
    shape = unwrap(shape)
    if isinstance(shape, inspect.UnionType):
        return any(_admits_none(member) for member in shape.types)
    return isinstance(shape, inspect.AnyType | inspect.NoneType | inspect.RawType)
