"""What the raw codec sends of a value."""

from array import array
from typing import Any

import numpy as np
import pytest

from procwire import CodecError, RawCodec

codec = RawCodec()


class Odd(bytes):
    def __bytes__(self) -> bytes:
        return b"something else"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ab", b"ab"),
        (b"", b""),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"abcd")[1:3], b"bc"),
        (array("H", [1, 2]), array("H", [1, 2]).tobytes()),
        (np.array([[1, 2], [3, 4]], "<u2"), b"\1\0\2\0\3\0\4\0"),
        # Numbers that are buffers.
        (np.int64(5), np.array([5]).tobytes()),
        (np.uint8(200), b"\xc8"),
        (np.array(3, "<i2"), b"\3\0"),
        (Odd(b"ab"), b"ab"),
    ],
)
def test_the_bytes_of_a_buffer(value: Any, expected: bytes) -> None:
    assert codec.encode(value) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "a raw payload is a bytes-like object, got int"),
        ("a", "a raw payload is a bytes-like object, got str: encode it first"),
        (memoryview(b"abcd")[::2], "a raw payload must be contiguous in memory: "),
        (np.arange(4)[::2], "a raw payload must be contiguous in memory: "),
        (np.array([None]), "a raw payload cannot be an array of Python objects"),
    ],
)
def test_what_has_no_bytes_to_send(value: Any, text: str) -> None:
    with pytest.raises(CodecError) as caught:
        codec.encode(value)
    assert str(caught.value).startswith(text)
