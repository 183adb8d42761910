"""The MessagePack codec: what JavaScript sends, what Python may send, and what it refuses."""

from __future__ import annotations

import array
import dataclasses
import decimal
import enum
import ipaddress
import math
import pathlib
import re
import struct
import uuid
from collections import OrderedDict
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procwire import CodecError, MsgpackCodec

codec = MsgpackCodec()
SAFE = 2**53 - 1
INVALID_DATE = b"\xc7\x0c\xff" + bytes(12)

# What Python sees of each value in the vectors, by the JavaScript that made it.
GOLDEN: dict[str, Any] = {
    "nil": None,
    "undefined": None,
    "true": True,
    "false": False,
    "0": 0,
    "127": 127,
    "128": 128,
    "-1": -1,
    "-32": -32,
    "-33": -33,
    "65536": 65536,
    "2**32": 2**32,
    "2**53-1": SAFE,
    "-(2**53-1)": -SAFE,
    "2**60": float(2**60),
    "1.5": 1.5,
    "-0": 0,
    "NaN": math.nan,
    "Infinity": math.inf,
    "''": "",
    "'a'": "a",
    "31 chars": "x" * 31,
    "32 chars": "x" * 32,
    "256 chars": "x" * 256,
    "'zażółć 🚀'": "zażółć 🚀",
    "lone surrogate": "\ud800",
    "[]": [],
    "[1,'a',null]": [1, "a", None],
    "16 items": list(range(16)),
    "{}": {},
    "{a:{b:[1]}}": {"a": {"b": [1]}},
    "{u:undefined}": {"u": None},
    "16 keys": {f"k{index}": index for index in range(16)},
    "Buffer ''": b"",
    "Buffer 'x'": b"x",
    "Buffer 'hi'": b"hi",
    "Buffer 16": b"\7" * 16,
    "Buffer 300": b"\7" * 300,
    "Uint8Array [1,2]": b"\1\2",
    "Float64Array [1.5] (arrives as bin)": struct.pack("<d", 1.5),
    "Date 0": datetime(1970, 1, 1, tzinfo=UTC),
    "Date 2023-11-14T22:13:20.123Z": datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC),
    "Date 1969": datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
    "Date 2600": datetime(2600, 1, 1, tzinfo=UTC),
    "Date invalid": None,
    "{at: Date, body: Buffer}": {
        "at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        "body": b"hi",
    },
    "Map": {},
    "Set": {},
    "class instance": {"x": 1},
}


def test_what_node_packs(vectors: dict[str, Any]) -> None:
    assert {golden["js"] for golden in vectors["msgpack_from_node"]} == GOLDEN.keys()
    for golden in vectors["msgpack_from_node"]:
        expected = GOLDEN[golden["js"]]
        got = codec.decode(bytes.fromhex(golden["hex"]))
        assert type(got) is type(expected), golden["js"]
        assert repr(got) == repr(expected), golden["js"]


# The values that have one form in MessagePack, whoever packs them.
SAME_BYTES = [
    name
    for name, value in GOLDEN.items()
    if not isinstance(value, bytes | datetime)
    and name not in {"-0", "lone surrogate", "Date invalid", "{at: Date, body: Buffer}"}
]


@pytest.mark.parametrize("name", SAME_BYTES)
def test_what_python_packs_as_node_does(name: str, vectors: dict[str, Any]) -> None:
    (hexadecimal,) = (g["hex"] for g in vectors["msgpack_from_node"] if g["js"] == name)
    assert codec.encode(GOLDEN[name]).hex() == hexadecimal


def test_bytes_are_bin_and_dates_are_extension_2() -> None:
    assert codec.encode(b"hi") == b"\xc4\x02hi"
    moment = datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert codec.encode(moment) == b"\xd7\x02" + struct.pack(">d", 1700000000123.456)
    warsaw = moment.astimezone(timezone(timedelta(hours=1)))
    assert codec.encode(warsaw) == codec.encode(moment)
    assert codec.decode(codec.encode(moment)) == moment


keys = st.text().filter(lambda key: key != "__proto__")


def values(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=8) | st.dictionaries(keys, inner, max_size=8),
        max_leaves=30,
    )


clean = (
    st.none()
    | st.booleans()
    | st.integers(-SAFE, SAFE)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(
        min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
    ).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
)


@settings(deadline=None)
@given(values(clean))
def test_what_is_packed_comes_back(value: Any) -> None:
    assert codec.decode(codec.encode(value)) == value


# ---- in: dates -----------------------------------------------------------------------------------


def timestamp_96(seconds: int, nanoseconds: int = 0) -> bytes:
    return b"\xc7\x0c\xff" + struct.pack(">Iq", nanoseconds, seconds)


