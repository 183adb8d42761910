"""NumPy scalars, arrays and buffers on their way out."""

from __future__ import annotations

import ctypes
import re
import struct
from array import array
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from .sent import refusal, seen

NUMPY_SCALARS = [
    (np.int8(-1), -1),
    (np.uint64(5), 5),
    (np.float16(0.5), 0.5),
    (np.longdouble(0.5), 0.5),
    (np.bool_(False), False),
    (np.str_("ż"), "ż"),
    (np.bytes_(b"b"), b"b"),
    (np.array(7), 7),
    (np.array(0.5, np.longdouble), 0.5),
    (np.datetime64("NaT", "s"), None),
    (np.timedelta64(90, "s"), "PT90S"),
    (np.timedelta64(1_500_000_000, "ns"), "PT1.5S"),
    (np.datetime64("2026-01-02"), "2026-01-02"),
]


@pytest.mark.parametrize(("value", "expected"), NUMPY_SCALARS, ids=repr)
def test_numpy_scalars(value: Any, expected: Any) -> None:
    assert repr(seen([value])) == repr([expected])


def test_numpy_dates_are_naive_whatever_their_unit() -> None:
    for unit in ("s", "ms", "us", "ns"):
        moment = np.datetime64("2026-01-02T03:04:05", unit)
        assert refusal([moment]).startswith("$[0]: a naive datetime")
        expected = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert seen(moment, naive="utc") == expected
        array_of_it = np.array([[moment]])
        assert seen(array_of_it, naive="utc", arrays="list") == [[expected]]
    assert "beyond Python's dates and times" in refusal([np.datetime64("20000-01-01T00:00")])


def test_arrays_are_little_endian_in_c_order() -> None:
    numbers = np.array([[1, 2], [3, 4]], dtype=">u2")
    assert seen(numbers) == struct.pack("<4H", 1, 2, 3, 4)
    assert seen(np.asfortranarray(numbers)) == struct.pack("<4H", 1, 2, 3, 4)
    assert seen(numbers.T) == struct.pack("<4H", 1, 3, 2, 4)
    assert seen(np.array([], dtype=np.float64)) == b""


@pytest.mark.parametrize(
    "value",
    [np.array(["a"]), np.array([object()]), np.array(["2026"], "M8[s]")],
    ids=["strings", "objects", "dates"],
)
def test_arrays_without_bytes_for_javascript(value: Any) -> None:
    assert re.match(r"\$\.a: an array of .* has no bytes to send", refusal({"a": value}))


def test_arrays_as_lists() -> None:
    assert seen(np.array([[1, 2], [3, 4]]), arrays="list") == [[1, 2], [3, 4]]
    assert seen(np.array([1.5], np.longdouble), arrays="list") == [1.5]
    assert seen(np.array(["a", None], object), arrays="list") == ["a", None]
    assert seen(array("d", [0.5]), arrays="list") == [0.5]
    # These are bytes by their nature.
    for value in (b"\1", bytearray(b"\1"), memoryview(b"\1")):
        assert seen([value], arrays="list") == [b"\1"]
    assert refusal({"a": np.array([0, 2**60])}, arrays="list").startswith("$.a[1]: the integer")


def test_addresses_are_never_sent() -> None:
    objects = np.array([object()])
    pointers = (ctypes.py_object * 1)(object())
    for value in (objects, memoryview(objects), [memoryview(objects)], pointers):
        assert "of Python objects" in refusal(value)


def test_a_released_memoryview() -> None:
    view = memoryview(b"abc")
    view.release()
    assert refusal([view]).startswith("$[0]: cannot be packed: ValueError: operation forbidden")
