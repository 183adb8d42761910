"""Payloads that become NumPy arrays, without a copy, where a handler's annotation says so.

On raw methods the payload is the array's memory, on MessagePack methods a ``Buffer`` or a typed
array is.  NumPy itself is loaded by whoever writes the annotation, never by this package.
"""

from __future__ import annotations

import sys
import typing
from dataclasses import dataclass
from typing import Any

from procwire._core import MsgpackCodec, RawCodec
from procwire.codecs import Codec
from procwire.decoders import Wanted

__all__ = ["Npy", "Shape", "decoder_for"]


class Shape:
    """The shape of an array that arrives as bare bytes.

    ::

        def blur(image: Annotated[NDArray[np.uint8], Shape(-1, 1920, 4)]): ...

    Args:
        sizes: The length of each dimension; one of them may be -1, and follows from the bytes.

    Raises:
        ValueError: these are no such lengths.
    """

    def __init__(self, *sizes: int) -> None:
        if not sizes or sizes.count(-1) > 1 or not all(size == -1 or size > 0 for size in sizes):
            raise ValueError(f"the lengths of a shape are positive, one may be -1; got {sizes}")
        self.sizes = sizes

    def __repr__(self) -> str:
        return f"Shape{self.sizes}"


@dataclass(frozen=True)
class Npy:
    """The payload is a ``.npy`` file, which says itself what its type and shape are.

    What an annotation says besides has to be what the file says.
    """


def decoder_for(wanted: Wanted) -> Codec | None:
    """The decoder of a parameter that is an array; ``None`` for any other.

    Raises:
        TypeError: bytes do not become such an array: their type or shape remains open.
    """
    annotation, markers = _unfold(wanted.type)
    # Without NumPy there is no such annotation.
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or (typing.get_origin(annotation) or annotation) is not numpy.ndarray:
        return None
    if not isinstance(wanted.codec, RawCodec | MsgpackCodec):
        return None
    from procwire.arrays.views import ArrayCodec, array_type

    return ArrayCodec(wanted.codec, array_type(annotation, markers))


def _unfold(annotation: Any) -> tuple[Any, list[Any]]:
    """An annotation without the names that stand for it, and what it is annotated with."""
    markers: list[Any] = []
    while True:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        # Written as `type NDArray[T] = ...`, as in NumPy from 2.5 on.
        named = getattr(origin or annotation, "__value__", None)
        if origin is typing.Annotated:
            annotation = arguments[0]
            markers += arguments[1:]
        elif named is not None:
            annotation = named[arguments] if arguments else named
        else:
            return annotation, markers
