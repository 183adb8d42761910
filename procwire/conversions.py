"""What stands in a message for a value of a type that MessagePack does not have.

One step: the stand-in may itself need one, and so may what is in it.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import struct
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from msgpack import ExtType

from procwire.errors import CodecError
from procwire.policies import Policies

__all__ = ["aware", "convert", "is_written_out"]

_Converter = Callable[[Any, Policies], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DATE_EXTENSION = 2
_pack_float64 = struct.Struct(">d").pack

_WRITTEN_OUT = (
    ("uuid", "UUID"),
    ("decimal", "Decimal"),
    ("pathlib", "PurePath"),
    ("ipaddress", "IPv4Address"),
    ("ipaddress", "IPv4Network"),
    ("ipaddress", "IPv6Address"),
    ("ipaddress", "IPv6Network"),
)


def convert(value: Any, policies: Policies) -> Any:
    """The stand-in for a value; user code may run, and raise anything.

    Raises:
        CodecError: there is none.
    """
    # mypy holds that classes cannot be hashed.
    return _converter(type(value))(value, policies)  # type: ignore[arg-type]


# Bounded, for it keeps classes alive.
@functools.lru_cache(maxsize=512)
def _converter(kind: type) -> _Converter:
    for applies, converter in _CONVERTERS:
        if applies(kind):
            return converter
    return _from_buffer


# ---- dates and times -----------------------------------------------------------------------------


def aware(value: datetime, policies: Policies) -> datetime | str:
    """A datetime with a place on the time line; its text if that is how naive ones are sent.

    Raises:
        CodecError: it is naive, and nothing has been said about those.
    """
    if value.utcoffset() is not None:
        return value
    match policies.naive:
        case "utc":
            return value.replace(tzinfo=UTC)
        case "local":
            return value.astimezone()
        case "string":
            return value.isoformat()
    raise CodecError(
        "a naive datetime has no place on the time line; give it a tzinfo, "
        'for instance datetime.now(timezone.utc), or choose a policy: naive="utc"'
    )


def _from_datetime(value: datetime, policies: Policies) -> ExtType | str | None:
    if type(value) is not datetime and value != value:
        # pandas.NaT, which says of itself that it is a datetime.
        return None
    moment = aware(value, policies)
    if isinstance(moment, str):
        return moment
    return ExtType(_DATE_EXTENSION, _pack_float64((moment - _EPOCH) / _MILLISECOND))


def _from_date_or_time(value: date | time, policies: Policies) -> str:
    return value.isoformat()


def _from_timedelta(value: timedelta, policies: Policies) -> str:
    """ISO 8601, in days and seconds, as msgspec and its typed decoders have it."""
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    days = f"{value.days}D" if value.days else ""
    seconds = str(value.seconds)
    if value.microseconds:
        seconds += f".{value.microseconds:06}".rstrip("0")
    if seconds != "0":
        return f"{sign}P{days}T{seconds}S"
    return f"{sign}P{days or '0D'}"


# ---- values with fields --------------------------------------------------------------------------


def _from_model(value: Any, policies: Policies) -> Any:
    """Pydantic's models know best; their aliases are the names for others."""
    return value.model_dump(by_alias=True)


def _from_model_dataclass(value: Any, policies: Policies) -> Any:
    """A dataclass of pydantic's, which it serializes as it does a model."""
    return value.__pydantic_serializer__.to_python(value, by_alias=True)


def _from_struct(value: Any, policies: Policies) -> Any:
    """A msgspec.Struct, with the names and options that it has for its own encoders."""
    kind = type(value)
    config = kind.__struct_config__
    values = [getattr(value, name) for name in kind.__struct_fields__]
    if config.array_like:
        return values if config.tag is None else [config.tag, *values]
    unset = sys.modules["msgspec"].UNSET
    # Only the last fields have defaults; those without one in between have a marker.
    defaults = [unset] * (len(values) - len(kind.__struct_defaults__)) + [*kind.__struct_defaults__]
    fields = {} if config.tag is None else {config.tag_field: config.tag}
    for name, item, default in zip(kind.__struct_encode_fields__, values, defaults, strict=True):
        if item is not unset and not (config.omit_defaults and _is_default(item, default)):
            fields[name] = item
    return fields