def test_dates_beyond_pythons_range_stay_timestamps() -> None:
    far = 8_640_000_000_000  # the last second of JavaScript's calendar
    assert codec.decode(timestamp_96(far)) == msgpack.Timestamp(far, 0)
    assert codec.decode(timestamp_96(-far, 5)) == msgpack.Timestamp(-far, 5)
    assert codec.decode(b"\xd7\x02" + struct.pack(">d", far * 1000.0)) == msgpack.Timestamp(far)
    # And go back as they came.
    assert codec.encode(msgpack.Timestamp(far, 0)) == timestamp_96(far)


def test_wide_dates_beside_other_values() -> None:
    # Each kind of token is stepped over, and lengths are honoured: the bytes of an invalid date
    # inside a string are no date.
    neighbours: list[Any] = [
        None, True, 1, -1, 200, 70000, 2**40, -200, -70000, -(2**40), 1.5, "", "é" * 40,
        "x" * 300, "y" * 70000, b"", b"b" * 300, b"c" * 70000, INVALID_DATE, [], [[]] * 20,
        [0] * 70000, {}, {"k": "v"}, {str(index): index for index in range(20)},
    ]  # fmt: skip
    packed = b"".join(msgpack.packb(value) for value in neighbours)
    exts = b"\xd4\x09a" + b"\xd5\x0abb" + b"\xd6\x0bcccc" + b"\xd8\x0c" + bytes(16)
    exts += b"\xc7\x03\x0dddd" + b"\xc8\x01\x00\x0e" + bytes(256) + b"\xd6\xff" + bytes(4)
    floats = b"\xca" + struct.pack(">f", 0.5)
    count = len(neighbours) + 7 + 1 + 2
    data = b"\xdc" + struct.pack(">H", count) + packed + exts + floats
    data += timestamp_96(2**50) + INVALID_DATE
    got = codec.decode(data)
    assert got[: len(neighbours)] == neighbours
    assert got[-2:] == [msgpack.Timestamp(2**50, 0), None]
    assert got[-3] == 0.5
    assert got[-4] == datetime(1970, 1, 1, tzinfo=UTC)
    assert got[-5] == msgpack.ExtType(14, bytes(256))


def test_the_bytes_of_an_invalid_date_in_a_string_or_bytes() -> None:
    for value in (INVALID_DATE, [INVALID_DATE, b"x" * 1000 + INVALID_DATE]):
        assert codec.decode(codec.encode(value)) == value


def test_extension_2_that_is_no_date() -> None:
    assert codec.decode(b"\xd7\x02" + struct.pack(">d", math.nan)) is None
    with pytest.raises(CodecError, match="date of 8 bytes, got 4"):
        codec.decode(b"\xd6\x02" + bytes(4))
    with pytest.raises(CodecError, match="are no date"):
        codec.decode(b"\xd7\x02" + struct.pack(">d", math.inf))


# ---- in: other values ----------------------------------------------------------------------------


def test_unknown_extensions_are_kept() -> None:
    assert codec.decode(b"\xc7\x03\x63abc") == msgpack.ExtType(0x63, b"abc")


def test_keys_of_any_hashable_kind() -> None:
    assert codec.decode(b"\x82\x01\xa1a\xcb" + struct.pack(">d", 0.5) + b"\xc0") == {
        1: "a",
        0.5: None,
    }


def test_a_lone_surrogate_comes_in() -> None:
    assert codec.decode(b"\x92\xa3\xed\xa0\x80\xa1x") == ["\ud800", "x"]


NOT_ONE_VALUE = {
    "nothing": b"",
    "a token that does not exist": b"\xc1",
    "an array cut short": b"\x93\x01",
    "trailing bytes": b"\x01\x02",
    "bad UTF-8": b"\xa2\xff\xfe",
    "an array of 2**32-1 items": b"\xdd\xff\xff\xff\xff",
    "a map of 2**32-1 items": b"\xdf\xff\xff\xff\xff",
    "a string of 2**32-1 bytes": b"\xdb\xff\xff\xff\xff",
    "bytes of 2**32-1": b"\xc6\xff\xff\xff\xff",
    "an extension of 2**32-1 bytes": b"\xc9\xff\xff\xff\xff\x01",
    "200,000 levels": b"\x91" * 200_000 + b"\x01",
    "an unhashable key": b"\x81\x90\x01",
    "a timestamp of 3 bytes": b"\xc7\x03\xff\x00\x00\x00",
    "a wide date cut short": timestamp_96(2**50)[:-1],
    "a wide date in an array cut short": b"\x92" + timestamp_96(2**50),
    "a wide date with bytes behind": timestamp_96(2**50) + b"\x01",
}


@pytest.mark.parametrize("data", NOT_ONE_VALUE.values(), ids=NOT_ONE_VALUE.keys())
def test_what_is_not_one_value(data: bytes) -> None:
    with pytest.raises(CodecError):
        codec.decode(data)
    # And the codec is none the worse for it.
    assert codec.decode(b"\x01") == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_codec_error(data: bytes) -> None:
    with suppress(CodecError):
        codec.decode(data)


