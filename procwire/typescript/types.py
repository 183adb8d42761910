"""Python's types in TypeScript.

A type may be written in two ways, since a value is not the same on both ends of a codec: a field
with a default may be left out by who sends, and is there for who receives; bytes may be sent as any
``Uint8Array``, and arrive as a ``Buffer``.
"""

from __future__ import annotations

import itertools
import json
import re
import types
import typing
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Literal

from msgspec import UnsetType, inspect, structs

from procwire.annotations import UNKNOWN
from procwire.conversions import is_written_out
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
from procwire.typescript.models import ModelField, is_root, received_fields, sent_fields

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

_RESERVED_WORDS = {
    "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete",
    "do", "else", "enum", "export", "extends", "false", "finally", "for", "function", "if",
    "import", "in", "instanceof", "new", "null", "return", "super", "switch", "this", "throw",
    "true", "try", "typeof", "var", "void", "while", "with",
}  # fmt: skip


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
                    todo += [
                        self._shape_of(field.annotation) for field in _model_fields(part, direction)
                    ]

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
            return self._named(shape, "received")
        if isinstance(shape, _BYTES):
            return "Uint8Array" if direction == "sent" else "Buffer"
        if isinstance(shape, inspect.DecimalType):
            return "string | number" if direction == "sent" else "string"
        if isinstance(shape, ARRAYS):
            item = self._text(shape.item_type, direction)
            return f"{item}[]" if _IDENTIFIER.fullmatch(item) else f"Array<{item}>"
        if isinstance(shape, inspect.DictType):
            # A type may be made of itself in here, which it may not be in a Record.
            return f"{{ [key: string]: {self._text(shape.value_type, direction)} }}"
        if is_array(shape):
            return self._tuple(shape, direction)
        if is_object(shape) or (isinstance(shape, inspect.CustomType) and is_model(shape.cls)):
            return self._named(shape, direction)
        if isinstance(shape, inspect.CustomType) and is_written_out(shape.cls):
            return "string"
        return _NAMES.get(type(shape), "unknown")

    def _tuple(self, shape: Shape, direction: Direction) -> str:
        if isinstance(shape, inspect.TupleType):
            return f"[{', '.join(self._text(item, direction) for item in shape.item_types)}]"
        tag = tag_of(shape)
        items = [] if tag is None else [(tag[0], json.dumps(tag[1]), "")]
        may_be_missing = _may_be_missing(shape, direction)
        for field in fields_of(shape):
            mark = "?" if field.encode_name in may_be_missing else ""
            items.append((field.name, self._text(field.type, direction), mark))
        if all(_is_label(name) for name, _, _ in items):
            return f"[{', '.join(f'{name}{mark}: {text}' for name, text, mark in items)}]"
        return f"[{', '.join(f'({text})?' if mark else text for _, text, mark in items)}]"

    def _named(self, shape: Shape, direction: Direction) -> str:
        name = self._names.get((_key(shape), direction))
        if name is None:
            # Before it is declared, since it may be made of itself.
            name = self._new_name(shape, direction)
            self._declared[name] = self._declaration(name, shape, direction)
        return name

    def _declaration(self, name: str, shape: Shape, direction: Direction) -> str:
        if isinstance(shape, inspect.EnumType):
            return f"export type {name} = {_enum(shape.cls)};"
        if isinstance(shape, inspect.CustomType) and is_root(shape.cls):
            root, *_ = _model_fields(shape, direction)
            return f"export type {name} = {self.text(root.annotation, direction)};"
        lines = [f"  {field};" for field in self._fields(shape, direction)]
        return "\n".join([f"export interface {name} {{", *lines, "}"])

    def _fields(self, shape: Shape, direction: Direction) -> list[str]:
        tag = tag_of(shape)
        fields = [] if tag is None else [f"{_property(tag[0])}: {json.dumps(tag[1])}"]
        if isinstance(shape, inspect.CustomType):
            for name, annotation, optional in _model_fields(shape, direction):
                text = self.text(annotation, direction)
                fields.append(f"{_property(name)}{'?' if optional else ''}: {text}")
        may_be_missing = _may_be_missing(shape, direction)
        for field in fields_of(shape):
            mark = "?" if field.encode_name in may_be_missing else ""
            text = self._text(field.type, direction)
            fields.append(f"{_property(field.encode_name)}{mark}: {text}")
        return fields

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
    if is_model(cls):
        # Of parameters pydantic makes another class.
        return cls
    return id(shape) if cls is None or hasattr(cls, "__parameters__") else cls


def _differs(shape: Shape) -> bool:
    """Whether who sends it may write it otherwise than who receives it will see it."""
    return any(
        isinstance(part, (*_BYTES, inspect.DecimalType, inspect.CustomType))
        or _may_be_missing(part, "sent") != _may_be_missing(part, "received")
        for part in walk(shape)
    )


def _may_be_missing(shape: Shape, direction: Direction) -> set[str]:
    """The fields that need not be there, by their names in a payload."""
    fields = fields_of(shape)
    if is_array(shape):
        # Nothing is left out in the middle of an array.
        last = itertools.takewhile(lambda field: not field.required, reversed(fields))
        return {field.encode_name for field in last} if direction == "sent" else set()
    optional = {field.encode_name for field in fields if not field.required}
    if direction == "sent" or isinstance(shape, inspect.TypedDictType):
        return optional
    return _omitted(shape.cls, optional) if isinstance(shape, inspect.StructType) else set()


def _omitted(struct: Any, optional: set[str]) -> set[str]:
    """The fields that are not sent when they have their default, or are unset."""
    config = (typing.get_origin(struct) or struct).__struct_config__
    unset = {
        field.encode_name
        for field in structs.fields(struct)
        if UnsetType in typing.get_args(field.type)
    }
    return unset | optional if config.omit_defaults else unset


def _model_fields(shape: inspect.CustomType, direction: Direction) -> Iterable[ModelField]:
    return (sent_fields if direction == "sent" else received_fields)(shape.cls)


def _enum(cls: type[Enum]) -> str:
    return _union(json.dumps(member.value) for member in cls)


def _union(parts: Iterable[str]) -> str:
    texts = list(dict.fromkeys(parts))
    return "unknown" if "unknown" in texts else " | ".join(texts)


def _property(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def _is_label(name: str) -> bool:
    """Whether an item of a tuple may be called that."""
    return _IDENTIFIER.fullmatch(name) is not None and name not in _RESERVED_WORDS
