"""The header of a ``.npy`` file: NumPy's own reader copies the array that follows."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Header", "read_header"]

_MAGIC = b"\x93NUMPY"
_LENGTH_SIZES = {1: 2, 2: 4, 3: 4}
"""Bytes of the header's length, by the format's version."""

MAX_HEADER = 10_000
"""Bytes of a header that is read; NumPy's own limit."""


class Header(NamedTuple):
    """What a file says about its array, which begins at ``offset``."""

    dtype: np.dtype[Any]
    fortran_order: bool
    shape: tuple[int, ...]
    offset: int


def read_header(payload: bytes) -> Header:
    """The header of a file.

    Raises:
        ValueError: there is none, or its array is not made of plain bytes.
    """
    if payload[:6] != _MAGIC:
        raise ValueError("it does not begin as a .npy file does")
    length_size = _LENGTH_SIZES.get(payload[6]) if len(payload) > 8 else None
    if length_size is None:
        raise ValueError("its format has an unknown version")
    start = 8 + length_size
    offset = start + int.from_bytes(payload[8:start], "little")
    if offset > min(len(payload), MAX_HEADER):
        raise ValueError("its header is too long")
    try:
        fields = ast.literal_eval(payload[start:offset].decode().strip())
        dtype, shape = np.lib.format.descr_to_dtype(fields["descr"]), fields["shape"]
        fortran_order = bool(fields["fortran_order"])
    except (AttributeError, IndexError, KeyError, MemoryError, RecursionError, SyntaxError,
            TypeError, ValueError) as error:  # fmt: skip
        raise ValueError("its header cannot be read") from error
    if dtype.hasobject:
        raise ValueError("its items are Python objects")
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("its header has no shape")
    return Header(dtype, fortran_order, shape, offset)
