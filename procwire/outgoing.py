"""Values on their way to JavaScript that MessagePack does not know, or JavaScript would change.

This is the slow side of the codec: :func:`convert` is called for single values of other types,
:func:`explain` walks a value that was refused, to say what is wrong and where.
"""

from __future__ import annotations

import dataclasses
import enum
import struct
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from msgpack import ExtType, Timestamp

from procwire.errors import CodecError

__all__ = ["MAX_DEPTH", "MAX_SAFE_INTEGER", "convert", "explain"]

MAX_SAFE_INTEGER = 2**53 - 1
"""JavaScript's ``Number.MAX_SAFE_INTEGER``: integers beyond it lose digits without an error."""

MAX_DEPTH = 500
"""How deeply lists and mappings may be nested."""

MAX_STRING_LENGTH = 536_870_888
"""V8's longest string; the parent throws on a longer one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DATE_EXTENSION = 2
_pack_float64 = struct.Struct(">d").pack

_WRITTEN_OUT = (("uuid", "UUID"), ("decimal", "Decimal"), ("pathlib", "PurePath"))

# What the packer takes as it is; lists, tuples and mappings are looked into.
_LEAVES = (type(None), bool, float, bytes, bytearray, ExtType, Timestamp)
_PACKABLE = (*_LEAVES, int, str, dict, list, tuple, memoryview)


def convert(value: Any) -> Any:
    """The packable stand-in for a value of a type that MessagePack does not have.

    Raises:
        CodecError: there is none.
    """
    for _ in range(MAX_DEPTH):
        value = _convert(value, "$")
        if isinstance(value, _PACKABLE):
            # The caller's look at the value did not see into this one.
            explain(value)
            return value
    raise CodecError(f"$: converted more than {MAX_DEPTH} times in a row")


def _convert(value: Any, path: str) -> Any:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise CodecError(
                f"{path}: a naive datetime has no place on the time line; give it a tzinfo, "
                "for instance datetime.now(timezone.utc)"
            )
        return ExtType(_DATE_EXTENSION, _pack_float64((value - _EPOCH) / _MILLISECOND))
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        raise CodecError(f"{path}: JavaScript has no timedelta; send value.total_seconds()")
    if isinstance(value, enum.Enum):
        return value.value
    if _is_written_out(value):
        return str(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "shape", None) == ():
        # A NumPy scalar: it offers the buffer protocol too, but is a number.
        return value.item()
    try:
        view = memoryview(value)
    except TypeError:
        pass
    else:
        if "O" in view.format:
            raise CodecError(f"{path}: an array of Python objects has no bytes to send")
        return view.tobytes()
    raise CodecError(f"{path}: {type(value).__qualname__} has no MessagePack form")


def _is_written_out(value: Any) -> bool:
    """Whether the value travels as its text."""
    for module_name, name in _WRITTEN_OUT:
        # Without the module there can be no such value, and no reason to load the module.
        module = sys.modules.get(module_name)
        if module is not None and isinstance(value, getattr(module, name)):
            return True
    return False


def explain(value: Any) -> None:
    """Find what JavaScript would mangle or MessagePack cannot carry.

    Raises:
        CodecError: the first fault, with its path: ``$.items[3].id: …``.
    """
    _explain(value, "$", 0)


def _explain(value: Any, path: str, depth: int) -> None:
    if isinstance(value, _LEAVES):
        return
    if isinstance(value, str):
        _explain_str(value, path)
    elif isinstance(value, enum.Enum) and not isinstance(value, int):
        _explain(value.value, path, depth)
    elif isinstance(value, int):
        _explain_int(value, path)
    elif isinstance(value, dict | list | tuple):
        if depth == MAX_DEPTH:
            raise CodecError(
                f"{path[:100]}…: nested more than {MAX_DEPTH} levels deep, or in a circle"
            )
        if isinstance(value, dict):
            for key, item in value.items():
                _explain_key(key, path)
                _explain(item, f"{path}.{key}", depth + 1)
        else:
            for index, item in enumerate(value):
                _explain(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, memoryview):
        if not value.c_contiguous:
            raise CodecError(f"{path}: the memoryview is not contiguous")
    else:
        if depth == MAX_DEPTH:
            raise CodecError(f"{path[:100]}…: converted more than {MAX_DEPTH} times in a row")
        _explain(_convert(value, path), path, depth + 1)


def _explain_int(value: int, path: str) -> None:
    if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        raise CodecError(
            f"{path}: the integer {_shorten(value)} is beyond ±(2**53 - 1), where JavaScript "
            "loses digits; send it as a string or a float"
        )


def _explain_str(value: str, path: str) -> None:
    if len(value) > MAX_STRING_LENGTH:
        raise CodecError(
            f"{path}: a string of {len(value)} characters is longer than JavaScript's longest "
            f"({MAX_STRING_LENGTH}); send bytes"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise CodecError(
            f"{path}: the string has a lone surrogate at index {error.start}, which UTF-8 cannot "
            "carry; encode file names with os.fsencode(), or replace it"
        ) from None


def _explain_key(key: Any, path: str) -> None:
    if isinstance(key, str):
        if key == "__proto__":
            raise CodecError(f"{path}: the parent refuses the key '__proto__'")
        _explain_str(key, path)
    elif isinstance(key, bool) or not isinstance(key, int | float):
        raise CodecError(
            f"{path}: the parent refuses keys of type {type(key).__qualname__} "
            f"({_shorten(key)}); JavaScript's keys are strings"
        )
    elif isinstance(key, int):
        _explain_int(key, path)


def _shorten(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 128:
        return f"of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
