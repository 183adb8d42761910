"""What msgspec knows of a type: the tree of :func:`msgspec.inspect.type_info`."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from msgspec import NODEFAULT, inspect

__all__ = [
    "ARRAYS",
    "OBJECTS",
    "Shape",
    "describe",
    "fields_of",
    "is_array",
    "is_object",
    "member_for",
    "runs_user_code",
    "tag_of",
    "unwrap",
    "walk",
]

Shape: TypeAlias = inspect.Type

OBJECTS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
"""Objects whose keys are fields."""

ARRAYS = (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)
"""Arrays whose items are of one type."""

_FACTORIES = (NODEFAULT, list, dict, set, frozenset, bytearray)
"""What makes a default without calling anything of the user's."""

_LEAF_VALUES: tuple[tuple[type, tuple[type, ...]], ...] = (
    (bool, (inspect.BoolType,)),
    (int, (inspect.IntType, inspect.FloatType)),
    (float, (inspect.FloatType, inspect.IntType)),
    (str, (inspect.StrType,)),
    (bytes, (inspect.BytesType, inspect.ByteArrayType, inspect.MemoryViewType)),
)


def unwrap(shape: Shape) -> Shape:
    """The type that annotations for a JSON schema are about."""
    while isinstance(shape, inspect.Metadata):
        shape = shape.type
    return shape


def is_object(shape: Shape) -> bool:
    """Whether it travels as an object with fields."""
    return isinstance(shape, OBJECTS) and not getattr(shape, "array_like", False)


def is_array(shape: Shape) -> bool:
    """Whether it travels as an array."""
    return isinstance(shape, (*ARRAYS, inspect.TupleType, inspect.NamedTupleType)) or getattr(
        shape, "array_like", False
    )


def fields_of(shape: Shape) -> Sequence[inspect.Field]:
    """The fields of a class; empty for what has none."""
    fields: Sequence[inspect.Field] = getattr(shape, "fields", ())
    return fields


def tag_of(shape: Shape) -> tuple[str, str | int] | None:
    """The field that tells the members of a union apart, and what it has here."""
    if not isinstance(shape, inspect.StructType) or shape.tag_field is None:
        return None
    assert shape.tag is not None
    return shape.tag_field, shape.tag


def walk(shape: Shape) -> Iterator[Shape]:
    """The type and all that it is made of, each once."""
    seen: set[int] = set()
    todo = [shape]
    while todo:
        shape = unwrap(todo.pop())
        if id(shape) in seen:
            continue
        seen.add(id(shape))
        yield shape
        todo += _parts(shape)


def _parts(shape: Shape) -> list[Shape]:
    if isinstance(shape, inspect.UnionType):
        return list(shape.types)
    if isinstance(shape, ARRAYS):
        return [shape.item_type]
    if isinstance(shape, inspect.TupleType):
        return list(shape.item_types)
    if isinstance(shape, inspect.DictType):
        return [shape.key_type, shape.value_type]
    return [field.type for field in fields_of(shape)]


def member_for(shape: Shape, value: Any) -> Shape:
    """The member of a union that such a value would become; the union itself if that is unclear."""
    shape = unwrap(shape)
    if not isinstance(shape, inspect.UnionType):
        return shape
    members = [unwrap(member) for member in shape.types]
    if isinstance(value, dict):
        objects = [member for member in members if is_object(member)]
        found = _tagged(objects, value.get) or objects
        found += [member for member in members if isinstance(member, inspect.DictType)]
    elif isinstance(value, list):
        arrays = [member for member in members if is_array(member)]
        found = _tagged(arrays, lambda _field: value[0] if value else None) or arrays
    else:
        found = _leaves(members, value)
    if len(found) != 1:
        real = [member for member in members if not isinstance(member, inspect.NoneType)]
        # Of an optional type it is clear what a value was meant to be.
        found = real if value is not None else []
    return found[0] if len(found) == 1 else shape


