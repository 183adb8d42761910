"""The scanner that finds the method of a control message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procwire._core import CONTROL_MAX_DEPTH, CONTROL_MAX_LINE_SIZE, control_message

METHODS = ("$ping", "$shutdown")


@pytest.mark.parametrize(
    ("line", "method"),
    [
        (b'{"jsonrpc":"2.0","method":"$ping"}', "$ping"),
        (b'{"jsonrpc":"2.0","method":"$shutdown","params":{}}', "$shutdown"),
        (b'{"method":"$ping"}\r', "$ping"),
        (b'{ "method" :\t"$ping" } ', "$ping"),
        (rb'{"\u006dethod":"\u0024p\u0069ng"}', "$ping"),
        (b'{"method":"$other","method":"$ping"}', "$ping"),
        (b'{"params":{"method":"$shutdown"},"method":"$ping"}', "$ping"),
        (b'{"a":[{"method":"$shutdown"},"]}",1.5e-3,-0],"method":"$ping"}', "$ping"),
        (b'{"a":true,"b":false,"c":null,"d":[],"e":{},"method":"$ping"}', "$ping"),
        (b'{"a":"\xff\xfe","method":"$ping"}', "$ping"),
        (rb'{"a":"\"method\":\"$shutdown\"\\","method":"$ping"}', "$ping"),
    ],
)
def test_messages(line: bytes, method: str) -> None:
    assert control_message(line) == method


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b'["$ping"]',
        b'"$ping"',
        b" " * 10,
        b' {"method":"$ping"}',
        b'\xef\xbb\xbf{"method":"$ping"}',
        b'\0{"method":"$ping"}',
        b'{"method":"$ping"}\0',
        b'{"method":"$ping\0"}',
        rb'{"method":"$ping\u0000"}',
        b'{"method":"$ping"}x',
        b'{"method":"$ping"}{}',
        b'{"method":"$ping",}',
        b'{,"method":"$ping"}',
        b'{"method":"$ping"',
        b'{"method":"$ping',
        b'{"method":"$pin',
        b'{"method" "$ping"}',
        b'{method:"$ping"}',
        b"{'method':'$ping'}",
        b'{"method":"$ping","method":5}',
        b'{"method":["$ping"]}',
        b'{"method":{"method":"$ping"}}',
        b'{"method":null}',
        b'{"METHOD":"$ping"}',
        b'{"method":"$pingpingpingpingping"}',
        b'{"methodmethodmethodmethod":"$ping"}',
        b'{"params":{"method":"$ping"}}',
        b'{"a":01,"method":"$ping"}',
        b'{"a":1.,"method":"$ping"}',
        b'{"a":-,"method":"$ping"}',
        b'{"a":1e,"method":"$ping"}',
        b'{"a":NaN,"method":"$ping"}',
        b'{"a":tru,"method":"$ping"}',
        b'{"a":[1,],"method":"$ping"}',
        b'{"a":[1}],"method":"$ping"}',
        rb'{"a":"\x","method":"$ping"}',
        rb'{"a":"\u12g4","method":"$ping"}',
        b'{"a":"\n","method":"$ping"}',
        rb'{"method":"$ping\u0',
        b'{"method":"$ping\\',
    ],
)
def test_what_is_no_message(line: bytes) -> None:
    assert control_message(line) is None


def test_depth_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        # The message itself is one level.
        return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b',"method":"$ping"}'

    assert control_message(nested(CONTROL_MAX_DEPTH)) == "$ping"
    assert control_message(nested(CONTROL_MAX_DEPTH + 1)) is None
    for opening in (b"[", b'{"a":', b"[{},"):
        assert control_message(b'{"a":' + opening * 10_000) is None


def test_length_is_bounded() -> None:
    def padded(size: int) -> bytes:
        return b'{"method":"$ping"}'.ljust(size)

    assert control_message(padded(CONTROL_MAX_LINE_SIZE)) == "$ping"
    assert control_message(padded(CONTROL_MAX_LINE_SIZE + 1)) is None


names = st.sampled_from(["method", "params", "Method", "method ", "m\u0000"]) | st.text(max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([*METHODS, "$pings"])
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


@given(
    st.dictionaries(names, values, max_size=6),
    st.booleans(),
    st.sampled_from([None, 1, "\t"]),
)
def test_it_agrees_with_the_json_library(
    message: dict[str, Any], ascii_only: bool, indent: int | str | None
) -> None:
    text = json.dumps(message, ensure_ascii=ascii_only, indent=indent)
    method = message.get("method")
    expected = method if method in METHODS else None
    assert control_message(text.encode(errors="surrogatepass")) == expected


def reference(line: bytes) -> str | None:
    """What the json library makes of it; it takes words that are no JSON."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    if not line.startswith(b"{"):
        return None
    try:
        message = json.loads(line.decode("utf-8", "surrogateescape"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    method = message.get("method")
    return method if method in METHODS else None


PIECES = rb"""
"method" : "$ping" "$shutdown" { } [ ] , " \ 1 - . e null \u0024 "a" NaN
"""
pieces = st.sampled_from([*PIECES.split(), b" ", b"\n", b"\0", b"\xff"])


@given(st.lists(pieces, max_size=14).map(b"".join), st.sampled_from([b"", b'{"method":"$ping",']))
def test_it_agrees_on_fragments(line: bytes, start: bytes) -> None:
    line = start + line
    assert control_message(line) == reference(line)


@given(st.data())
def test_it_agrees_on_damaged_messages(data: st.DataObject) -> None:
    line = bytearray(b'{"a":[1.5e3,"x\\u0041"],"method":"$ping","params":{"b":null}}')
    place = data.draw(st.integers(0, len(line) - 1))
    line[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    assert control_message(bytes(line)) == reference(bytes(line))