def _is_default(item: Any, default: Any) -> bool:
    """Whether msgspec would leave it out: the same object, or as empty as a fresh one."""
    if item is default:
        return True
    factory = getattr(default, "factory", None)
    return factory is type(item) and factory in (list, dict, set) and not item


def _from_attrs(value: Any, policies: Policies) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in type(value).__attrs_attrs__}


def _from_dataclass(value: Any, policies: Policies) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


# ---- arrays and buffers --------------------------------------------------------------------------


def _from_array(value: Any, policies: Policies) -> Any:
    """NumPy's arrays and scalars, and what looks like them."""
    kind = getattr(value.dtype, "kind", None)
    if getattr(value, "shape", None) == ():
        return _from_scalar(value, kind)
    if policies.arrays == "list" and hasattr(value, "tolist"):
        # Of nanoseconds tolist() would make plain integers.
        return list(value) if kind in ("M", "m") else value.tolist()
    if kind in ("O", "U", "M", "m"):
        what = "Python objects" if kind == "O" else str(value.dtype)
        raise CodecError(
            f"an array of {what} has no bytes to send that JavaScript could read; send "
            'value.tolist(), or choose a policy: arrays="list"'
        )
    if getattr(value.dtype, "byteorder", None) == ">":
        # JavaScript's typed arrays have the machine's order.
        value = value.astype(value.dtype.newbyteorder("<"))
    return _from_buffer(value, policies)


def _from_scalar(value: Any, kind: str | None) -> Any:
    if kind == "f":
        # Of a long double item() makes a long double.
        return float(value)
    item = value.item()
    if kind in ("M", "m") and isinstance(item, int):
        # Of nanoseconds, or of a time beyond Python's; Python has microseconds.
        item = value.astype(f"{kind}8[us]").item()
        if isinstance(item, int):
            raise CodecError(f"{value} is beyond Python's dates and times")
    return item


def _from_buffer(value: Any, policies: Policies) -> Any:
    try:
        view = memoryview(value)
    except TypeError:
        return _from_hook(value, policies)
    if policies.arrays == "list" and hasattr(value, "tolist"):
        return value.tolist()
    if "O" in view.format:
        raise CodecError("an array of Python objects has no bytes to send")
    return view.tobytes()


# ---- the rest ------------------------------------------------------------------------------------


def _from_hook(value: Any, policies: Policies) -> Any:
    if policies.default is None:
        raise CodecError(f"{type(value).__qualname__} has no MessagePack form")
    return policies.default(value)


def is_written_out(kind: type) -> bool:
    """Whether values of the type travel as their text."""
    if hasattr(kind, "unicode_string"):
        # A URL of pydantic's.
        return True
    for module_name, name in _WRITTEN_OUT:
        # Without the module there can be no such value, and no reason to load the module.
        module = sys.modules.get(module_name)
        if module is not None and issubclass(kind, getattr(module, name)):
            return True
    return False


def _is_model_dataclass(kind: type) -> bool:
    """Whether it is a dataclass of pydantic's, and no other one that derives from such."""
    for cls in kind.__mro__:
        if "__dataclass_fields__" in vars(cls):
            return "__pydantic_serializer__" in vars(cls)
    return False


def _derives_from(*classes: type) -> Callable[[type], bool]:
    return lambda kind: issubclass(kind, classes)


def _has(name: str) -> Callable[[type], bool]:
    return lambda kind: hasattr(kind, name)


# The first that applies to a value's type. Libraries are known by what their classes have, so
# that none is imported.
_CONVERTERS: tuple[tuple[Callable[[type], bool], _Converter], ...] = (
    (_derives_from(datetime), _from_datetime),
    (_derives_from(date, time), _from_date_or_time),
    (_derives_from(timedelta), _from_timedelta),
    (_derives_from(enum.Enum), lambda value, policies: value.value),
    (is_written_out, lambda value, policies: str(value)),
    (_derives_from(set, frozenset), lambda value, policies: list(value)),
    (_has("model_dump"), _from_model),
    (_is_model_dataclass, _from_model_dataclass),
    (_has("__struct_config__"), _from_struct),
    (_has("__attrs_attrs__"), _from_attrs),
    (_derives_from(Mapping), lambda value, policies: dict(value)),
    (dataclasses.is_dataclass, _from_dataclass),
    (_has("dtype"), _from_array),
)