def _leaves(members: Sequence[Shape], value: Any) -> list[Shape]:
    for kind, shapes in _LEAF_VALUES:
        if type(value) is kind:
            for shape in shapes:
                found = [member for member in members if isinstance(member, shape)]
                if found:
                    return found
    return []


def _tagged(members: Sequence[Shape], read: Callable[[str], Any]) -> list[Shape]:
    """Those whose tag the value has."""
    return [
        member
        for member in members
        if (tag := tag_of(member)) is not None and read(tag[0]) == tag[1]
    ]


def runs_user_code(shape: Shape) -> bool:
    """Whether making such a value calls functions of the type's author."""
    return any(_runs_user_code(part) for part in walk(shape))


def _runs_user_code(shape: Shape) -> bool:
    if isinstance(shape, inspect.EnumType):
        return getattr(shape.cls._missing_, "__func__", None) is not getattr(
            enum.Enum._missing_, "__func__", None
        )
    if isinstance(shape, inspect.CustomType):
        return True
    if any(field.default_factory not in _FACTORIES for field in fields_of(shape)):
        return True
    cls = getattr(shape, "cls", None)
    # attrs has validators and converters as well.
    hooks = ("__post_init__", "__pre_init__", "__attrs_attrs__")
    return any(hasattr(cls, hook) for hook in hooks)


# ---- in words ----------------------------------------------------------------------------------

_NAMES: dict[type[Shape], str] = {
    inspect.AnyType: "any value",
    inspect.NoneType: "None",
    inspect.BoolType: "bool",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.StrType: "str",
    inspect.BytesType: "bytes",
    inspect.ByteArrayType: "bytearray",
    inspect.MemoryViewType: "memoryview",
    inspect.DateTimeType: "datetime",
    inspect.TimeType: "time",
    inspect.DateType: "date",
    inspect.TimeDeltaType: "timedelta",
    inspect.UUIDType: "UUID",
    inspect.DecimalType: "Decimal",
    inspect.ExtType: "Ext",
    inspect.RawType: "any value",
    inspect.ListType: "list",
    inspect.SetType: "set",
    inspect.FrozenSetType: "frozenset",
    inspect.VarTupleType: "tuple",
}

_BOUNDS = (
    ("gt", ">"),
    ("ge", ">="),
    ("lt", "<"),
    ("le", "<="),
    ("multiple_of", "a multiple of"),
    ("pattern", "matching"),
    ("min_length", "of length >="),
    ("max_length", "of length <="),
)


def describe(shape: Shape) -> str:
    """The type as a person writes it, with its bounds."""
    shape = unwrap(shape)
    bounds = [
        f"{words} {value!r}"
        for name, words in _BOUNDS
        if (value := getattr(shape, name, None)) is not None
    ]
    return " ".join([_name(shape), " and ".join(bounds)]).rstrip()


def _name(shape: Shape) -> str:
    if isinstance(shape, inspect.UnionType):
        return " | ".join(describe(member) for member in shape.types)
    if isinstance(shape, inspect.LiteralType):
        return _one_of(shape.values)
    if isinstance(shape, inspect.EnumType):
        return _one_of([member.value for member in shape.cls])
    if isinstance(shape, inspect.VarTupleType):
        return f"tuple[{describe(shape.item_type)}, ...]"
    if isinstance(shape, ARRAYS):
        return f"{_NAMES[type(shape)]}[{describe(shape.item_type)}]"
    if isinstance(shape, inspect.TupleType):
        return f"tuple[{', '.join(describe(item) for item in shape.item_types)}]"
    if isinstance(shape, inspect.DictType):
        return f"dict[{describe(shape.key_type)}, {describe(shape.value_type)}]"
    cls = getattr(shape, "cls", None)
    return _NAMES.get(type(shape)) or getattr(cls, "__name__", None) or type(shape).__name__


def _one_of(values: Sequence[Any]) -> str:
    return " | ".join(repr(value) for value in values)