def test_every_truncation_of_a_rich_value() -> None:
    rich = codec.encode(
        {"a": [1, 2.5, "text", b"bytes", None, datetime.now(UTC)], "b": {"c": True}}
    )
    for size in range(len(rich)):
        with pytest.raises(CodecError):
            codec.decode(rich[:size])


# ---- out -----------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    DEEP = 2**60


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: int
    label: str


IDENTIFIER = uuid.UUID("12345678123456781234567812345678")

CONVERTED = [
    (Colour.RED, "red"),
    (Level.LOW, 1),
    (Point(1, "a"), {"x": 1, "label": "a"}),
    ([Point(1, "a")], [{"x": 1, "label": "a"}]),
    (IDENTIFIER, str(IDENTIFIER)),
    (decimal.Decimal("1.23"), "1.23"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (ipaddress.ip_address("127.0.0.1"), "127.0.0.1"),
    (ipaddress.ip_interface("127.0.0.1/8"), "127.0.0.1/8"),
    (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
    (ipaddress.ip_address("::1"), "::1"),
    (ipaddress.ip_network("2001:db8::/32"), "2001:db8::/32"),
    (frozenset([1]), [1]),
    ((1, (2,)), [1, [2]]),
    (OrderedDict(a=1), {"a": 1}),
    (date(2024, 2, 29), "2024-02-29"),
    (time(12, 30), "12:30:00"),
    (timedelta(days=1, seconds=1), "P1DT1S"),
    (bytearray(b"x"), b"x"),
    (memoryview(b"xy"), b"xy"),
    (array.array("d", [1.5]), struct.pack("=d", 1.5)),
    (np.float32(0.5), 0.5),
    (np.int64(7), 7),
    (np.bool_(True), True),
    (np.arange(3, dtype=np.uint8), b"\0\1\2"),
]


def without_address(value: Any) -> str:
    # Workers of one test run must agree on the names of tests.
    return repr(value).split(" at 0x")[0][:30]


@pytest.mark.parametrize(("value", "seen"), CONVERTED, ids=without_address)
def test_other_types_are_converted(value: Any, seen: Any) -> None:
    assert codec.decode(codec.encode(value)) == seen
    assert codec.decode(codec.encode({"in": [value]})) == {"in": [seen]}


circle: list[Any] = []
circle.append(circle)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


REFUSED = [
    (2**53, "$: the integer 9007199254740992 is beyond"),
    ({"a": [0, {"b": -(2**53)}]}, "$.a[1].b: the integer"),
    (2**70, "$: the integer"),
    ({2**53: 1}, "$: the integer"),
    ([Level.LOW, Colour.DEEP], "$[1]: the integer"),
    ({1, 2**60}, "the integer"),
    (Point(2**60, "a"), "$.x: the integer"),
    ([Point(1, "\udc80")], "$[0].label: the string has a lone surrogate at index 0"),
    ({"a": {True: 1}}, "$.a: the parent refuses keys of type bool (True)"),
    ({None: 1}, "keys of type NoneType"),
    ({(1, 2): 1}, "keys of type tuple"),
    ({b"k": 1}, "keys of type bytes"),
    ([{"__proto__": 1}], "$[0]: the parent refuses the key '__proto__'"),
    ({"\ud800": 1}, "lone surrogate"),
    ("ab\udcff", "$: the string has a lone surrogate at index 2"),
    ({"when": datetime(2024, 1, 1)}, "$.when: a naive datetime"),
    ({"o": object()}, "$.o: object has no MessagePack form"),
    (lambda: None, "$: function has no MessagePack form"),
    ([1, 2, {3j: 4}], "$[2]: the key 3j: complex has no MessagePack form"),
    (circle, "nested more than 500 levels deep, or in a circle"),
    (nested(501), "nested more than 500"),
    (nested(100_000), "nested more than 500"),
    (memoryview(b"abcd")[::2], "$: the memoryview is not contiguous"),
    ({"a": np.array([object()])}, "$.a: an array of Python objects has no bytes"),
]


@pytest.mark.parametrize(("value", "text"), REFUSED, ids=[text[:40] for _, text in REFUSED])
def test_what_javascript_would_mangle_is_refused(value: Any, text: str) -> None:
    with pytest.raises(CodecError, match=re.escape(text)):
        codec.encode(value)
    assert codec.encode(1) == b"\x01"


def test_the_deepest_value_goes_both_ways() -> None:
    assert codec.decode(codec.encode(nested(500))) == nested(500)


def test_a_set_may_stand_where_a_list_may() -> None:
    assert sorted(codec.decode(codec.encode({"s": {3, 1, 2}}))["s"]) == [1, 2, 3]


class Reentrant:
    """A value whose conversion uses the codec that is converting it."""

    def __index__(self) -> int:
        return 1

    @property
    def dtype(self) -> str:
        return "odd"

    shape = ()

    def item(self) -> bytes:
        return codec.encode([1, 2, 3])


def test_the_codec_may_be_used_from_within_a_conversion() -> None:
    assert codec.decode(codec.encode([Reentrant(), 5])) == [b"\x93\1\2\3", 5]
