"""Payloads without the extensions of JavaScript and of this library, for decoders of others."""

from __future__ import annotations

import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from procwire import CodecError, MsgpackCodec
from procwire._core import replace_extensions

codec = MsgpackCodec()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def date(milliseconds: float) -> bytes:
    return b"\xd7\x02" + struct.pack(">d", milliseconds)


def plain_value(payload: bytes) -> Any:
    """What a decoder makes of it that knows no extension but the standard's timestamp."""
    return msgpack.unpackb(payload, timestamp=3, strict_map_key=False)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 8, 16, 17, 255, 256, 65535, 65536, 70000])
def test_buffers_become_bin(size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    payload = msgpack.packb([1, msgpack.ExtType(1, data), "behind"])
    assert plain_value(replace_extensions(payload)) == [1, data, "behind"]
    assert replace_extensions(payload) == msgpack.packb([1, data, "behind"])


@pytest.mark.parametrize(
    "head", [b"\xc7\x03\x01", b"\xc8\x00\x03\x01", b"\xc9\x00\x00\x00\x03\x01"]
)
def test_any_head_will_do(head: bytes) -> None:
    assert replace_extensions(head + b"abc") == b"\xc4\x03abc"


@pytest.mark.parametrize(
    "milliseconds",
    [0.0, 1.0, -1.0, 1700000000123.0, 1700000000123.456, -0.0005, 0.0005, 0.0015, -62135596800000.0,
     253402300799999.0, 4294967296000.0, 17179869184000.0],
)  # fmt: skip
def test_dates_become_timestamps(milliseconds: float) -> None:
    replaced = replace_extensions(date(milliseconds))
    assert plain_value(replaced) == codec.decode(date(milliseconds))


@given(st.floats(-6.2e13, 2.5e14))
@example(0.5005)
def test_every_date_is_rounded_as_python_rounds_it(milliseconds: float) -> None:
    expected = EPOCH + timedelta(milliseconds=milliseconds)
    assert plain_value(replace_extensions(date(milliseconds))) == expected


@pytest.mark.parametrize("payload", [date(float("nan")), b"\xc7\x0c\xff" + bytes(12)])
def test_invalid_dates_become_nil(payload: bytes) -> None:
    assert replace_extensions(b"\x92" + payload + b"\x01") == b"\x92\xc0\x01"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\xc0",
        msgpack.packb({"a": [1.5, "x" * 300, b"y" * 70000, {"b": None}]}),
        msgpack.packb(msgpack.ExtType(5, b"ab")),
        msgpack.packb(b"\xd4\x01x"),
        date(float("inf")),
        date(9e15),
        date(253402300800000.0),
        b"\xc7\x07\x02" + bytes(7),
        # A standard timestamp, and one that Python has no date for.
        msgpack.packb(EPOCH, datetime=True),
        b"\xc7\x0c\xff" + bytes(4) + b"\x7f" + bytes(7),
        # The bytes end within a token.
        b"\xd4\x01",
        b"\xc7\x05\x01abc",
        b"\xc9\xff\xff\xff\xff\x01ab",
        b"\xda\xff",
    ],
)
def test_all_else_stays(payload: bytes) -> None:
    assert replace_extensions(payload) is payload


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.binary(max_size=40)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
    lambda items: st.lists(items, max_size=4) | st.dictionaries(st.text(max_size=5), items),
    max_leaves=20,
)


@given(VALUES, st.integers(0, 4))
def test_the_codec_sees_the_same(value: Any, cut: int) -> None:
    payload = msgpack.packb(value)
    payload = payload[: len(payload) - cut]
    replaced = replace_extensions(payload)
    with suppress(CodecError):
        expected = codec.decode(payload)
        assert codec.decode(replaced) == expected
        return
    with pytest.raises(CodecError):
        codec.decode(replaced)
