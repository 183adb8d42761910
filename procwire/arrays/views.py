"""Arrays that are views of payloads."""

from __future__ import annotations

import math
import typing
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procwire.arrays import Npy, Shape
from procwire.arrays.npy import read_header
from procwire.codecs import Codec
from procwire.errors import ValidationError

__all__ = ["ArrayCodec", "ArrayType", "array_type"]

Array = NDArray[Any]


@dataclass(frozen=True)
class ArrayType:
    """What arrays are to be made of bytes.

    Attributes:
        dtype: The type of an item; ``None`` when only the payload says.
        sizes: The length of each dimension, or -1; ``None`` when only the payload says.
        is_file: Whether the payload is a ``.npy`` file.
    """

    dtype: np.dtype[Any] | None
    sizes: tuple[int, ...] | None
    is_file: bool = False

    def __str__(self) -> str:
        dtype = "any type" if self.dtype is None else self.dtype
        text = f"an array of {dtype}"
        if self.sizes is not None and self.sizes != (-1,):
            sizes = ", ".join("n" if size == -1 else str(size) for size in self.sizes)
            text += f" and shape ({sizes}{',' * (len(self.sizes) == 1)})"
        return f"{text} in a .npy file" if self.is_file else text

    def view(self, payload: bytes) -> Array:
        """The array on the payload's memory; it cannot be written to.

        Raises:
            ValidationError: it is not what was expected.
        """
        if self.is_file:
            return self._of_file(payload)
        assert self.dtype is not None
        assert self.sizes is not None
        known = self.dtype.itemsize * math.prod(size for size in self.sizes if size != -1)
        count, rest = divmod(len(payload), known)
        if -1 in self.sizes:
            if rest:
                raise self._mismatch(payload, f"not a multiple of {known} bytes")
        elif len(payload) != known:
            raise self._mismatch(payload, f"it takes {known} bytes")
        shape = [count if size == -1 else size for size in self.sizes]
        return np.ndarray(shape, self.dtype, payload)

    def _of_file(self, payload: bytes) -> Array:
        try:
            header = read_header(payload)
        except ValueError as error:
            raise self._mismatch(payload, str(error)) from error
        if self.dtype is not None and header.dtype != self.dtype:
            raise ValidationError("$", str(self), f"an array of {header.dtype}")
        if self.sizes is not None and not _fits(header.shape, self.sizes):
            raise ValidationError("$", str(self), f"the shape {header.shape}")
        size = header.offset + header.dtype.itemsize * math.prod(header.shape)
        if len(payload) != size:
            raise self._mismatch(payload, f"its header says {size}")
        order: Any = "F" if header.fortran_order else "C"
        return np.ndarray(header.shape, header.dtype, payload, header.offset, order=order)

    def _mismatch(self, payload: bytes, reason: str) -> ValidationError:
        return ValidationError("$", str(self), f"{len(payload)} bytes", reason)


class ArrayCodec:
    """A request codec whose values are arrays.

    Args:
        codec: The method's own, which gives the bytes.
        array_type: What they are to become.
    """

    def __init__(self, codec: Codec, array_type: ArrayType) -> None:
        self.name = codec.name
        self._codec = codec
        self._array_type = array_type

    def decode(self, payload: bytes) -> Array:
        """The array of a payload.

        Raises:
            ValidationError: it is no such array.
            CodecError: the payload cannot be decoded.
        """
        value = self._codec.decode(payload)
        if not isinstance(value, bytes):
            raise ValidationError(
                "$", str(self._array_type), type(value).__name__, "send a Buffer or a typed array"
            )
        return self._array_type.view(value)

    def encode(self, value: Any) -> Any:
        """Nothing: answers have a codec of their own."""
        raise TypeError("an array codec decodes requests, it encodes nothing")


def array_type(annotation: Any, markers: Sequence[Any]) -> ArrayType:
    """What an annotation says.

    Args:
        annotation: ``numpy.ndarray``, with or without parameters.
        markers: What else it says: a :class:`Shape`, a :class:`numpy.dtype`, an :class:`Npy`.

    Raises:
        TypeError: bytes do not become such an array.
    """
    is_file = any(marker is Npy or isinstance(marker, Npy) for marker in markers)
    dtype = next((item for item in markers if isinstance(item, np.dtype)), None)
    shape = next((item for item in markers if isinstance(item, Shape)), None)
    parameters = typing.get_args(annotation)
    if dtype is None and parameters:
        dtype = _dtype_of(parameters[1])
    if dtype is None and not is_file:
        # As bytes are: Node's Buffer is a Uint8Array.
        dtype = np.dtype(np.uint8)
    if dtype is not None and (dtype.hasobject or not dtype.itemsize):
        raise TypeError(f"bytes do not become an array of {dtype}")
    if shape is not None:
        return ArrayType(dtype, shape.sizes, is_file)
    if is_file:
        return ArrayType(dtype, None, is_file)
    if parameters and _dimensions(parameters[0]) not in (None, 1):
        raise TypeError(
            f"how bytes become {annotation} is not said: Annotated[..., Shape(-1, 3)] does"
        )
    return ArrayType(dtype, (-1,))


def _dtype_of(parameter: Any) -> np.dtype[Any] | None:
    """The type of ``np.dtype[T]``; ``None`` where it is left open."""
    scalar = next(iter(typing.get_args(parameter)), Any)
    if scalar is Any or isinstance(scalar, typing.TypeVar):
        return None
    try:
        with warnings.catch_warnings():
            # np.floating is a whole family, of which NumPy 2.0 only warns.
            warnings.simplefilter("error", DeprecationWarning)
            dtype = np.dtype(scalar)
    except (TypeError, DeprecationWarning):
        return _unclear(scalar)
    return dtype if dtype.type is scalar else _unclear(scalar)


def _unclear(scalar: Any) -> typing.NoReturn:
    raise TypeError(f"{scalar} is no type of an array's items") from None


def _dimensions(parameter: Any) -> int | None:
    """How many there are in ``tuple[int, int]``; ``None`` where it is left open."""
    sizes = typing.get_args(parameter)
    return None if not sizes or Ellipsis in sizes else len(sizes)


def _fits(shape: tuple[int, ...], sizes: tuple[int, ...]) -> bool:
    return len(shape) == len(sizes) and all(
        size in (-1, length) for size, length in zip(sizes, shape, strict=True)
    )
