"""Payloads that msgspec makes values of.

The usual way is strict, and straight from the bytes. Where that fails the payload is decoded
without types and looked at leniently; only then is it a mismatch. Types with keys that are no
strings always go the second way, since JavaScript has no other keys.
"""

from __future__ import annotations

import collections.abc
import functools
import typing
from typing import Any

import msgspec
from msgspec import inspect

from procwire._core import TypedCodec, ext_hook
from procwire.codecs import Codec
from procwire.errors import CodecError, ValidationError
from procwire.failures import describe as describe_error
from procwire.typed.leniency import Leniency
from procwire.typed.mismatch import explain
from procwire.typed.models import is_model, model_from_tree
from procwire.typed.plain import name_of
from procwire.typed.shapes import Shape, describe, runs_user_code, walk

__all__ = ["Decoding"]

_BUILTIN = (bytes, bytearray, memoryview)
"""What the codec gives besides JSON's types; without them msgspec reads them from strings."""

_TRAVEL_AS_EXTENSIONS = (
    inspect.AnyType,
    inspect.BytesType,
    inspect.ByteArrayType,
    inspect.MemoryViewType,
    inspect.DateTimeType,
    inspect.UUIDType,
    inspect.RawType,
    inspect.CustomType,
)


class Decoding:
    """How payloads become values of one type.

    Args:
        annotation: The type.
        plain: The codec that decodes without types.
        nil_as_missing: Whether ``None`` stands for a field's default where it is no value.

    Raises:
        NameError: the type refers to one that is not defined (yet).
        TypeError: no payload can become that.
    """

    def __init__(self, annotation: Any, plain: Codec, nil_as_missing: bool) -> None:
        self._annotation = annotation = _with_lists(annotation)
        self._plain = plain
        self._shape: Shape = inspect.type_info(annotation)
        self._parts = list(walk(self._shape))
        for part in self._parts:
            if isinstance(part, inspect.CustomType) and not is_model(part.cls):
                raise TypeError(f"no payload can become {name_of(part.cls)}")
        self._leniency = Leniency(nil_as_missing=nil_as_missing)
        self._make_model = functools.partial(model_from_tree, nil_as_missing=nil_as_missing)
        self._convert = functools.partial(
            msgspec.convert,
            type=annotation,
            builtin_types=_BUILTIN,
            str_keys=True,
            dec_hook=self._make_model,
        )

    def codec(self) -> TypedCodec:
        """The request codec that decodes in this way."""
        return TypedCodec(
            self._plain.name,
            self._from_tree if self._has_other_keys() else self._strict(),
            self._recover,
            replaces_extensions=any(
                isinstance(part, _TRAVEL_AS_EXTENSIONS) for part in self._parts
            ),
            runs_user_code=runs_user_code(self._shape),
        )

    def _strict(self) -> Any:
        return msgspec.msgpack.Decoder(
            self._annotation, dec_hook=self._make_model, ext_hook=_extension
        ).decode

    def _has_other_keys(self) -> bool:
        return any(
            isinstance(part, inspect.DictType)
            and not isinstance(part.key_type, inspect.StrType | inspect.AnyType)
            for part in self._parts
        )

    def _from_tree(self, payload: bytes) -> Any:
        return self._convert(self._plain.decode(payload))

    def _recover(self, payload: bytes, failure: Exception) -> Any:
        if isinstance(failure, CodecError):
            raise failure
        if not isinstance(failure, msgspec.MsgspecError | UnicodeError):
            raise self._fault_of_type(failure) from failure
        # Raises what says that this is no MessagePack.
        tree = self._plain.decode(payload)
        try:
            tree = self._leniency.apply(self._shape, tree)
            return self._convert(tree)
        except msgspec.ValidationError as error:
            raise explain(error, tree, self._shape, self._convert) from error
        except Exception as error:
            raise self._fault_of_type(error) from error

    def _fault_of_type(self, failure: Exception) -> Exception:
        """What the caller is told of an exception that the type's own code has raised."""
        if isinstance(failure, MemoryError):
            return failure
        if isinstance(failure, RecursionError):
            return CodecError(f"nested too deeply for {describe(self._shape)}")
        return ValidationError(
            "$", describe(self._shape), "a value that it refuses", describe_error(failure)
        )


def _with_lists(annotation: Any) -> Any:
    """msgspec knows nothing that can only be iterated over."""
    if typing.get_origin(annotation) is collections.abc.Iterable:
        return list[typing.get_args(annotation)[0]]  # type: ignore[misc]
    return annotation


def _extension(code: int, data: memoryview) -> Any:
    return ext_hook(code, bytes(data))
