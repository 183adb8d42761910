"""Python's types in TypeScript.

A type may be written in two ways, since a value is not the same on both ends of a codec: a field
with a default may be left out by who sends, and is there for who receives; bytes may be sent as any
``Uint8Array``, and arrive as a ``Buffer``.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Literal

from msgspec import inspect

from procwire.annotations import UNKNOWN
from procwire.typed.models import is_model
from procwire.typed.shapes import (
    ARRAYS,
    Shape,
    fields_of,
    is_array,
    is_object,
    tag_of,
    unwrap,
    walk,
)

__all__ = ["Direction", "Types"]

Direction = Literal["sent", "received"]
"""As the parent sees it."""

_NAMES: dict[type[Shape], str] = {
    inspect.NoneType: "null",
    inspect.BoolType: "boolean",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.StrType: "string",
    inspect.DateTimeType: "Date",
    inspect.DateType: "string",
    inspect.TimeType: "string",
    inspect.TimeDeltaType: "string",
    inspect.UUIDType: "string",
}

_BYTES = (inspect.BytesType, inspect.ByteArrayType, inspect.MemoryViewType)

_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


class Types:
    """The types of one module, and what they are called there.

    Args:
        reserved: Names that stand for something else.
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = set(reserved)
        # What stands behind each name, in the order in which they were met.
        self._declared: dict[str, str] = {}
        # Names by class, or by shape where that is no class of its own, and direction.
        self._names: dict[tuple[object, Direction], str] = {}
        self._sent: set[object] = set()
        self._received: set[object] = set()
        self._shapes: dict[int, tuple[Any, Shape | None]] = {}

    def note(self, annotation: Any, direction: Direction) -> None:
        """Tell of all types before the first is written: their names depend on each other."""
        seen = self._sent if direction == "sent" else self._received
        todo = [self._shape_of(annotation)]
        while todo:
            shape = todo.pop()
            for part in () if shape is None else walk(shape):
                if _key(part) in seen:
                    continue
                if is_object(part) or isinstance(part, inspect.CustomType):
                    seen.add(_key(part))
                if isinstance(part, inspect.CustomType) and is_model(part.cls):
                    todo += [self._shape_of(field.annotation) for _, field in _model_fields(part)]

    def text(self, annotation: Any, direction: Direction) -> str:
        """The type as TypeScript has it; ``unknown`` for what it has no word for."""
        shape = self._shape_of(annotation)
        if shape is not None:
            return self._text(shape, direction)
        if typing.get_origin(annotation) in (typing.Union, types.UnionType):
            return _union(self.text(part, direction) for part in typing.get_args(annotation))
        return "unknown"

    def declarations(self) -> list[str]:
        """What the names stand for."""
        return [self._declared[name] for name in sorted(self._declared)]

    def _shape_of(self, annotation: Any) -> Shape | None:
        if annotation is UNKNOWN:
            return None
        known = self._shapes.get(id(annotation))
        if known is None:
            try:
                shape = inspect.type_info(annotation)
            except TypeError:
                shape = None
            known = self._shapes[id(annotation)] = (annotation, shape)
        return known[1]

    def _text(self, shape: Shape, direction: Direction) -> str:
        shape = unwrap(shape)
        if isinstance(shape, inspect.UnionType):
            return _union(self._text(part, direction) for part in shape.types)
        if isinstance(shape, inspect.LiteralType):
            return _union(map(json.dumps, shape.values))
        if isinstance(shape, inspect.EnumType):
            return self._named(shape, "received", _enum(shape.cls))
        if isinstance(shape, _BYTES):
            return "Uint8Array" if direction == "sent" else "Buffer"
        if isinstance(shape, inspect.DecimalType):
            return "string | number" if direction == "sent" else "string"
        if isinstance(shape, ARRAYS):
            item = self._text(shape.item_type, direction)
            return f"{item}[]" if _IDENTIFIER.fullmatch(item) else f"Array<{item}>"
        if isinstance(shape, inspect.DictType):
            return f"Record<string, {self._text(shape.value_type, direction)}>"
        if is_array(shape):
            return self._tuple(shape, direction)
        if is_object(shape) or (isinstance(shape, inspect.CustomType) and is_model(shape.cls)):
            return self._interface(shape, direction)
        return _NAMES.get(type(shape), "unknown")

    def _tuple(self, shape: Shape, direction: Direction) -> str:
        if isinstance(shape, inspect.TupleType):
            return f"[{', '.join(self._text(item, direction) for item in shape.item_types)}]"
        tag = tag_of(shape)
        items = [] if tag is None else [f"{tag[0]}: {json.dumps(tag[1])}"]
        for field in fields_of(shape):
            mark = "?" if direction == "sent" and not field.required else ""
            items.append(f"{field.name}{mark}: {self._text(field.type, direction)}")
        return f"[{', '.join(items)}]"

    def _interface(self, shape: Shape, direction: Direction) -> str:
        known = self._names.get((_key(shape), direction))
        if known is not None:
            return known
        # Before its fields are written, which may be of this type again.
        name = self._new_name(shape, direction)
        lines = [f"  {field};" for field in self._fields(shape, direction)]
        self._declared[name] = "\n".join([f"export interface {name} {{", *lines, "}"])
        return name

    def _fields(self, shape: Shape, direction: Direction) -> list[str]:
        tag = tag_of(shape)
        fields = [] if tag is None else [f"{_property(tag[0])}: {json.dumps(tag[1])}"]
        if isinstance(shape, inspect.CustomType):
            for name, field in _model_fields(shape):
                optional = direction == "sent" and not field.is_required()
                text = self.text(field.annotation, direction)
                fields.append(f"{_property(name)}{'?' if optional else ''}: {text}")
        for field in fields_of(shape):
            # What a TypedDict need not have is missing on the way back as well.
            optional = not field.required and (
                direction == "sent" or isinstance(shape, inspect.TypedDictType)
            )
            text = self._text(field.type, direction)
            fields.append(f"{_property(field.encode_name)}{'?' if optional else ''}: {text}")
        return fields

    def _named(self, shape: inspect.EnumType, direction: Direction, text: str) -> str:
        known = self._names.get((_key(shape), direction))
        if known is None:
            known = self._new_name(shape, direction)
            self._declared[known] = f"export type {known} = {text};"
        return known

    def _new_name(self, shape: Shape, direction: Direction) -> str:
        key = _key(shape)
        cls = getattr(shape, "cls", type(shape))
        name = "".join(re.findall(r"\w+", cls.__name__, re.ASCII)) or "Type"
        if not _differs(shape):
            directions: Sequence[Direction] = ("sent", "received")
        else:
            directions = (direction,)
            if direction == "sent" and key in self._received:
                name += "Input"
        number = 2
        unique = name
        while unique in self._taken:
            unique, number = f"{name}{number}", number + 1
        self._taken.add(unique)
        for each in directions:
            self._names[key, each] = unique
        return unique


def _key(shape: Shape) -> object:
    """What is the same type: a class, unless it has parameters."""
    cls = getattr(shape, "cls", None)
    return id(shape) if cls is None or hasattr(cls, "__parameters__") else cls


def _differs(shape: Shape) -> bool:
    """Whether who sends it may write it otherwise than who receives it will see it."""
    for part in walk(shape):
        if isinstance(part, (*_BYTES, inspect.DecimalType, inspect.CustomType)):
            return True
        if not isinstance(part, inspect.TypedDictType) and any(
            not field.required for field in fields_of(part)
        ):
            return True
    return False


def _model_fields(shape: inspect.CustomType) -> list[tuple[str, Any]]:
    """The fields of a pydantic model, by the names that they have in a payload."""
    fields = getattr(shape.cls, "model_fields", None) or getattr(
        shape.cls, "__pydantic_fields__", {}
    )
    return [(field.validation_alias or name, field) for name, field in fields.items()]


def _enum(cls: type[Enum]) -> str:
    return _union(json.dumps(member.value) for member in cls)


def _union(parts: Iterable[str]) -> str:
    texts = list(dict.fromkeys(parts))
    return "unknown" if "unknown" in texts else " | ".join(texts)


def _property(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)
